//! The command line, as typed.

mod run;
mod words;

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use run::{Network, RunArguments};
pub(crate) use words::explain;

use crate::model::ByteSize;

/// Builds, runs and publishes container images from `oci.toml` and `oci.lock`, without a daemon.
#[derive(Debug, Parser)]
#[command(name = "oci", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Counts a command's `-v` as `--verbose`.
    pub(crate) fn with_short_flags(mut self) -> Self {
        self.global.verbose |= self.command.is_verbose();
        self
    }
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Go to this folder first
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    pub(crate) folder: Option<PathBuf>,
    /// The manifest, instead of the nearest `oci.toml` at or above the current folder
    #[arg(long, value_name = "PATH", global = true, env = "OCI_MANIFEST_PATH")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Fail if `oci.lock` would have to change
    #[arg(long, global = true, env = "OCI_LOCKED", value_parser = FalseyValueParser::new())]
    pub(crate) locked: bool,
    /// Ask no registry
    #[arg(long, global = true, env = "OCI_OFFLINE", value_parser = FalseyValueParser::new())]
    pub(crate) offline: bool,
    /// `--locked` and `--offline`
    #[arg(long, global = true, env = "OCI_FROZEN", value_parser = FalseyValueParser::new())]
    pub(crate) frozen: bool,
    /// How many threads work, at most [default: one for each processor]
    #[arg(short, long, value_name = "N", global = true, env = "OCI_JOBS", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// How long a registry may be silent [default: 60, and 180 in the middle of a transfer]
    #[arg(long, value_name = "SECONDS", global = true, env = "OCI_NETWORK_TIMEOUT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) network_timeout: Option<u32>,
    /// Another value for one of `[vars]`, for this run; also `OCI_VAR_NAME`
    #[arg(long = "var", value_name = "NAME=VALUE", global = true)]
    pub(crate) variables: Vec<String>,
    /// Results and errors as JSON
    #[arg(long, global = true, env = "OCI_JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
    /// Say nothing but results, warnings and errors
    #[arg(short, long, global = true, env = "OCI_QUIET", value_parser = FalseyValueParser::new(), conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more; `-v` before or after any command but `run`
    #[arg(long, global = true, env = "OCI_VERBOSE", value_parser = FalseyValueParser::new())]
    pub(crate) verbose: bool,
    /// How work that goes on is shown
    #[arg(long, value_name = "HOW", global = true, env = "OCI_PROGRESS", default_value = "auto")]
    pub(crate) progress: HowProgress,
    /// Colour errors
    #[arg(long, value_name = "WHEN", global = true, env = "OCI_COLOR", default_value = "auto")]
    pub(crate) color: When,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    Always,
    Never,
}

/// How to show work that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HowProgress {
    /// With bars on a terminal, unless `CI` is set; else as lines
    Auto,
    /// As lines
    Plain,
    /// Not at all
    None,
}

/// `-v`, where it is not `--volume`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Verbose {
    /// Say more
    // Not of the name of the global option, which it would hide.
    #[arg(id = "v", short = 'v', hide = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check `oci.toml` and `oci.lock`, and nothing else: offline, in milliseconds
    Check(CheckArguments),
    /// Add a base to `oci.toml`, and pin it
    Add(AddArguments),
    /// Pin every base to a digest in `oci.lock`
    Lock(LockArguments),
    /// Pin bases to what their tags stand for now
    Update(UpdateArguments),
    /// List the bases whose tags have moved, and those that are too old
    Outdated(OutdatedArguments),
    /// Bring everything that a later `--offline` build or run needs
    Fetch(FetchArguments),
    /// Build images
    Build(BuildArguments),
    /// Build an image if need be, and run it
    Run(RunArguments),
    /// Build images if need be, and push every tag
    Publish(PublishArguments),
    /// Look after what is kept for later builds and runs, of all projects
    Cache(CacheArguments),
    /// Tell what is there of all that builds and runs need, and what to do where it is not
    Doctor(DoctorArguments),
    /// Print the JSON Schema of `oci.toml`, for editors
    Schema,
    /// Print completions for a shell
    Completions(CompletionsArguments),
}

impl Command {
    fn is_verbose(&self) -> bool {
        let Verbose { verbose } = match self {
            Self::Check(arguments) => arguments.verbose,
            Self::Add(arguments) => arguments.verbose,
            Self::Lock(arguments) => arguments.verbose,
            Self::Update(arguments) => arguments.verbose,
            Self::Outdated(arguments) => arguments.verbose,
            Self::Fetch(arguments) => arguments.verbose,
            Self::Build(arguments) => arguments.verbose,
            Self::Publish(arguments) => arguments.verbose,
            Self::Doctor(arguments) => arguments.verbose,
            Self::Cache(arguments) => arguments.command.verbose(),
            Self::Run(_) | Self::Schema | Self::Completions(_) => return false,
        };
        verbose
    }
}

/// What `--changed` does, for `--help`.
const CHANGED: &str = "For hooks: do it for each `oci.toml` of the git repository that the commit changes. That is one \
    which is staged, or whose `oci.lock` is; between PRE_COMMIT_FROM_REF and PRE_COMMIT_TO_REF, if pre-commit sets \
    them. Where no such change is known, as with `pre-commit run --all-files`, it is every one that git tracks";

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Look at each manifest that the commit changes, in the whole git repository: for hooks
    #[arg(long, conflicts_with = "manifest_path", long_help = CHANGED)]
    pub(crate) changed: bool,
    #[command(flatten)]
    verbose: Verbose,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    verbose: Verbose,
}

#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// What the base is to be called
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The image; `python` is `docker.io/library/python`, and without a tag it is `latest`
    #[arg(value_name = "IMAGE[:TAG][@DIGEST]")]
    pub(crate) image: String,
    #[command(flatten)]
    verbose: Verbose,
}

#[derive(Debug, Args)]
pub(crate) struct LockArguments {
    /// Only see whether `oci.lock` is current: write nothing, ask no registry, return 1 if it is not
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) check: bool,
    /// Do it for each manifest that the commit changes, in the whole git repository: for hooks
    #[arg(long, conflicts_with = "manifest_path", long_help = CHANGED)]
    pub(crate) changed: bool,
    /// Print what would change, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    verbose: Verbose,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArguments {
    /// Bases or variants; all, if none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Print what would change, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    verbose: Verbose,
}

#[derive(Debug, Args)]
pub(crate) struct OutdatedArguments {
    /// Return 1 if a tag has moved, or a base is too old
    #[arg(long)]
    pub(crate) exit_code: bool,
    #[command(flatten)]
    verbose: Verbose,
}

#[derive(Debug, Args)]
pub(crate) struct FetchArguments {
    /// Builds, stages, bases or variants; all, if none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Only these platforms
    #[arg(long = "platform", value_name = "PLATFORM", env = "OCI_PLATFORM", value_delimiter = ',')]
    pub(crate) platforms: Vec<String>,
    #[command(flatten)]
    verbose: Verbose,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    /// Builds or stages; all builds, if none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Only these platforms
    #[arg(long = "platform", value_name = "PLATFORM", env = "OCI_PLATFORM", value_delimiter = ',')]
    pub(crate) platforms: Vec<String>,
    /// Bring the bases' layers into `.oci/` too
    #[arg(long)]
    pub(crate) complete: bool,
    /// Make every layer anew
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Begin nothing more once a build failed
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Write what was built to this file, as JSON
    #[arg(long, value_name = "PATH")]
    pub(crate) metadata_file: Option<PathBuf>,
    /// Print what would be done and why, and do nothing: write nothing, start nothing, ask no registry
    #[arg(long, conflicts_with_all = ["complete", "metadata_file"])]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    verbose: Verbose,
}

#[derive(Debug, Args)]
pub(crate) struct PublishArguments {
    /// Builds; all that have a repository, if none is named
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Push these tags instead of those in `oci.toml`
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Only these platforms; needs `--tag`, so that no tag loses platforms
    #[arg(long = "platform", value_name = "PLATFORM", env = "OCI_PLATFORM", value_delimiter = ',')]
    pub(crate) platforms: Vec<String>,
    #[command(flatten)]
    verbose: Verbose,
}

#[derive(Debug, Args)]
pub(crate) struct CacheArguments {
    #[command(subcommand)]
    pub(crate) command: CacheCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Print the cache folder
    Dir(Verbose),
    /// Print what the cache takes on the disk, by kind
    Size(Verbose),
    /// Remove leftovers, and what was used least recently until the cache is small enough
    Prune(PruneArguments),
    /// Remove everything that no running `oci` uses
    Clean(Verbose),
    /// Read everything, and set aside what is damaged; return 1 if something was
    Verify(Verbose),
}

impl CacheCommand {
    fn verbose(&self) -> Verbose {
        match self {
            Self::Prune(arguments) => arguments.verbose,
            Self::Dir(verbose) | Self::Size(verbose) | Self::Clean(verbose) | Self::Verify(verbose) => *verbose,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PruneArguments {
    /// How large the cache may be, such as `20GB` [default: `[cache] max-size`, else without limit]
    #[arg(long, value_name = "SIZE", value_parser = ByteSize::parse)]
    pub(crate) max_size: Option<ByteSize>,
    #[command(flatten)]
    verbose: Verbose,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

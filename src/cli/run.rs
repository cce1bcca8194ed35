//! The options of `oci run`.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// A build, a stage, a base or a variant
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Replace the image's arguments
    #[arg(last = true, value_name = "ARG")]
    pub(crate) arguments: Vec<String>,
    /// Set a variable; without `=`, pass it on
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Set the variables of a file, `NAME=VALUE` a line
    #[arg(long, value_name = "PATH")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Mount a file or folder
    #[arg(short, long = "volume", value_name = "FROM:TO[:ro]")]
    pub(crate) volumes: Vec<String>,
    /// Give it a terminal
    #[arg(short, long, action = ArgAction::SetTrue)]
    pub(crate) terminal: bool,
    /// Taken for granted: standard input is always passed on
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Run this program instead; what follows `--` is its arguments. Empty, what follows is all that runs
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) entrypoint: Option<String>,
    /// Name or number, with a group if need be
    #[arg(long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// The folder to start in
    #[arg(long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// The container's host name, which no other that runs has
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) container: Option<String>,
    /// This machine's network, or none
    #[arg(long, value_name = "NETWORK", default_value = "host")]
    pub(crate) network: Network,
    /// Refuse writes to the image's files
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Have the program not be the first process: another one ends orphans and passes signals on
    #[arg(long)]
    pub(crate) init: bool,
    /// The most memory, such as `512MiB`
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// The most processors, such as `1.5`
    #[arg(long, value_name = "NUMBER")]
    pub(crate) cpus: Option<String>,
    /// The most processes and threads at a time
    #[arg(long, value_name = "NUMBER")]
    pub(crate) pids_limit: Option<String>,
    /// This platform instead of the machine's
    #[arg(long, value_name = "PLATFORM", env = "OCI_PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Refused: with the host's network there are no ports to map
    #[arg(short, long = "publish", value_name = "PORTS", hide = true)]
    pub(crate) ports: Vec<String>,
}

/// What a container sees of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Network {
    /// This machine's, so that servers are reached
    Host,
    /// Only a loopback of its own
    None,
}

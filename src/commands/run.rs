//! `oci run` runs a build, a stage, a base or a variant in a container of its own.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::limits::{LimitError, limits};
use super::{Session, settings};
use crate::cli::{Global, Network, RunArguments};
use crate::containers::machine::Stack;
use crate::containers::run::{RunError, RunOptions, RunRequest, Volume};
use crate::diagnostic::{Failure, Status};
use crate::image::Image;
use crate::manifest::{Entrypoint, Manifest};
use crate::model::{Environment, ImageName, Platform};
use crate::plan::Plan;
use crate::process::signal;
use crate::source::{At, Place};
use crate::{fs, sanitize, suggest};

/// Why something cannot be run.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum TargetError {
    #[error("there is no image `{name}` in `{manifest}`")]
    #[diagnostic(code(oci::run::unknown_image))]
    Unknown {
        name: String,
        manifest: String,
        #[help]
        help: Option<String>,
    },
    #[error("`-p` maps ports, and there are none to map")]
    #[diagnostic(
        code(oci::run::no_ports),
        help("leave it out: the container has this machine's network, so its servers are reached at their own ports")
    )]
    Ports,
    #[error("`{written}` is no volume")]
    #[diagnostic(code(oci::cli::bad_volume), help("write `FROM:TO`, or `FROM:TO:ro` for one that is only read"))]
    Volume { written: String },
    #[error("`{written}` is no name of a container")]
    #[diagnostic(
        code(oci::cli::bad_container),
        help("write at most 63 letters, digits, `-` and `.`, a letter or digit first")
    )]
    Container { written: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Limit(#[from] LimitError),
    #[error("`{written}` sets no variable")]
    #[diagnostic(code(oci::cli::bad_variable), help("write `NAME=VALUE`, or `NAME` to pass on this machine's value"))]
    Variable { written: String },
    #[error("could not read the variables in `{}`", path.display())]
    #[diagnostic(code(oci::cli::bad_env_file))]
    EnvFile { path: PathBuf, source: io::Error },
}

/// An image whose layers are all in the store.
struct Target {
    name: String,
    image: Image,
    /// How many of its layers, from the lowest, came from elsewhere.
    from_elsewhere: usize,
    /// When the base from elsewhere was made, as its config says.
    created: Option<String>,
    /// The place that stands for the image in errors.
    place: Place,
    /// The place that names the program, unless the command line does.
    program: Option<Place>,
    /// The manifest asks for a terminal.
    terminal: bool,
}

/// Runs the image. The exit status is the container's own.
pub(super) fn run(global: &Global, arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let options = options(arguments).map_err(super::invalid)?;
    let started = Session::open(global).and_then(|mut session| {
        let mut target = target(&mut session, arguments)?;
        if arguments.entrypoint.is_some() {
            target.program = None;
        }
        start(session, &target, options)
    });
    started.map_err(|failure| match failure.status {
        Status::NotFound | Status::NotExecutable => failure,
        _ => failure.with_status(Status::RunFailed),
    })
}

fn exit_code(status: i32) -> ExitCode {
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}

fn start(session: Session, target: &Target, mut options: RunOptions) -> Result<ExitCode, Failure> {
    // If only the manifest asks for a terminal, the container gets one if there is one.
    options.terminal |= target.terminal && std::io::stdin().is_terminal();
    let (base, own) = target.image.layers.split_at(target.from_elsewhere);
    let (created, epoch) = (target.created.as_deref(), session.executor().epoch);
    let stack = Stack { base, own, created, epoch, subject: &target.name };
    let machine = Arc::clone(&session.machine);
    let rootfs = machine.unpack(&session.store, &*session.reporter, &stack);
    let rootfs = rootfs.map_err(|error| At::new(error, &target.place, ""))?;
    session.hold_size(rootfs.is_new);
    let overlays = machine.overlays(&session.store, &*session.reporter)?;
    let kind = machine.runtime(&session.store)?;
    let note = target.image.config.environment().note(&target.name);
    note.iter().for_each(|note| session.reporter.note(note));
    let runs = session.store.runs();
    let reporter = Arc::clone(&session.reporter);
    // A run may take days. From here on, it uses only its root filesystem.
    drop(session);
    let request = RunRequest {
        subject: &target.name,
        config: &target.image.config,
        rootfs: &rootfs,
        overlays,
        options: &options,
        runs: &runs,
        runc: machine.runc(),
        kind,
        map: machine.map(),
        reporter: &*reporter,
    };
    match crate::containers::run::run(&request) {
        Ok(status) => Ok(exit_code(status)),
        Err(error) => Err(failure(error, target.program.as_ref())),
    }
}

/// The place in the manifest that names the program that cannot be started, if the manifest names it.
fn failure(error: RunError, program: Option<&Place>) -> Failure {
    let status = match error.status() {
        127 => Status::NotFound,
        126 => Status::NotExecutable,
        _ => return Failure::new(Status::RunFailed, error),
    };
    match program {
        Some(place) => Failure::new(status, At::new(error, place, "")),
        None => Failure::new(status, error),
    }
}

fn target(session: &mut Session, arguments: &RunArguments) -> Result<Target, Failure> {
    let manifest = session.manifest.clone();
    let wanted = match &arguments.platform {
        Some(written) => settings::platforms(std::slice::from_ref(written))?.into_iter().next(),
        None => None,
    };
    match ImageName::parse(&arguments.name) {
        Ok(ImageName::Plain(name)) if manifest.image(&name).is_some() => made(session, &manifest, &name, wanted),
        Ok(name) if manifest.pin(&name).is_some() => base(session, &manifest, &name, wanted),
        _ => Err(unknown(&manifest, &arguments.name).into()),
    }
}

fn unknown(manifest: &Manifest, written: &str) -> TargetError {
    let name = written.strip_prefix(':').unwrap_or(written).to_owned();
    let pins = manifest.pins();
    let known = manifest.builds.keys().chain(manifest.stages.keys()).chain(pins.keys()).map(String::as_str);
    let help = suggest::help("the images are", &name, known);
    TargetError::Unknown { manifest: manifest.source.name().to_owned(), name, help }
}

/// The machine's own platform if there is an image for it, otherwise the first platform.
fn choose(wanted: Option<Platform>, known: &[Platform]) -> Platform {
    let host = Platform::host();
    wanted.unwrap_or_else(|| match known.first() {
        Some(first) if !known.contains(&host) => first.clone(),
        _ => host,
    })
}

fn made(session: &mut Session, manifest: &Manifest, name: &str, wanted: Option<Platform>) -> Result<Target, Failure> {
    let Some((_, build)) = manifest.image(name) else { return Err(unknown(manifest, name).into()) };
    let platform = choose(wanted, &manifest.platforms(build));
    let plan = Plan::new(manifest, &[name.to_owned()], std::slice::from_ref(&platform)).map_err(super::invalid)?;
    session.lock_needed(&plan.bases())?;
    let executor = session.executor();
    let mut outcome = executor.run(&plan);
    if let Some(failure) = Failure::all(outcome.errors.drain(..).map(Failure::from)) {
        return Err(failure);
    }
    // A stage that runs on this machine alone has this machine's platform, whatever is asked for.
    let built = outcome.built.remove(name).and_then(|mut built| {
        let own = built.platforms.remove(&platform);
        own.or_else(|| built.platforms.pop_first().map(|(_, built)| built))
    });
    let Some(built) = built else { return Err(unknown(manifest, name).into()) };
    executor.complete(&built)?;
    let program = match (&build.entrypoint, build.packages.first()) {
        (Entrypoint::Words(words), _) => Some(&words.place),
        (Entrypoint::FirstPackage, Some(package)) if built.program.is_some() => Some(&package.place),
        _ => None,
    };
    Ok(Target {
        name: name.to_owned(),
        from_elsewhere: built.base.as_ref().map_or(0, |base| base.image.layers.len()),
        created: built.base.as_ref().and_then(|base| base.image.config.created()).map(str::to_owned),
        image: built.image,
        place: build.place.clone(),
        program: program.cloned(),
        terminal: build.terminal,
    })
}

fn base(
    session: &mut Session,
    manifest: &Manifest,
    name: &ImageName,
    wanted: Option<Platform>,
) -> Result<Target, Failure> {
    let Some((base, pin)) = manifest.pin(name) else { return Err(unknown(manifest, &name.to_string()).into()) };
    let name = name.to_string();
    session.lock_needed(&std::collections::BTreeSet::from([name.clone()]))?;
    let Some(entry) = session.lock.entries.get(&name) else { return Err(unknown(manifest, &name).into()) };
    let platform = choose(wanted, &entry.platforms.keys().cloned().collect::<Vec<_>>());
    let executor = session.executor();
    let bases = executor.bases();
    let fetched =
        bases.load(&name, base, entry, &platform).and_then(|image| bases.fetch_layers(&image).map(|()| image));
    let image = fetched.map_err(|error| {
        let place = if error.is_about_reference() { &pin.place } else { &base.origin.place };
        bases.blame(error, place)
    })?;
    Ok(Target {
        name,
        from_elsewhere: image.image.layers.len(),
        created: image.image.config.created().map(str::to_owned),
        image: image.image,
        place: pin.place.clone(),
        program: None,
        terminal: false,
    })
}

fn options(arguments: &RunArguments) -> Result<RunOptions, TargetError> {
    if !arguments.ports.is_empty() {
        return Err(TargetError::Ports);
    }
    Ok(RunOptions {
        // An empty entrypoint removes the image's, as with other engines.
        entrypoint: arguments
            .entrypoint
            .clone()
            .map(|program| Vec::from_iter(Some(program).filter(|it| !it.is_empty()))),
        arguments: (!arguments.arguments.is_empty()).then(|| arguments.arguments.clone()),
        environment: environment(arguments)?,
        user: arguments.user.clone(),
        workdir: arguments.workdir.clone(),
        name: arguments.container.as_deref().map(container_name).transpose()?,
        network_host: arguments.network == Network::Host,
        read_only: arguments.read_only,
        volumes: arguments.volumes.iter().map(|written| volume(written)).collect::<Result<_, _>>()?,
        terminal: arguments.terminal,
        limits: limits(arguments)?,
        init: arguments.init,
    })
}

/// True for a text that may be a host name.
fn container_name(written: &str) -> Result<String, TargetError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    let begins = written.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    match begins && written.len() <= 63 && written.bytes().all(fits) {
        true => Ok(written.to_owned()),
        false => Err(TargetError::Container { written: sanitize::name(written) }),
    }
}

/// The variables of files come first, so that `-e` wins.
fn environment(arguments: &RunArguments) -> Result<Vec<(String, String)>, TargetError> {
    let mut variables = Vec::new();
    for path in &arguments.env_file {
        let text = fs::read_given(path, fs::LARGEST_TEXT, &|| signal::pending().is_some())
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text")))
            .map_err(|source| TargetError::EnvFile { path: path.clone(), source })?;
        let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            variables.extend(variable(line)?);
        }
    }
    for written in &arguments.env {
        variables.extend(variable(written)?);
    }
    Ok(variables)
}

/// Reads `NAME=VALUE`, or `NAME` for the value that it has in this environment, if it has one.
fn variable(written: &str) -> Result<Option<(String, String)>, TargetError> {
    match Environment::split(written) {
        Some((name, value)) => Ok(Some((name.to_owned(), value.to_owned()))),
        None if written.is_empty() || written.starts_with('=') => {
            Err(TargetError::Variable { written: written.to_owned() })
        }
        None => Ok(std::env::var(written).ok().map(|value| (written.to_owned(), value))),
    }
}

fn volume(written: &str) -> Result<Volume, TargetError> {
    let bad = || TargetError::Volume { written: written.to_owned() };
    let parts: Vec<&str> = written.split(':').collect();
    let (source, target, read_only) = match parts[..] {
        [source, target] | [source, target, "rw"] => (source, target, false),
        [source, target, "ro"] => (source, target, true),
        _ => return Err(bad()),
    };
    if source.is_empty() || !target.starts_with('/') {
        return Err(bad());
    }
    let source = std::path::absolute(source).map_err(|_| bad())?;
    Ok(Volume { source, target: target.into(), read_only })
}

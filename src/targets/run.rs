//! Runs the commands of a target on this machine.

use std::path::Path;

use crate::fs::FileLock;
use crate::manifest::step::Secret;
use crate::model::Digest;
use crate::printed::{Listener, Strike};
use crate::process::{ProcessError, shell_status};
use crate::source::At;
use crate::targets::TargetError;
use crate::targets::kind::{Making, Recipe};
use crate::tools::environment::NETWORK;

/// The variables of this process that a command gets besides those of the network, as far as they are set. They say who
/// the user is, and where the user's tools and their caches are.
const PASSED_ON: [&str; 38] = [
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "GOCACHE",
    "GOMODCACHE",
    "GOPATH",
    "GOPROXY",
    "GONOSUMDB",
    "GOPRIVATE",
    "GOROOT",
    "GOTOOLCHAIN",
    "GRADLE_USER_HOME",
    "JAVA_HOME",
    "MAVEN_HOME",
    "NODE_EXTRA_CA_CERTS",
    "NPM_CONFIG_CACHE",
    "NPM_CONFIG_USERCONFIG",
    "npm_config_cache",
    "npm_config_userconfig",
    "PNPM_HOME",
    "PYENV_ROOT",
    "NPM_CONFIG_REGISTRY",
    "npm_config_registry",
    "UV_CACHE_DIR",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_NATIVE_TLS",
    "UV_PYTHON_INSTALL_DIR",
];

impl Making<'_> {
    /// Runs all commands of a recipe. They hold the lock of the project, too, in case this process is killed.
    /// On `Ok` each ended with exit status 0.
    pub(super) fn run(&self, recipe: &Recipe, key: &Digest, lock: &FileLock) -> Result<(), At<TargetError>> {
        let (targets, target) = (self.targets, self.request.target);
        let blame = |error: TargetError| At::new(error, &recipe.place, "");
        let mut secrets = Vec::new();
        for secret in &target.secrets {
            let Secret::Variable(name) = &secret.value.secret else { continue };
            match std::env::var(name) {
                Ok(value) => secrets.push((name, value)),
                Err(_) if secret.value.is_optional => {}
                Err(_) => return Err(At::new(TargetError::NoVariable { name: name.clone() }, &secret.place, "")),
            }
        }
        let strike = Strike::of_secrets(secrets.iter().map(|(_, value)| value.as_bytes()));
        let log = targets.store.start_blob().map_err(|error| blame(error.into()))?;
        let mut listener = Listener::new(self.request.name, strike, targets.reporter, log);
        let mut ended = Ok(());
        for command in &recipe.commands {
            let mut invocation =
                command.clone().holding(lock).inherit(PASSED_ON).inherit(NETWORK).variable("LANG", "C.UTF-8");
            for (name, value) in &recipe.environment {
                invocation = invocation.variable(name, value);
            }
            for (name, value) in &secrets {
                invocation = invocation.variable(name, value);
            }
            ended = match invocation.listen(|bytes| listener.hear(bytes)) {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(Ended::Failed(shell_status(status))),
                Err(error) => Err(Ended::NotStarted(error)),
            };
            if ended.is_err() {
                break;
            }
        }
        let heard = listener.finish(&targets.store.logs().join(format!("target-{}.log", &key.hex()[..12])));
        match ended {
            Ok(()) => Ok(()),
            Err(Ended::Failed(status)) => Err(blame(TargetError::failed(status, heard, recipe.help))),
            Err(Ended::NotStarted(ProcessError::Interrupted)) => Err(blame(TargetError::Interrupted)),
            Err(Ended::NotStarted(ProcessError::Missing { program })) => {
                Err(blame(TargetError::no_program(&program, recipe.advice.clone())))
            }
            Err(Ended::NotStarted(source)) => Err(match &target.cwd {
                Some(folder) if !Path::new(&targets.manifest.folder).join(&folder.value).is_dir() => {
                    At::new(TargetError::NoFolder { folder: folder.value.clone(), source }, &folder.place, "")
                }
                _ => blame(TargetError::NotStarted { source }),
            }),
        }
    }
}

/// How a command failed.
enum Ended {
    Failed(i32),
    NotStarted(ProcessError),
}

//! The process of a step, and everything that the step gets besides the image.

use std::path::{Path, PathBuf};

use crate::containers::run::below_root;
use crate::containers::step::secret::Secret;
use crate::containers::step::{StepError, StepRequest, at, content};
use crate::fs::host::{self, LastLink, Links, Lost};
use crate::image::{DEFAULT_PATH, ImageError, Layer};
use crate::manifest::package::expand;
use crate::manifest::step::StepMount;
use crate::model::{Digest, Environment};
use crate::sandbox::Process;
use crate::sanitize;
use crate::source::At;

/// zip files know no earlier time than 1980-01-01.
const EARLIEST_EPOCH: i64 = 315_532_800;
/// How the machine's network is left, in the upper case; programs disagree about the case.
const PROXIES: [&str; 3] = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

/// Process, environment, secrets and mounts of a step.
pub(super) struct Surroundings {
    /// Its environment has no secrets and proxies until [`Surroundings::add_secrets`] adds them.
    pub(super) process: Process,
    /// The process's environment as far as it decides the result.
    pub(super) environment: Environment,
    /// In the order of the manifest; `None` for an optional one that is not there. Empty until
    /// [`Surroundings::add_secrets`].
    pub(super) secrets: Vec<Option<Secret>>,
    pub(super) mounts: Vec<MountedContent>,
    /// Paths in the image.
    pub(super) caches: Vec<String>,
}

/// A mount and what is in it.
pub(super) struct MountedContent {
    pub(super) to: String,
    pub(super) source: ContentSource,
    /// Nothing for memory.
    pub(super) content: Option<Digest>,
}

/// Where the content of a mount is.
pub(super) enum ContentSource {
    /// On this machine.
    Host(PathBuf),
    /// In a layer of its own, under [`Tree::MOUNTED`](crate::layer::Tree::MOUNTED).
    Layer(Box<Layer>),
    /// In no place yet: the mount makes it.
    Memory,
}

impl Surroundings {
    /// Reads mounts; `folder` is the manifest's. Secrets are not looked for: what is recorded needs none.
    pub(super) fn gather(request: &StepRequest<'_>, folder: &Path, epoch: i64) -> Result<Self, At<StepError>> {
        let step = request.step;
        let place = |path: &str| expand(path, request.target).trim_end_matches('/').to_owned();
        let mut mounted = Vec::new();
        let mut layers = request.mounted.iter();
        for mount in &step.mounts {
            mounted.push(match &mount.value {
                StepMount::Memory(to) => MountedContent { to: place(to), source: ContentSource::Memory, content: None },
                StepMount::Image { to, .. } => {
                    // `mounted` has a layer for each of these mounts.
                    let Some(layer) = layers.next() else { continue };
                    let source = ContentSource::Layer(Box::new(layer.clone()));
                    MountedContent { to: place(to), source, content: Some(layer.diff_id.0) }
                }
                StepMount::Host { path, to } => {
                    let written = expand(path, request.target);
                    let path = folder.join(&written);
                    let unreadable = |source| {
                        let path = sanitize::name(&path.to_string_lossy());
                        at(StepError::Mount { path, source }, &mount.place)
                    };
                    let found = host::find(folder, Path::new(&written), LastLink::Follow, Links::StayInside);
                    let found = found.map_err(|lost| match lost {
                        Lost::Leaves(leaves) => at(StepError::MountLeaves(leaves), &mount.place),
                        Lost::Refused(errno) => unreadable(errno.into()),
                    })?;
                    // The path that was found has no links any more, so none can be swapped.
                    let path = found.inside.map_or_else(|| path.clone(), |inside| folder.join(inside));
                    let content = content::digest(&path).map_err(unreadable)?;
                    let path = std::fs::canonicalize(&path).map_err(unreadable)?;
                    MountedContent { to: place(to), source: ContentSource::Host(path), content: Some(content) }
                }
            });
        }
        let environment = environment(request, epoch)?;
        let image = request.config.execution();
        let workdir = step.workdir.clone().or(image.working_dir).unwrap_or_default();
        let process = Process {
            arguments: step.words(request.target),
            environment: environment.to_list(),
            user: step.user.clone().or_else(|| request.user.map(str::to_owned)),
            workdir: below_root(&workdir),
            terminal: false,
        };
        let caches = step.cache.iter().map(|folder| place(folder)).collect();
        Ok(Self { process, environment, secrets: Vec::new(), mounts: mounted, caches })
    }

    /// Reads the secrets of a step that will run, and adds them and the proxies to its environment: neither decides the
    /// result.
    pub(super) fn add_secrets(&mut self, request: &StepRequest<'_>, folder: &Path) -> Result<(), At<StepError>> {
        let read = |secret| Secret::read(secret, folder);
        self.secrets = request.step.secrets.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        self.process.environment = with_secrets(request, &self.environment, &self.secrets);
        Ok(())
    }
}

/// The variables of the image being built, those that every step has, and the step's own.
fn environment(request: &StepRequest<'_>, epoch: i64) -> Result<Environment, At<StepError>> {
    let mut environment = request.config.environment();
    environment.set_default("PATH", DEFAULT_PATH);
    environment.set("SOURCE_DATE_EPOCH", &epoch.max(EARLIEST_EPOCH).to_string());
    if request.is_told_target {
        let target = request.target;
        environment.set("TARGETPLATFORM", &target.to_string());
        environment.set("TARGETOS", target.os());
        environment.set("TARGETARCH", target.architecture());
        environment.set("TARGETVARIANT", target.variant().unwrap_or_default());
    }
    let before = environment.clone();
    for (name, value) in &request.step.env {
        match &value.value {
            None => environment.remove(name),
            Some(text) => {
                let text = text
                    .above(|name| before.get(name))
                    .map_err(|missing| at(ImageError::NoBaseValue { name: missing.to_owned() }, &value.place))?;
                environment.set(name, &text);
            }
        }
    }
    Ok(environment)
}

/// The step's environment with what does not decide the result: secrets, and proxies if the step has a network.
fn with_secrets(request: &StepRequest<'_>, environment: &Environment, secrets: &[Option<Secret>]) -> Vec<String> {
    let mut environment = environment.clone();
    let proxies = PROXIES.into_iter().flat_map(|name| [name.to_owned(), name.to_lowercase()]);
    for name in proxies.filter(|_| request.step.network_host) {
        if let Ok(value) = std::env::var(&name) {
            environment.set_default(&name, &value);
        }
    }
    for (secret, known) in request.step.secrets.iter().zip(secrets) {
        if let (crate::manifest::step::Secret::Variable(name), Some(known)) = (&secret.value.secret, known) {
            environment.set(name, &String::from_utf8_lossy(&known.value));
        }
    }
    environment.to_list()
}

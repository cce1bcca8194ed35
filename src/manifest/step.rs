//! What a build runs in its image: the checked form of `steps = […]`.

use std::collections::BTreeMap;

use crate::manifest::package::expand;
use crate::manifest::variable::VariableValue;
use crate::model::{ImageName, Platform};
use crate::source::{Place, Placed};

/// One entry of `steps`.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The place of `run`, for errors of this step.
    pub(crate) place: Place,
    /// The program and its arguments. If `run` is a text, they are those of a shell.
    pub(crate) command: Vec<String>,
    /// `run` is a text for a shell.
    pub(crate) is_text: bool,
    /// The command may hold placeholders. Commands of `steps` know none.
    pub(crate) has_placeholders: bool,
    /// `run` as a text, for the image's history.
    pub(crate) written: String,
    /// `None` removes.
    pub(crate) env: BTreeMap<String, Placed<Option<VariableValue>>>,
    /// `None` stands for the user of the image that the step starts from.
    pub(crate) user: Option<String>,
    /// `None` stands for the working folder of the image being built.
    pub(crate) workdir: Option<String>,
    /// True if the step has this machine's network. Otherwise it has no network.
    pub(crate) network_host: bool,
    /// Folders that are kept between builds; may hold placeholders.
    pub(crate) cache: Vec<Placed<String>>,
    pub(crate) secrets: Vec<Placed<StepSecret>>,
    pub(crate) mounts: Vec<Placed<StepMount>>,
}

impl Step {
    /// The program and its arguments for a platform.
    pub(crate) fn words(&self, target: &Platform) -> Vec<String> {
        match self.has_placeholders {
            true => self.command.iter().map(|word| expand(word, target)).collect(),
            false => self.command.clone(),
        }
    }

    /// A short title of the step: the first line of `written` that is not empty.
    pub(crate) fn title(&self) -> String {
        let mut lines = self.written.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        if lines.next().is_some() { format!("{first} …") } else { first.to_owned() }
    }
}

/// A secret that only the step sees, and that is never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StepSecret {
    pub(crate) secret: Secret,
    /// The step runs without the secret, too.
    pub(crate) is_optional: bool,
}

/// Where the value of a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Secret {
    /// A variable of our environment, under its own name.
    Variable(String),
    /// A file; `~/` is the home folder. `to` may hold placeholders.
    File { path: String, to: String },
}

/// A mount that exists while a step runs. Paths may hold placeholders.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StepMount {
    /// A file or folder of this machine, which is only read.
    Host { path: String, to: String },
    /// A file or folder of another image, which is only read.
    Image {
        image: Placed<ImageName>,
        /// Absolute, in that image.
        path: String,
        to: String,
    },
    /// A folder in memory.
    Memory(String),
}

//! What packaged targets made, for packages to take.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::contents::image::ImageTree;

/// What targets made, by the name of each.
pub(crate) type Made = BTreeMap<String, Arc<MadeTarget>>;

/// What a target made on one platform. Its layers are in the store.
#[derive(Debug)]
pub(crate) struct MadeTarget {
    /// In the order of the manifest.
    pub(crate) outputs: Vec<MadeOutput>,
    pub(crate) provides: Provides,
}

/// One output of a target.
#[derive(Debug)]
pub(crate) struct MadeOutput {
    /// The absolute path in its layers of the one file or folder that it is; `/` if there may be several.
    pub(crate) path: String,
    /// Lowest first. In an image each is a layer of its own.
    pub(crate) layers: Vec<MadeLayer>,
}

/// A part of an output that changes seldom, or often, as a whole.
#[derive(Debug)]
pub(crate) struct MadeLayer {
    /// A few words for people; empty where there is one layer.
    pub(crate) title: String,
    pub(crate) tree: ImageTree,
}

/// What a target says of the config of an image that it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Provides {
    /// The entrypoint; empty if the target has none.
    pub(crate) entrypoint: Vec<Word>,
    /// True if the folder that the target goes to is the working folder.
    pub(crate) is_workdir: bool,
    pub(crate) environment: BTreeMap<String, Word>,
}

/// A word of a command, or the value of a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Word {
    Plain(String),
    /// A path below the folder that the target goes to; empty for that folder.
    Inside(String),
    /// Several of these, with a colon between them.
    Paths(Vec<String>),
}

impl Word {
    /// The word in an image in which the target is in the folder `to`.
    pub(crate) fn text(&self, to: &str) -> String {
        let to = to.trim_end_matches('/');
        match self {
            Self::Plain(text) => text.clone(),
            Self::Paths(paths) => {
                let paths = paths.iter().map(|path| Self::Inside(path.clone()).text(to));
                paths.collect::<Vec<_>>().join(":")
            }
            Self::Inside(path) if path.is_empty() && to.is_empty() => "/".to_owned(),
            Self::Inside(path) if path.is_empty() => to.to_owned(),
            Self::Inside(path) => format!("{to}/{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_follows_its_target() {
        for (word, to, text) in [
            (Word::Plain("python3".to_owned()), "/app", "python3"),
            (Word::Inside("bin/x".to_owned()), "/app/", "/app/bin/x"),
            (Word::Inside("bin/x".to_owned()), "/", "/bin/x"),
            (Word::Inside(String::new()), "/app", "/app"),
            (Word::Inside(String::new()), "/", "/"),
            (Word::Paths(vec![String::new(), "lib/a.jar".to_owned()]), "/app", "/app:/app/lib/a.jar"),
        ] {
            assert_eq!(word.text(to), text);
        }
    }
}

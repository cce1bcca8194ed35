//! The values of secrets, and how they are kept out of what others see.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::containers::step::{StepError, at};
use crate::manifest::step::{self, Step, StepSecret};
use crate::printed::SHORTEST;
use crate::source::{At, Placed};
use crate::{fs, sanitize};

/// The most bytes of a secret.
const LIMIT: u64 = 1 << 20;

/// A secret with its value.
#[derive(Clone)]
pub(super) struct Secret {
    /// For people: the variable's name, or the file's.
    name: String,
    pub(super) value: Vec<u8>,
}

impl Secret {
    /// Reads it from the environment or from a file, whose path is relative to `folder`; `None` if it is optional and
    /// there is none.
    pub(super) fn read(secret: &Placed<StepSecret>, folder: &Path) -> Result<Option<Self>, At<StepError>> {
        let StepSecret { secret: origin, is_optional } = &secret.value;
        let found = match origin {
            step::Secret::Variable(name) => match std::env::var(name) {
                Ok(value) => Ok(Self { name: name.clone(), value: value.into_bytes() }),
                Err(_) if *is_optional => return Ok(None),
                Err(_) => Err(StepError::NoVariable { name: sanitize::name(name) }),
            },
            step::Secret::File { path, .. } => {
                let name = sanitize::name(path);
                match fs::read(&find(path, folder), LIMIT) {
                    Ok(value) => Ok(Self { name, value }),
                    Err(error) if *is_optional && error.kind() == ErrorKind::NotFound => return Ok(None),
                    Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                        Err(StepError::LargeSecret { path: name, limit: LIMIT })
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => Err(StepError::NoFile { path: name }),
                    Err(source) => Err(StepError::SecretFile { path: name, source }),
                }
            }
        };
        found.map(Some).map_err(|error| at(error, &secret.place))
    }

    /// What a layer may not hold: the value without the space around it, if it is long enough to mean
    /// something.
    pub(super) fn needle(self) -> Option<(String, Vec<u8>)> {
        let value = self.value.trim_ascii();
        (value.len() >= SHORTEST).then(|| (self.name, value.to_vec()))
    }
}

/// An error for each secret without which a step cannot run. What can be read is not kept.
pub(crate) fn missing_secrets(step: &Step, folder: &Path) -> Vec<At<StepError>> {
    step.secrets.iter().filter_map(|secret| Secret::read(secret, folder).err()).collect()
}

fn find(path: &str, folder: &Path) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => folder.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(value: &str) -> Secret {
        Secret { name: "S".to_owned(), value: value.into() }
    }

    #[test]
    fn only_what_means_something_is_looked_for() {
        assert_eq!(secret(" value\n").needle(), Some(("S".to_owned(), b"value".to_vec())));
        assert_eq!(secret("abc").needle(), None);
        assert_eq!(secret("\n").needle(), None);
    }
}

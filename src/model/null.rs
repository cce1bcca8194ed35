//! `null` where the OCI image spec has a list or a map.

use serde::{Deserialize, Deserializer};

/// Programs in Go write `null` for a list or a map that is empty; `umoci init` does so for `manifests`.
pub(crate) fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

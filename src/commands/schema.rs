//! `oci schema`: the JSON Schema of `oci.toml`, for editors.

use crate::fs::FileError;
use crate::manifest::json_schema;

pub(super) fn print() -> Result<(), FileError> {
    super::print(&text())
}

fn text() -> String {
    format!("{:#}\n", json_schema())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_in_the_repository_is_current() {
        let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/oci.schema.json"));
        assert!(
            kept.unwrap_or_default() == text(),
            "the manifest has changed: run `oci schema > docs/oci.schema.json`"
        );
    }

    #[test]
    fn the_example_leads_editors_to_it() {
        let example = include_str!("../../oci.toml.example");
        assert_eq!(example.lines().next(), Some("#:schema ./docs/oci.schema.json"));
    }
}

//! The project's registries: which credentials are there, and whether they serve to read its bases.
//!
//! Credentials are looked for where skopeo looks (`containers-auth.json(5)`), and never shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use miette::Diagnostic as _;
use serde_json::Value;

use super::finding::{Finding, State, told};
use crate::cli::Global;
use crate::commands::settings;
use crate::diagnostic::Failure;
use crate::fs;
use crate::manifest::{Base, Manifest, Pin};
use crate::model::{Reference, Repository};
use crate::store::Store;
use crate::tools::skopeo::Skopeo;

/// What `docker login` calls Docker Hub.
const HUB: [&str; 2] = ["https://index.docker.io/v1/", "index.docker.io"];

pub(super) fn examine(global: &Global, manifest: &Manifest, store: &Store) -> Result<Vec<Finding>, Failure> {
    // With a base of it, if there is one.
    let mut registries: BTreeMap<String, Option<(&Base, &Pin)>> = BTreeMap::new();
    for image in manifest.builds.values() {
        let repositories = image.repositories.iter().filter_map(|template| template.value.text());
        for repository in repositories.filter_map(|text| Repository::parse(&text).ok()) {
            registries.entry(repository.registry().to_owned()).or_default();
        }
    }
    for pin in manifest.pins().into_values() {
        if let Some(repository) = pin.0.origin.repository() {
            registries.entry(repository.registry().to_owned()).or_default().get_or_insert(pin);
        }
    }
    let is_offline = global.offline || global.frozen;
    let skopeo = settings::skopeo(global, manifest, store, &settings::reporter(global))?;
    let finding = |(registry, base): (&String, &Option<(&Base, &Pin)>)| {
        let known = match credentials(manifest, registry) {
            Ok(Some(file)) => format!("credentials in {}", file.display()),
            Ok(None) => "no credentials".to_owned(),
            Err((found, fix)) => return Finding::bad(registry, State::bad(base.is_some()), found, fix),
        };
        match base.filter(|_| !is_offline) {
            None => Finding::good(registry, format!("{known}; not asked")),
            Some(base) => ask(&skopeo, registry, &known, base),
        }
    };
    Ok(registries.iter().map(finding).collect())
}

/// Asks for one of the registry's bases.
fn ask(skopeo: &Skopeo, registry: &str, known: &str, (base, pin): (&Base, &Pin)) -> Finding {
    let Some(repository) = base.origin.repository() else { return Finding::good(registry, known) };
    let repository = repository.clone();
    let reference = match (&pin.digest, &pin.tag) {
        (Some(digest), _) => Reference::Digest(repository, *digest),
        (None, Some(tag)) => Reference::Tag(repository, tag.clone()),
        (None, None) => return Finding::good(registry, known),
    };
    match skopeo.inspect_raw(&reference, &skopeo.access(reference.repository(), base.anonymous)) {
        Ok(_) => Finding::good(registry, format!("{known}; serves `{reference}`")),
        Err(error) => {
            let fix = error.help().map(|help| help.to_string());
            Finding::new(registry, State::Missing, format!("{known}; {}", told(&error)), fix)
        }
    }
}

/// The file that has credentials for a registry; or what is wrong with one, and what to do about it.
fn credentials(manifest: &Manifest, registry: &str) -> Result<Option<PathBuf>, (String, String)> {
    let own = manifest.registries.get(registry).and_then(|settings| settings.auth_file.as_ref());
    let files = own.map_or_else(usual_files, |file| vec![file.path().to_owned()]);
    for file in files {
        let bytes = match fs::read(&file, fs::LARGEST_TEXT) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err((
                    format!("could not read {}: {error}", file.display()),
                    "look at its mode: `ls -l`".into(),
                ));
            }
            Ok(bytes) => bytes,
        };
        let Ok(document) = serde_json::from_slice::<Value>(&bytes) else {
            let fix = format!("mend or remove it, then `skopeo login --authfile {} {registry}`", file.display());
            return Err((format!("{} is not JSON", file.display()), fix));
        };
        if holds(&document, registry) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Whether such a file has something for a registry, or names who has.
fn holds(document: &Value, registry: &str) -> bool {
    let is_of = |key: &String| {
        let is_hub = registry == "docker.io" && HUB.contains(&key.as_str());
        is_hub || key.strip_prefix(registry).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let has_key = |table: &str| document[table].as_object().is_some_and(|table| table.keys().any(is_of));
    has_key("auths") || has_key("credHelpers") || document["credsStore"].as_str().is_some_and(|name| !name.is_empty())
}

fn usual_files() -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = variable("REGISTRY_AUTH_FILE") {
        return vec![file];
    }
    let home = |below: &str| variable("HOME").map(|home| home.join(below));
    let runtime = variable("XDG_RUNTIME_DIR")
        .unwrap_or_else(|| Path::new("/run/containers").join(rustix::process::getuid().as_raw().to_string()));
    let files = [
        Some(runtime.join("containers/auth.json")),
        variable("XDG_CONFIG_HOME").or_else(|| home(".config")).map(|folder| folder.join("containers/auth.json")),
        variable("DOCKER_CONFIG").or_else(|| home(".docker")).map(|folder| folder.join("config.json")),
    ];
    files.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn knows_whose_credentials_a_file_holds() {
        for (document, registry, held) in [
            (json!({}), "a.example", false),
            (json!({ "auths": { "a.example": {} } }), "a.example", true),
            (json!({ "auths": { "a.example/team": {} } }), "a.example", true),
            (json!({ "auths": { "a.example.org": {} } }), "a.example", false),
            (json!({ "auths": { "https://index.docker.io/v1/": {} } }), "docker.io", true),
            (json!({ "credHelpers": { "b.example": "x" } }), "b.example", true),
            (json!({ "credsStore": "pass" }), "c.example", true),
            (json!([1]), "a.example", false),
        ] {
            assert_eq!(holds(&document, registry), held, "{document} {registry}");
        }
    }
}

//! Checks the project's registries: are there credentials, and do they serve to read the bases?
//!
//! Credentials are looked for where skopeo looks (`containers-auth.json(5)`), and never shown.

use std::collections::BTreeMap;
use std::path::Path;

use miette::Diagnostic as _;

use super::finding::{Finding, State, told};
use crate::cli::Global;
use crate::commands::settings;
use crate::diagnostic::Failure;
use crate::manifest::{Base, HostPath, Manifest, Pin};
use crate::model::{Reference, Repository};
use crate::process::on_path;
use crate::store::Store;
use crate::tools::registry::{KnownCredentials as Known, known_credentials};
use crate::tools::skopeo::Skopeo;

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
            Ok(known) => known,
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

/// What is known of a registry's credentials. The error says what is wrong with them, and what to do about it.
fn credentials(manifest: &Manifest, registry: &str) -> Result<String, (String, String)> {
    let own = manifest.registries.get(registry).and_then(|settings| settings.auth_file.as_ref());
    match known_credentials(own.map(HostPath::path), registry) {
        Ok(Known::Nothing) => Ok("no credentials".to_owned()),
        Ok(Known::Here(file)) => Ok(format!("credentials in {}", file.display())),
        Ok(Known::Helper { program, file }) if on_path(Path::new(&program)).is_none() => Err((
            format!("{} leaves its credentials to `{program}`, which is not on the PATH", file.display()),
            format!(
                "install it, or take `{registry}` out of `credHelpers` there and log in: `skopeo login {registry}`"
            ),
        )),
        Ok(Known::Helper { program, file }) => Ok(format!("credentials by `{program}`, as {} says", file.display())),
        Ok(Known::Unread { key, file }) => {
            Ok(format!("none that skopeo reads: {} has `{key}`, and no `auth`", file.display()))
        }
        Err((file, error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            let fix = format!("mend or remove it, then `skopeo login --authfile {} {registry}`", file.display());
            Err((format!("{} is not JSON", file.display()), fix))
        }
        Err((file, error)) => {
            Err((format!("could not read {}: {error}", file.display()), "look at its mode: `ls -l`".into()))
        }
    }
}

//! `[registry."host[:port]"]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::manifest::read::Table;
use crate::manifest::validate::{Checker, value};
use crate::manifest::{HostPath, Insecure, RegistrySettings};
use crate::model::reference::RepositoryError;
use crate::model::{RegistryMirror, Repository};
use crate::problem::Problem;
use crate::source::Placed;

/// A registry's table as it is written, in the manifest or in the user's own file.
#[derive(Clone, Debug, Default)]
pub(super) struct WrittenRegistry {
    insecure: Option<bool>,
    cert_dir: Option<Placed<PathBuf>>,
    auth_file: Option<Placed<PathBuf>>,
    mirrors: Option<Vec<RegistryMirror>>,
}

/// The settings of registries of the manifest and of the user, merged. The manifest's count first, except for files of
/// this machine, where the user's do. Either may say that a registry is insecure; only the user's allow credentials to
/// go there.
pub(super) fn settings(
    mut manifest: BTreeMap<String, WrittenRegistry>,
    user: &BTreeMap<String, WrittenRegistry>,
) -> BTreeMap<String, RegistrySettings> {
    for host in user.keys() {
        manifest.entry(host.clone()).or_default();
    }
    let none = WrittenRegistry::default();
    let settings = manifest.into_iter().map(|(host, registry)| {
        let user = user.get(&host).unwrap_or(&none);
        let insecure = match (registry.insecure, user.insecure) {
            (Some(true), Some(true)) | (None, Some(true)) => Insecure::ForUser,
            (Some(true), _) => Insecure::ForProject,
            _ => Insecure::No,
        };
        let path = |user: &Option<Placed<PathBuf>>, project: Option<Placed<PathBuf>>| match user {
            Some(path) => Some(HostPath::OfUser(path.value.clone())),
            None => project.map(HostPath::OfProject),
        };
        let settings = RegistrySettings {
            insecure,
            cert_dir: path(&user.cert_dir, registry.cert_dir),
            auth_file: path(&user.auth_file, registry.auth_file),
            mirrors: registry.mirrors.or_else(|| user.mirrors.clone()).unwrap_or_default(),
        };
        (host, settings)
    });
    settings.collect()
}

/// The registries of a file, whose paths are relative to `folder`.
pub(super) fn registries(root: Table<'_>, folder: &Path, checker: &mut Checker) -> BTreeMap<String, WrittenRegistry> {
    let mut registries = BTreeMap::new();
    let mut names: BTreeMap<String, Placed<String>> = BTreeMap::new();
    for (name, value) in root.table("registry").map(|table| table.entries()).unwrap_or_default() {
        let host = host(&name, checker);
        let Some(settings) = value.table().map(|table| registry(table, host.as_deref(), folder, checker)) else {
            continue;
        };
        let Some(host) = host else { continue };
        if let Some(first) = names.get(&host) {
            let message = format!("`{}` and `{}` are one registry", **first, *name);
            checker.push(
                Problem::new("oci::manifest::duplicate_name", message, &name.place, "again here")
                    .also(&first.place, "first here")
                    .help("keep one of them".to_owned()),
            );
        }
        names.insert(host.clone(), name);
        registries.insert(host, settings);
    }
    registries
}

/// The registry's name as references have it.
fn host(name: &Placed<String>, checker: &mut Checker) -> Option<String> {
    let error = match Repository::parse(&format!("{}/image", **name)) {
        Ok(repository) if !name.contains('/') => return Some(repository.registry().to_owned()),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    let host = match &error {
        Some(RepositoryError::Scheme { rest, .. }) => rest.split('/').next(),
        _ => name.split('/').next().filter(|_| name.contains('/')),
    };
    let help = match host.filter(|host| host.contains(['.', ':']) || *host == "localhost") {
        Some(host) => format!("write `[registry.\"{host}\"]`"),
        None => "write it as it stands in a repository, such as `[registry.\"registry.example.com:5000\"]`".to_owned(),
    };
    let message = format!("`{}` is no registry", **name);
    checker.push(Problem::new("oci::manifest::bad_registry", message, &name.place, "").help(help));
    None
}

fn registry(table: Table<'_>, host: Option<&str>, folder: &Path, checker: &mut Checker) -> WrittenRegistry {
    let mirrors = table.texts("mirrors");
    WrittenRegistry {
        insecure: table.boolean("insecure").map(|insecure| insecure.value),
        cert_dir: path(table, "cert-dir", folder, checker),
        auth_file: path(table, "auth-file", folder, checker),
        mirrors: mirrors.map(|texts| texts.iter().filter_map(|text| mirror(text, host, checker)).collect()),
    }
}

fn mirror(text: &Placed<String>, host: Option<&str>, checker: &mut Checker) -> Option<RegistryMirror> {
    let (message, reason) = match RegistryMirror::parse(text) {
        Ok(mirror) if host.is_some_and(|host| mirror.is(host)) => {
            (format!("`{}` is no mirror of itself", **text), "it is asked after its mirrors anyway")
        }
        Ok(mirror) => return Some(mirror),
        Err(_) => (format!("`{}` is no mirror", **text), ""),
    };
    checker.push(
        Problem::new("oci::manifest::bad_mirror", message, &text.place, reason)
            .help("write `host[:port]` or `host[:port]/path`, such as `mirror.example.com/hub`".to_owned()),
    );
    None
}

fn path(table: Table<'_>, key: &str, folder: &Path, checker: &mut Checker) -> Option<Placed<PathBuf>> {
    let text = table.text(key)?;
    Some(Placed::new(value::path_from(folder, &text, checker)?, text.place))
}

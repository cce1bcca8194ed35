//! `oci cache` shows what the cache holds and how large it is, and makes it smaller.
//!
//! It works without a project, too. Only `clean` and `prune` remove files that are whole, and none of the commands
//! removes a file that a running `oci` relies on.

mod verify;

use std::fmt::Write;
use std::path::Path;

use serde_json::json;

use super::{project, session, settings};
use crate::cli::{CacheCommand, Global};
use crate::containers::trees::{self, TreeKind};
use crate::diagnostic::Failure;
use crate::fs::{FileContext as _, FileError};
use crate::manifest::Cache;
use crate::model::ByteSize;
use crate::process::IdMap;
use crate::prune::{Pruned, prune};
use crate::report::{Lines, Reporter};
use crate::store::{ObjectKind, Store, disk_usage};

pub(super) fn run(global: &Global, command: &CacheCommand) -> Result<(), Failure> {
    let settings = project::settings(global)?.cache;
    let folder = settings::cache_folder(&settings)?;
    let folder = std::path::absolute(&folder).context("find", &folder)?;
    // `cache dir` prints the folder even if it cannot be used.
    if !matches!(command, CacheCommand::Dir(_)) {
        settings::look_into_cache(&settings)?;
    }
    match command {
        CacheCommand::Dir(_) => dir(global, &folder)?,
        CacheCommand::Size(_) => size(global, &folder, &settings)?,
        CacheCommand::Prune(arguments) => remove(global, &folder, arguments.max_size.or(settings.max_size))?,
        CacheCommand::Clean(_) => remove(global, &folder, Some(ByteSize(0)))?,
        CacheCommand::Verify(_) => return verify::run(global, &folder),
    }
    Ok(())
}

fn dir(global: &Global, folder: &Path) -> Result<(), FileError> {
    match global.json {
        true => super::print(&format!("{}\n", json!({ "dir": folder.display().to_string() }))),
        false => super::print(&format!("{}\n", folder.display())),
    }
}

/// The objects of one kind in the cache.
#[derive(Clone, Copy, Default)]
struct Count {
    number: usize,
    size: u64,
    /// The part of `size` that projects' `.oci/` share.
    shared: u64,
}

impl Count {
    fn add(&mut self, size: u64, is_shared: bool) {
        self.number += 1;
        self.size += size;
        self.shared += if is_shared { size } else { 0 };
    }
}

fn size(global: &Global, folder: &Path, settings: &Cache) -> Result<(), Failure> {
    let store = Store::look(folder)?;
    let [mut blobs, mut records, mut trees, mut caches, mut runs, mut logs, mut state, mut rest] =
        [Count::default(); 8];
    for object in store.objects()? {
        let count = match object.kind {
            ObjectKind::Blob => &mut blobs,
            ObjectKind::Record => &mut records,
            ObjectKind::Log => &mut logs,
            ObjectKind::ToolState => &mut state,
        };
        count.add(object.size, object.is_shared);
    }
    for tree in trees::list(store.root())? {
        match tree.kind {
            TreeKind::Rootfs => trees.add(tree.size, false),
            TreeKind::CacheFolder => caches.add(tree.size, false),
        }
    }
    for run in std::fs::read_dir(store.runs()).into_iter().flatten().flatten() {
        if run.file_type().is_ok_and(|kind| kind.is_dir()) {
            runs.add(disk_usage(&run.path()).context("look through", &run.path())?, false);
        }
    }
    rest.size = store.unfinished()? + trees::unfinished(store.root())?;
    let kinds = [
        ("blobs", blobs),
        ("records", records),
        ("root filesystems", trees),
        ("steps' caches", caches),
        ("runs", runs),
        ("logs", logs),
        ("tools' state", state),
        ("unfinished", rest),
    ];
    let sum = |part: fn(&Count) -> u64| kinds.iter().map(|(_, count)| part(count)).sum::<u64>();
    let (total, shared) = (sum(|count| count.size), sum(|count| count.shared));
    if global.json {
        let kinds: serde_json::Map<_, _> = kinds
            .iter()
            .map(|(name, count)| {
                let name = name.replace("s' ", " ").replace(' ', "-");
                (name, json!({ "number": count.number, "size": count.size, "shared": count.shared }))
            })
            .collect();
        let max_size = settings.max_size.map(|size| size.0);
        let all = json!({
            "dir": folder.display().to_string(), "size": total, "shared": shared, "max-size": max_size, "kinds": kinds,
        });
        return Ok(super::print(&format!("{all}\n"))?);
    }
    let mut text = String::new();
    for (name, count) in kinds {
        let _ = writeln!(text, "{name:16}  {:>8}  {:>10}", count.number, ByteSize(count.size).to_string());
    }
    let _ = writeln!(text, "{:16}  {:>8}  {:>10}", "all", "", ByteSize(total).to_string());
    if shared > 0 {
        let _ = writeln!(text, "of which {} are in projects' .oci/ too", ByteSize(shared));
    }
    if let Some(limit) = settings.max_size {
        let _ = writeln!(text, "max-size is {limit}");
    }
    Ok(super::print(&text)?)
}

/// Opening the store sweeps it. Then it is pruned.
fn remove(global: &Global, folder: &Path, limit: Option<ByteSize>) -> Result<(), Failure> {
    let store = Store::open(folder)?;
    let reporter = Lines::new(settings::verbosity(global));
    let reporter: &dyn Reporter = &reporter;
    session::sweep(&store, &settings::machine(None, &store), reporter);
    let map = IdMap::detect();
    let pruned = prune(&store, &map, limit.unwrap_or(ByteSize(u64::MAX)))?;
    if limit.is_some_and(|limit| pruned.size > limit) {
        reporter.note(&format!("kept {}, which a running `oci` may be using", pruned.size));
    }
    Ok(told(global, &pruned)?)
}

fn told(global: &Global, pruned: &Pruned) -> Result<(), FileError> {
    let Pruned { files, trees, cache_folders, freed, size } = pruned;
    if global.json {
        let told = json!({
            "files": files, "root-filesystems": trees, "step-caches": cache_folders, "freed": freed.0, "size": size.0,
        });
        return super::print(&format!("{told}\n"));
    }
    let plural = |number: &usize, what: &str| format!("{number} {what}{}", if *number == 1 { "" } else { "s" });
    let (files, trees) = (plural(files, "file"), plural(trees, "root filesystem"));
    let caches = plural(cache_folders, "cache folder");
    super::print(&format!("removed {files}, {trees} and {caches} of steps, freed {freed}, {size} left\n"))
}

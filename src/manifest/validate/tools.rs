//! `[tools]`: which programs do the work.
//!
//! A checkout may only choose between known programs on `PATH`. If a path were allowed in `oci.toml`, even commands
//! that build nothing, such as `oci lock`, could start a program of the checkout. Paths belong into the user's own
//! settings.

use std::path::{Path, PathBuf};

use crate::manifest::Tools;
use crate::manifest::read::Table;
use crate::manifest::validate::{Checker, value};
use crate::problem::Problem;
use crate::source::Placed;

/// The programs that a project may name under each key.
const OF_PROJECTS: [(&str, &[&str]); 3] = [("skopeo", &["skopeo"]), ("umoci", &["umoci"]), ("runc", &["runc", "crun"])];

/// The tools of `oci.toml`: names of [`OF_PROJECTS`] alone.
pub(super) fn of_project(root: Table<'_>, checker: &mut Checker) -> Tools {
    read(root, |name, text| {
        let known = OF_PROJECTS.iter().find(|(key, _)| *key == name).map_or(&[][..], |(_, programs)| *programs);
        if known.contains(&text.as_str()) {
            return Some(PathBuf::from(&text.value));
        }
        let quoted: Vec<String> = known.iter().map(|program| format!("`{program}`")).collect();
        let reason = format!("a project can name {} here, to be found on `PATH`", quoted.join(" or "));
        let help = format!(
            "say where the program is in your own settings, `{name} = \"/path\"` under `[tools]` in \
             `~/.config/oci/config.toml`, or in the variable `OCI_{}`",
            name.to_uppercase()
        );
        let message = format!("`oci.toml` cannot have `{}` started", **text);
        checker.push(Problem::new("oci::manifest::foreign_tool", message, &text.place, reason).help(help));
        None
    })
}

/// The tools of the user's own settings: names to be found on `PATH`, or paths, relative to `folder`.
pub(super) fn of_user(root: Table<'_>, folder: &Path, checker: &mut Checker) -> Tools {
    read(root, |_, text| {
        let written = value::host_path(text, checker)?;
        let is_path = written.contains('/') || written == "~";
        if is_path { value::path_from(folder, text, checker) } else { Some(PathBuf::from(written)) }
    })
}

fn read(root: Table<'_>, mut tool: impl FnMut(&str, &Placed<String>) -> Option<PathBuf>) -> Tools {
    let table = root.table("tools");
    let mut tool = |name: &str| tool(name, &table?.text(name)?);
    Tools { skopeo: tool("skopeo"), umoci: tool("umoci"), runc: tool("runc") }
}

//! Checks the tools: are they there, do they start, and are they old?

use std::path::Path;
use std::time::Duration;

use super::Needs;
use super::finding::{Finding, State, told};
use crate::commands::settings;
use crate::manifest::Tools;
use crate::process::{Invocation, on_path};
use crate::tools::Version;
use crate::tools::program::Absence;
use crate::tools::runc::{Runtime, version_question};

/// How long a tool may take to print its version.
pub(super) const QUESTION: Duration = Duration::from_secs(10);

/// What is known of a tool: the oldest version that is tested with `oci`, and in which variable and key its
/// path can be.
struct Tool {
    name: &'static str,
    oldest: Version,
    variable: &'static str,
    key: &'static str,
}

const SKOPEO: Tool = Tool { name: "skopeo", oldest: Version(1, 9, 0), variable: "OCI_SKOPEO", key: "skopeo" };
const UMOCI: Tool = Tool { name: "umoci", oldest: Version(0, 4, 7), variable: "OCI_UMOCI", key: "umoci" };
const RUNC: Tool = Tool { name: "runc", oldest: Version(1, 1, 0), variable: "OCI_RUNC", key: "runc" };
const CRUN: Tool = Tool { name: "crun", oldest: Version(1, 8, 0), ..RUNC };

/// The first version of umoci that reads zstd.
const ZSTD_SINCE: Version = Version(0, 5, 0);

pub(super) fn examine(tools: &Tools, needs: Needs) -> Vec<Finding> {
    let program = |tool: &Tool, written: Option<&Path>| settings::tool(tool.variable, written, tool.name);
    let runtime = settings::runtime(tools.runc.as_deref());
    vec![
        SKOPEO.examine(&program(&SKOPEO, tools.skopeo.as_deref()), needs.registries),
        UMOCI.examine(&program(&UMOCI, tools.umoci.as_deref()), needs.containers),
        match Runtime::ask(&runtime) {
            Runtime::Crun => CRUN.examine(&runtime, needs.containers),
            Runtime::Runc => RUNC.examine(&runtime, needs.containers),
        },
    ]
}

impl Tool {
    fn examine(&self, program: &Path, is_needed: bool) -> Finding {
        let Self { name, variable, key, .. } = self;
        let bad = |found: String, fix: String| Finding::bad(*name, State::bad(is_needed), found, fix);
        let elsewhere = format!(
            "or say where it is, in `{variable}` or as `{key} = \"/path\"` under `[tools]` in `~/.config/oci/config.toml`"
        );
        let Some(path) = on_path(program) else {
            let found = format!("`{}` is not there", program.display());
            return bad(found, Absence::of(name, program).advice("install it"));
        };
        let question = match *name {
            "runc" | "crun" => version_question(&path),
            _ => Invocation::new(&path).argument("--version").limit(QUESTION),
        };
        let printed = match question.capture() {
            Ok(finished) if finished.status.success() => finished.stdout,
            Ok(finished) => {
                let found = format!("`{} --version` ended with {}", path.display(), finished.status);
                return bad(found, format!("install it again; {elsewhere}"));
            }
            Err(error) => return bad(told(&error), format!("install it again; {elsewhere}")),
        };
        let place = path.display();
        let printed = String::from_utf8_lossy(&printed);
        match Version::parse(&printed).filter(|_| printed.starts_with(name)) {
            None => Finding::bad(
                *name,
                State::Warning,
                format!("`{place} --version` tells no version of {name}"),
                format!("look whether it is {name}; {elsewhere}"),
            ),
            Some(version) if version < self.oldest => Finding::bad(
                *name,
                State::Warning,
                format!("{version}, {place}; `oci` is not tested with any before {}", self.oldest),
                "install a newer one",
            ),
            Some(version) if *name == UMOCI.name && version < ZSTD_SINCE => {
                Finding::good(*name, format!("{version}, {place}; unpacks no zstd layers, as {ZSTD_SINCE} does"))
            }
            Some(version) => Finding::good(*name, format!("{version}, {place}")),
        }
    }
}

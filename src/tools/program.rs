//! The program of a tool is missing: which setting named it, and what to do.

use std::path::Path;

use crate::process::path::is_path;

/// Which setting names the program of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// No setting: it is looked for under its own name.
    Nowhere,
    /// The variable `OCI_…`.
    Variable,
    /// `[tools]`.
    Settings,
}

/// A tool that is not where it should be, in words for an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Absence<'a> {
    tool: &'a str,
    program: &'a Path,
    named: Named,
}

impl<'a> Absence<'a> {
    /// `tool` is what its package is called, and `program` what should have been started.
    pub(crate) fn of(tool: &'a str, program: &'a Path) -> Self {
        let said = std::env::var_os(variable(tool));
        let named = match said.is_some_and(|said| said == program.as_os_str()) {
            true => Named::Variable,
            false if program == Path::new(tool) => Named::Nowhere,
            false => Named::Settings,
        };
        Self { tool, program, named }
    }

    /// What is wrong, in words that follow "umoci is needed, and …".
    pub(crate) fn state(&self) -> String {
        let place = if is_path(self.program) { "there is no such file" } else { "it is not on `PATH`" };
        let program = self.program.display();
        match self.named {
            Named::Nowhere => "is not installed".to_owned(),
            Named::Variable => format!("`{}` says that it is `{program}`: {place}", variable(self.tool)),
            Named::Settings => format!("`[tools]` says that it is `{program}`: {place}"),
        }
    }

    /// What to do. `what` is "install it" or similar, for a tool that no setting names.
    pub(crate) fn advice(&self, what: &str) -> String {
        let Self { tool, .. } = self;
        let variable = variable(tool);
        match self.named {
            Named::Nowhere => format!(
                "{what}: `apt install {tool}`, `dnf install {tool}` or `brew install {tool}`; or say where it is, in \
                 `{variable}` or as `{} = \"/path\"` under `[tools]` in `~/.config/oci/config.toml`",
                key(tool)
            ),
            Named::Variable => {
                format!("set `{variable}` to where it is, or unset it: then `{tool}` is looked for on `PATH`")
            }
            Named::Settings => format!(
                "correct `{} = …` under `[tools]`, or remove it: then `{tool}` is looked for on `PATH`",
                key(tool)
            ),
        }
    }
}

/// How the tool is called in messages: crun is named where runc is.
fn key(tool: &str) -> &str {
    if tool == "crun" { "runc" } else { tool }
}

/// The variable that names the program of a tool.
pub(super) fn variable(tool: &str) -> String {
    format!("OCI_{}", key(tool).to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_blamed_on_what_named_it() {
        let nobody = Absence::of("umoci", Path::new("umoci"));
        assert_eq!(nobody.state(), "is not installed");
        assert!(nobody.advice("install it").contains("`OCI_UMOCI` or as `umoci = \"/path\"`"));
        let settings = Absence::of("umoci", Path::new("/no/umoci"));
        assert_eq!(settings.state(), "`[tools]` says that it is `/no/umoci`: there is no such file");
        assert!(!settings.advice("install it").contains("install"));
        let variable = Absence { named: Named::Variable, ..Absence::of("crun", Path::new("nothing")) };
        assert_eq!(variable.state(), "`OCI_RUNC` says that it is `nothing`: it is not on `PATH`");
        assert!(variable.advice("install it").contains("unset it"));
    }
}

//! `oci completions SHELL`.

use clap::{Command as CommandLine, CommandFactory};

use crate::cli::Cli;

pub(super) fn print(shell: clap_complete::Shell) {
    super::print(&script(shell));
}

fn script(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(), "oci", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The command line without what only this program itself calls: the generators do not leave it out.
fn visible() -> CommandLine {
    let whole = Cli::command();
    let commands = whole.get_subcommands().filter(|command| !command.is_hide_set());
    CommandLine::new("oci")
        .version(env!("CARGO_PKG_VERSION"))
        .args(whole.get_arguments().cloned())
        .subcommands(commands.cloned())
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;

    use super::*;

    #[test]
    fn what_is_hidden_is_not_completed() {
        let hidden: Vec<String> = Cli::command()
            .get_subcommands()
            .filter(|command| command.is_hide_set())
            .map(|command| command.get_name().to_owned())
            .collect();
        assert!(!hidden.is_empty());
        for name in hidden {
            assert!(!script(Shell::Bash).contains(&name), "{name}");
        }
    }

    #[test]
    fn the_scripts_in_the_repository_are_current() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let path = format!("{}/completions/oci.{shell}", env!("CARGO_MANIFEST_DIR"));
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                kept == script(shell),
                "the command line has changed: run `oci completions {shell} > completions/oci.{shell}`"
            );
        }
    }
}

//! `oci completions SHELL`.

use clap::CommandFactory;

use crate::cli::Cli;
use crate::fs::FileError;

pub(super) fn print(shell: clap_complete::Shell) -> Result<(), FileError> {
    super::print(&script(shell))
}

fn script(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "oci", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;

    use super::*;

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

//! `oci completions SHELL`.

use clap::CommandFactory;

use crate::cli::Cli;

pub(super) fn print(shell: clap_complete::Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "oci", &mut script);
    super::print(&String::from_utf8_lossy(&script));
}

//! `oci completions SHELL` prints a shell's script that completes command lines.

use clap::CommandFactory;
use clap_complete::Shell;

use super::names;
use crate::cli::Cli;
use crate::fs::FileError;

pub(super) fn print(shell: Shell) -> Result<(), FileError> {
    super::print(&script(shell))
}

/// Makes clap's script offer names of the manifest, which [`names`] prints.
fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "oci", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => bash(&script),
        Shell::Zsh => zsh(script),
        Shell::Fish => script + &fish(),
        _ => script,
    }
}

/// In bash, `opts` holds the words for the cursor: names, unless an option was begun or there are no names.
fn bash(script: &str) -> String {
    let mut result = String::new();
    let mut takes_names = false;
    for line in script.lines() {
        result += &format!("{line}\n");
        if takes_names {
            result += "            [[ ${cur} == -* ]] || names=$(_oci_names)\n            opts=${names:-${opts}}\n";
        }
        let command = line.trim().strip_prefix("oci__subcmd__").and_then(|line| line.strip_suffix(')'));
        takes_names = command.is_some_and(|command| names::COMMANDS.contains(&command));
    }
    let ask = format!(
        "_oci_names() {{\n    command oci {} \"${{COMP_WORDS[@]:0:COMP_CWORD}}\" 2>/dev/null\n}}\n\n",
        names::SUBCOMMAND
    );
    ask + &result.replacen("local i cur prev opts cmd", "local i cur prev opts cmd names", 1)
}

/// In zsh, every argument has a function that completes it. In these functions, `words` lacks the words before the
/// command.
fn zsh(script: String) -> String {
    let ask = format!(
        "_oci_names() {{\n    local -a names=(${{(f)\"$(command oci {} \"${{(@Q)line_words}}\" 2>/dev/null)\"}})\n    \
         compadd \"$@\" -a names\n}}\n\n_oci() {{\n    local -a line_words=(\"${{(@)words[1,CURRENT-1]}}\")\n",
        names::SUBCOMMAND
    );
    let script = script.replacen("_oci() {\n", &ask, 1);
    names::COMMANDS.iter().fold(script, |script, name| {
        let command = Cli::command();
        let argument = command.find_subcommand(name).and_then(|command| command.get_positionals().next());
        let Some(about) = argument.and_then(clap::Arg::get_help) else { return script };
        script.replace(&format!(" -- {about}:_default'"), &format!(" -- {about}:_oci_names'"))
    })
}

/// In fish, the command line is asked for, and files are offered only behind `--`.
fn fish() -> String {
    format!(
        "\nfunction __fish_oci_wants_names\n    __fish_oci_using_subcommand {}\n    \
         and not contains -- -- (commandline -opc)\nend\n\n\
         complete -c oci -n __fish_oci_wants_names -f -a \"(command oci {} (commandline -opc) 2>/dev/null)\"\n",
        names::COMMANDS.join(" "),
        names::SUBCOMMAND
    )
}

#[cfg(test)]
mod tests {
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

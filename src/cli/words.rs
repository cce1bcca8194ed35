//! Words of other programs on the command line: what stands for an option or a command of `docker` here.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Options of `docker run`, and what to do instead.
const OF_RUN: &[(&[&str], &str)] = &[
    (&["--rm"], "leave it out: nothing of a container is left when it ends"),
    (
        &["-d", "--detach"],
        "a container runs in the foreground: have a service manager start it, such as `systemd-run --user oci run NAME`",
    ),
    (&["-w"], "it is `--workdir DIR`"),
    (&["-u"], "it is `--user USER[:GROUP]`"),
    (&["--hostname"], "it is `--name NAME`"),
    (&["--tty"], "it is `-t` or `--terminal`"),
    (&["-m"], "it is `--memory SIZE`"),
    (&["--mount"], "files and folders are mounted by `--volume FROM:TO[:ro]`"),
    (&["--net"], "it is `--network host` or `--network none`"),
    (
        &["-P", "--publish-all", "--expose", "--link", "--add-host", "--dns"],
        "the container has this machine's network: its servers are reached at their own ports, and it knows this machine's hosts",
    ),
    (&["--restart"], "have a service manager start `oci run` again: `Restart=` of systemd"),
    (&["--pull"], "`oci update` pins what a tag stands for now, and `oci run` brings what is pinned"),
    (&["--label", "-l"], "labels belong to the image: `labels` in oci.toml"),
    (
        &[
            "--privileged",
            "--cap-add",
            "--cap-drop",
            "--security-opt",
            "--device",
            "--gpus",
            "--pid",
            "--ipc",
            "--userns",
        ],
        "a container has what container engines give by default, and no more: run the published image with one of them",
    ),
];

/// Options of `docker build`.
const OF_BUILD: &[(&[&str], &str)] = &[
    (
        &["-t", "--tag"],
        "tags belong into oci.toml: `repository` and `tags`; `oci publish --tag TAG` pushes another one",
    ),
    (&["-f", "--file"], "it is `--manifest-path PATH`"),
    (&["--build-arg"], "it is `--var NAME=VALUE`, for a variable of `[vars]`"),
    (&["--target"], "name the stage or the build: `oci build NAME`"),
    (&["--push"], "`oci publish` builds and pushes"),
    (&["--load"], "images are in the layout `.oci/`: `skopeo copy oci:.oci:NAME docker-daemon:NAME:TAG`"),
    (&["--pull"], "`oci update` pins what the tags of the bases stand for now"),
    (&["--secret", "--ssh"], "secrets belong to a step: `secrets` in oci.toml"),
    (&["--network"], "the network belongs to a step: `network = \"host\"` in oci.toml"),
    (&["--label", "--annotation"], "these belong to the image: `labels` and `annotations` in oci.toml"),
    (&["--squash"], "`squash-packages = true` in oci.toml makes one layer of all packages"),
];

/// Commands of `docker`.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["push"], "it is `oci publish`"),
    (
        &["pull"],
        "`oci update` pins what the tags of the bases stand for now, and `oci fetch` brings all that is pinned",
    ),
    (&["images", "image"], "what was built is in the layout `.oci/`; `oci cache size` tells what the cache holds"),
    (&["login", "logout"], "credentials are skopeo's: `skopeo login REGISTRY`"),
    (&["ps", "stop", "kill", "rm", "logs"], "a container lives in the foreground, as long as its `oci run`"),
    (&["exec"], "nothing enters a running container; `oci run NAME --entrypoint PROGRAM` starts another one"),
    (&["rmi", "system", "builder"], "`oci cache prune` and `oci cache clean` make the cache smaller"),
    (&["save"], "`skopeo copy oci:.oci:NAME oci-archive:FILE` writes what was built"),
    (&["tag"], "tags belong into oci.toml: `tags`; or `oci publish --tag TAG`"),
];

/// The error, with what stands for the word here if it is one of another program; `arguments` are those after the
/// program's name.
pub(crate) fn explain(mut error: clap::Error, arguments: &[String]) -> clap::Error {
    let text = |error: &clap::Error, kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let is_of = |command: &str| arguments.iter().take_while(|argument| *argument != "--").any(|one| one == command);
    let tip = match error.kind() {
        ErrorKind::UnknownArgument => {
            let written = text(&error, ContextKind::InvalidArg).unwrap_or_default();
            let word = written.split('=').next().unwrap_or_default();
            match (is_of("run"), is_of("build")) {
                (true, _) if !word.starts_with('-') => {
                    Some("what the container's program gets stands after `--`: `oci run NAME -- ARG…`")
                }
                (true, _) => find(OF_RUN, word),
                (_, true) => find(OF_BUILD, word),
                _ => None,
            }
        }
        ErrorKind::InvalidSubcommand => {
            find(COMMANDS, &text(&error, ContextKind::InvalidSubcommand).unwrap_or_default())
        }
        _ => None,
    };
    if let Some(tip) = tip {
        for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::Usage] {
            error.remove(kind);
        }
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
    error
}

fn find(words: &[(&[&str], &'static str)], written: &str) -> Option<&'static str> {
    words.iter().find(|(words, _)| words.contains(&written)).map(|(_, tip)| *tip)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::Cli;

    fn told(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        explain(Cli::try_parse_from(&words).unwrap_err(), &words[1..]).to_string()
    }

    #[test]
    fn words_of_docker_are_explained() {
        let lines = [
            "oci run --rm app",
            "oci run -d app",
            "oci run -itd app",
            "oci run app echo hi",
            "oci run --privileged=true app",
            "oci run app --name x --hostname y",
            "oci build -t app:1 .",
            "oci build --build-arg A=1",
            "oci push",
            "oci pull base",
            // An option of another command, or of none: clap's own message stays.
            "oci publish --rm",
            "oci run app -- --rm --nothing -d --none -- x",
            "oci run --nothing app",
        ];
        let told: Vec<String> = lines
            .iter()
            .map(|line| match Cli::try_parse_from(line.split(' ')) {
                Ok(_) => format!("$ {line}\nfine\n"),
                Err(_) => format!("$ {line}\n{}", told(line)),
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    /// A word that is known here needs no explanation.
    #[test]
    fn no_word_is_known_here() {
        let root = Cli::command();
        for (name, words) in [("run", OF_RUN), ("build", OF_BUILD)] {
            let command = root.find_subcommand(name).unwrap();
            for word in words.iter().flat_map(|(words, _)| *words) {
                let is_known = command.get_arguments().chain(root.get_arguments()).any(|argument| {
                    let long = argument.get_long().map(|long| format!("--{long}"));
                    let short = argument.get_short().map(|short| format!("-{short}"));
                    [long, short].iter().flatten().any(|known| known == word)
                });
                assert!(!is_known, "{name} {word}");
            }
        }
        for word in COMMANDS.iter().flat_map(|(words, _)| *words) {
            assert!(root.find_subcommand(word).is_none(), "{word}");
        }
    }
}

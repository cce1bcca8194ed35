//! The names of the manifest, in real shells with the scripts that `oci completions` prints.

use std::path::Path;
use std::process::Command;

use crate::support::TestContext;
use crate::support::tools::{find, search_path};

const MANIFEST: &str = "[base.debian]\nrepository = \"localhost:1/debian\"\ntag = \"12\"\n\
                        [base.python]\nrepository = \"localhost:1/python\"\n\
                        [base.python.variants]\nslim = \"3\"\nalpine = \"4\"\n\
                        [stage.venv]\nbase = \"python#slim\"\n\
                        [build.web]\nbase = \"debian\"\n[build.worker]\nbase = \"debian\"\n";

/// A shell of this context whose `oci` is the one under test.
fn shell(context: &TestContext, name: &str) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_oci")).parent().unwrap().display();
    let mut command = Command::new(find(name));
    command.env_clear().envs(context.environment()).current_dir(context.project());
    command.env("PATH", format!("{folder}:{}", search_path()));
    command
}

/// What bash offers for the last word.
fn bash(context: &TestContext, words: &[&str]) -> Vec<String> {
    let ask = "source <(oci completions bash)\n\
               COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1))\n\
               _oci oci \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"\n\
               printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let mut command = shell(context, "bash");
    command.args(["--norc", "-c", ask, "bash"]).args(words);
    offered(context, &mut command)
}

/// What fish offers at the end of a line.
fn fish(context: &TestContext, line: &str) -> Vec<String> {
    let mut command = shell(context, "fish");
    command.args(["--no-config", "-c", "oci completions fish | source; complete -C $argv[1]", line]);
    offered(context, &mut command)
}

fn offered(context: &TestContext, command: &mut Command) -> Vec<String> {
    let outcome = context.finish(command).success();
    assert_eq!(outcome.stderr(), "");
    let mut offered: Vec<String> = outcome.stdout().lines().map(str::to_owned).collect();
    offered.sort();
    offered
}

#[test]
fn bash_offers_the_names_of_the_manifest() {
    let context = TestContext::with_manifest(MANIFEST);
    for (line, names) in [
        ("oci build ", "venv web worker"),
        ("oci build we", "web"),
        ("oci build --no-cache web ", "venv worker"),
        ("oci -q publish w", "web worker"),
        ("oci run ", "debian python#alpine python#slim venv web worker"),
        ("oci run python#s", "python#slim"),
        ("oci update py", "python python#alpine python#slim"),
        ("oci fetch d", "debian"),
        ("oci build --no-c", "--no-cache"),
        ("oci build --progress n", "none"),
    ] {
        assert_eq!(bash(&context, &line.split(' ').collect::<Vec<_>>()).join(" "), names, "{line}");
    }
    assert!(bash(&context, &["oci", "che"]).contains(&"check".to_owned()));
}

#[test]
fn fish_offers_the_names_of_the_manifest() {
    let context = TestContext::with_manifest(MANIFEST);
    context.write("weather", "");
    for (line, names) in [
        ("oci build ", "venv web worker"),
        ("oci build we", "web"),
        ("oci build --no-cache web w", "worker"),
        ("oci -q publish w", "web worker"),
        ("oci run python#s", "python#slim"),
        ("oci update py", "python python#alpine python#slim"),
        ("oci run web -- wea", "weather"),
    ] {
        assert_eq!(fish(&context, line).join(" "), names, "{line}");
    }
}

/// A shell that completes is no place for errors: the names that can be read, or none, and status 0.
#[test]
fn names_are_silent_about_what_is_wrong() {
    let context = TestContext::with_manifest("[build.web]\nbase = \"nowhere\"\nnonsense = \n[build.\"$(touch x)\"]\n");
    let names = |line: &[&str]| {
        let outcome = context.finish(context.oci().arg("__names").args(line)).success();
        assert_eq!(outcome.stderr(), "");
        outcome.stdout().to_owned()
    };
    assert_eq!(names(&["oci", "build"]), "web\n");
    assert_eq!(names(&["oci", "-C", "nowhere", "--manifest-path", "none", "build"]), "");
    assert_eq!(names(&[]), "");
    context.write("oci.toml", b"\xff\xfe\0");
    assert_eq!(names(&["oci", "build"]), "");
    std::fs::remove_file(context.project().join("oci.toml")).unwrap();
    assert_eq!(names(&["oci", "build"]), "");
    for folder in [context.project(), context.root().join("cache"), context.root().join("home")] {
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "{}", folder.display());
    }
}

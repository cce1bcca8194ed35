//! The hooks of `.pre-commit-hooks.yaml` that run the `oci` on the `PATH`, by pre-commit and by prek, in git
//! repositories with several manifests; and how `oci` finds these. What needs no registry has no network.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::context::Outcome;
use crate::support::images::{self, Base};
use crate::support::ordinary::is_root;
use crate::support::snapshot::assert_outcome;
use crate::support::tools::{find, hook_runner, search_path, tool};
use crate::support::{Registry, TestContext};

const RUNNERS: [&str; 2] = ["pre-commit", "prek"];
/// A registry that nobody could ask.
const REPOSITORY: &str = "registry.invalid/library/python";

fn definitions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml")
}

fn manifest(repository: &str, tag: &str) -> String {
    format!("[base.python]\nrepository = \"{repository}\"\ntag = \"{tag}\"\n")
}

/// What `oci lock` would have written for that manifest.
fn lock(tag: &str) -> String {
    let digest = format!("sha256:{}", "1".repeat(64));
    format!(
        "version = 1\n\n[image.\"python\"]\nrepository = \"{REPOSITORY}\"\ntag = \"{tag}\"\ndigest = \"{digest}\"\n\
         media-type = \"application/vnd.oci.image.manifest.v1+json\"\n\n\
         [image.\"python\".platforms]\n\"linux/amd64\" = \"{digest}\"\n"
    )
}

/// A git repository with projects in several folders.
struct Monorepo {
    context: TestContext,
    network: Network,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    None,
    Ours,
}

impl Monorepo {
    /// One with a project in each of these folders, in order and committed.
    fn new(network: Network, folders: &[&str]) -> Self {
        let context = TestContext::new();
        let bin = context.root().join("bin");
        std::fs::create_dir(&bin).unwrap();
        symlink(env!("CARGO_BIN_EXE_oci"), bin.join("oci")).unwrap();
        let monorepo = Self { context, network };
        monorepo.git(["init", "-q", "-b", "main"]).success();
        for folder in folders {
            monorepo.write(folder, "oci.toml", &manifest(REPOSITORY, "1"));
            monorepo.write(folder, "oci.lock", &lock("1"));
        }
        monorepo.git(["add", "."]).success();
        monorepo.git(["commit", "-q", "-m", "projects"]).success();
        monorepo
    }

    /// Has a runner run some hooks before each commit.
    fn install(&self, runner: &str, hooks: &[&str]) {
        // As a repository of hooks it needs no more than this file.
        let source = self.context.root().join("hooks");
        std::fs::create_dir(&source).unwrap();
        std::fs::copy(definitions(), source.join(".pre-commit-hooks.yaml")).unwrap();
        let there =
            |words: &[&str]| self.context.finish(self.command("git").args(words).current_dir(&source)).success();
        there(&["init", "-q"]);
        there(&["add", "."]);
        there(&["commit", "-q", "-m", "hooks"]);
        let revision = there(&["rev-parse", "HEAD"]).stdout();
        let hooks: String = hooks.iter().map(|hook| format!("      - id: {hook}\n")).collect();
        let repository = source.display();
        let config = format!("repos:\n  - repo: {repository}\n    rev: {}\n    hooks:\n{hooks}", revision.trim());
        self.write(".", ".pre-commit-config.yaml", &config);
        self.git(["add", ".pre-commit-config.yaml"]).success();
        self.git(["commit", "-q", "-m", "hooks"]).success();
        self.context.finish(self.command(hook_runner(runner)).arg("install")).success();
    }

    /// A command in the top folder, with `oci` on its `PATH`.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let program = program.as_ref();
        let program = if program.is_absolute() { program.to_owned() } else { find(program.to_str().unwrap()) };
        let mut command = match self.network {
            Network::Ours => Command::new(program),
            Network::None => {
                let mut command = tool("unshare");
                if !is_root() {
                    command.args(["--user", "--map-current-user"]);
                }
                command.arg("--net").arg(program);
                command
            }
        };
        command.env_clear().envs(self.context.environment()).current_dir(self.context.project());
        command.env("PATH", format!("{}:{}", self.context.root().join("bin").display(), search_path()));
        for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"] {
            command.env(name, "Tester");
        }
        for name in ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
            command.env(name, "tester@example.com");
        }
        command.stdin(std::process::Stdio::null());
        command
    }

    fn git<const N: usize>(&self, arguments: [&str; N]) -> Outcome {
        self.context.finish(self.command("git").args(arguments))
    }

    /// Stages everything and commits it.
    fn commit(&self) -> Outcome {
        self.git(["add", "--all"]).success();
        self.git(["commit", "-q", "-m", "change"])
    }

    fn write(&self, folder: &str, name: &str, content: &str) {
        self.context.write(&format!("{folder}/{name}"), content);
    }
}

/// All that a refused or accepted commit printed.
fn told(outcome: &Outcome) -> String {
    outcome.stdout() + &outcome.stderr()
}

#[test]
fn their_definitions_are_valid() {
    let monorepo = Monorepo::new(Network::None, &["."]);
    for runner in RUNNERS {
        let mut command = monorepo.command(hook_runner(runner));
        monorepo.context.finish(command.arg("validate-manifest").arg(definitions())).success();
    }
}

#[test]
fn a_commit_is_judged_by_the_manifests_that_it_touches() {
    for runner in RUNNERS {
        let monorepo = Monorepo::new(Network::None, &["services/a", "services/b"]);
        // Somebody else's mistake.
        monorepo.write("services/b", "oci.toml", &manifest(REPOSITORY, "2"));
        monorepo.commit().success();
        monorepo.install(runner, &["oci-check", "oci-lock-check"]);

        monorepo.write("services/a", "oci.toml", &manifest(REPOSITORY, "2"));
        let refused = monorepo.commit().failure(1);
        let text = told(&refused);
        assert!(text.contains("services/a/oci.toml: python  stale") && !text.contains("services/b"), "{text}");
        // A current lockfile passes.
        monorepo.write("services/a", "oci.lock", &lock("2"));
        let passed = told(&monorepo.commit().success());
        assert!(passed.contains("oci.lock is current"), "{passed}");

        monorepo.write("services/a", "oci.toml", "[base.python]\nrepositry = \"x\"\n");
        let text = told(&monorepo.commit().failure(1));
        assert!(text.contains("services/a/oci.toml:2:1") && text.contains("repositry"), "{text}");
        monorepo.git(["reset", "-q", "--hard"]).success();

        let conflict = format!("<<<<<<< HEAD\n{}=======\n{}>>>>>>> theirs\n", lock("2"), lock("3"));
        monorepo.write("services/a", "oci.lock", &conflict);
        let text = told(&monorepo.commit().failure(1));
        assert!(
            text.contains("the lockfile has a merge conflict") && text.contains("services/a/oci.lock:1:1"),
            "{text}"
        );
        monorepo.git(["reset", "-q", "--hard"]).success();

        // What changes no manifest is not looked at; of all files, all are.
        monorepo.write("services/b", "README", "x");
        monorepo.commit().success();
        let mut all = monorepo.command(hook_runner(runner));
        let text = told(&monorepo.context.finish(all.args(["run", "--all-files"])).failure(1));
        assert!(text.contains("services/b/oci.toml: python  stale") && !text.contains("services/a"), "{text}");
    }
}

/// git tells a hook by its environment which index and which working tree are meant.
#[test]
fn every_way_to_commit_is_judged() {
    for runner in RUNNERS {
        // Another project is at the top, in order.
        let monorepo = Monorepo::new(Network::None, &[".", "services/a", "services/b"]);
        monorepo.install(runner, &["oci-lock-check"]);
        monorepo.write("services/a", "oci.toml", &manifest(REPOSITORY, "2"));
        monorepo.write("services/b", "oci.toml", &manifest(REPOSITORY, "2"));
        let all = told(&monorepo.git(["commit", "-q", "-a", "-m", "all"]).failure(1));
        assert!(all.contains("services/a/oci.toml: python  stale"), "{all}");
        assert!(all.contains("services/b/oci.toml: python  stale") && !all.contains(" oci.toml: "), "{all}");
        let one = told(&monorepo.git(["commit", "-q", "-m", "one", "services/b/oci.toml"]).failure(1));
        assert!(one.contains("services/b/oci.toml: python  stale") && !one.contains("services/a"), "{one}");

        // What is staged counts, and the runner puts it in the place of what is not.
        monorepo.write("services/b", "oci.lock", &lock("2"));
        monorepo.git(["add", "services/b"]).success();
        monorepo.write("services/b", "oci.toml", "this is not TOML");
        monorepo.git(["commit", "-q", "-m", "staged"]).success();
        assert_eq!(monorepo.context.read("services/b/oci.toml"), "this is not TOML");
        monorepo.git(["reset", "-q", "--hard"]).success();

        // A linked working tree.
        let tree = monorepo.context.root().join("tree");
        monorepo.git(["worktree", "add", "-q", "-b", "other", tree.to_str().unwrap()]).success();
        let there = |folder: &str, words: &[&str]| {
            monorepo.context.finish(monorepo.command("git").args(words).current_dir(tree.join(folder)))
        };
        std::fs::write(tree.join("services/a/oci.toml"), manifest(REPOSITORY, "2")).unwrap();
        let text = told(&there("services", &["commit", "-q", "-a", "-m", "there"]).failure(1));
        assert!(text.contains("services/a/oci.toml: python  stale") && !text.contains("services/b"), "{text}");
        std::fs::write(tree.join("services/a/oci.lock"), lock("2")).unwrap();
        there("services", &["commit", "-q", "-a", "-m", "there"]).success();

        // Between two commits.
        let mut between = monorepo.command(hook_runner(runner));
        between.args(["run", "--from-ref", "main", "--to-ref", "other"]).current_dir(&tree);
        monorepo.context.finish(&mut between).success();
        std::fs::write(tree.join("services/a/oci.lock"), lock("1")).unwrap();
        there(".", &["commit", "-q", "--no-verify", "-a", "-m", "stale"]).success();
        let text = told(&monorepo.context.finish(&mut between).failure(1));
        assert!(text.contains("services/a/oci.toml: python  stale"), "{text}");
    }
}

#[test]
fn the_mending_hook_mends_and_the_second_commit_passes() {
    let registry = Registry::start();
    let digest = images::push(&registry, Base::Busybox, "library/busybox", "1");
    for runner in RUNNERS {
        let monorepo = Monorepo::new(Network::Ours, &["services/a", "services/b"]);
        monorepo.install(runner, &["oci-lock", "oci-lock-check"]);
        monorepo.write("services/a", "oci.toml", &manifest(&registry.repository("library/busybox"), "1"));
        let refused = told(&monorepo.commit().failure(1));
        assert!(refused.contains("files were modified by this hook"), "{refused}");
        assert!(refused.contains("services/a/oci.toml: python  1  "), "{refused}");
        assert!(monorepo.context.read("services/a/oci.lock").contains(&digest));
        monorepo.commit().success();
        assert_eq!(monorepo.git(["status", "--porcelain"]).stdout(), "");
        assert_eq!(monorepo.context.read("services/b/oci.lock"), lock("1"));
    }
}

/// Without a hook: at the top of a repository that has manifests only further down.
#[test]
fn manifests_below_are_found_and_named() {
    let monorepo = Monorepo::new(Network::None, &["services/a", "services/b", "services/c"]);
    monorepo.write("services/a", "oci.toml", &manifest(REPOSITORY, "2"));
    monorepo.write("services/b", "oci.toml", "");
    monorepo.write("services/c", "oci.toml", "[base.python]\nrepositry = \"x\"\n");
    monorepo.write("untracked", "oci.toml", "nothing that git tracks");
    let oci = |words: &[&str]| monorepo.context.finish(monorepo.context.oci().args(words));
    assert_outcome!(oci(&["check"]).failure(2));
    assert_outcome!(oci(&["lock", "--check"]).failure(2));
    monorepo.write("services/c", "oci.toml", &manifest(REPOSITORY, "1"));
    let lines = oci(&["lock", "--check", "--json"]).failure(1).stdout();
    let data: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = data.iter().map(|one| one["manifest"].as_str().unwrap()).collect();
    assert_eq!(names, ["services/a/oci.toml", "services/b/oci.toml", "services/c/oci.toml"]);
    // From a folder on the way, and in a project, where that is the one that counts.
    let text = oci(&["-C", "services", "lock", "--check"]).failure(1).stdout();
    assert_eq!(text, "a/oci.toml: python  stale\nb/oci.toml: python  gone\n");
    assert_eq!(oci(&["-C", "services/a", "lock", "--check"]).failure(1).stdout(), "python  stale\n");
    // Locking is for the project that one is in.
    assert!(oci(&["lock"]).failure(2).stderr().contains("oci::manifest::not_found"));
    // A project that was removed is not looked for.
    std::fs::remove_dir_all(monorepo.context.project().join("services/b")).unwrap();
    assert_eq!(oci(&["lock", "--check"]).failure(1).stdout(), "services/a/oci.toml: python  stale\n");
}

/// Nothing is staged and no commits are named: there is only everything.
#[test]
fn where_no_change_is_known_all_that_git_tracks_is_looked_at() {
    let monorepo = Monorepo::new(Network::None, &[".", "services/a"]);
    monorepo.write("services/a", "oci.toml", &manifest(REPOSITORY, "2"));
    monorepo.write("services/a/b", "oci.toml", "nothing that git tracks");
    let changed = |folder: &str, staged: &str| {
        let outcome =
            monorepo.context.finish(monorepo.context.oci().args(["-C", folder, "lock", "--check", "--changed"]));
        assert_eq!(outcome.failure(1).stdout(), format!("{staged}: python  stale\n"));
    };
    changed(".", "services/a/oci.toml");
    changed("services/a", "oci.toml");
    monorepo.git(["add", "services/a/oci.toml"]).success();
    changed(".", "services/a/oci.toml");
    // A lockfile alone is looked at with its manifest, and what is deleted is not.
    monorepo.git(["rm", "-q", "--cached", "services/a/oci.lock"]).success();
    monorepo.git(["rm", "-q", "oci.toml", "oci.lock"]).success();
    changed(".", "services/a/oci.toml");
}

#[test]
fn git_has_to_say_what_changes() {
    let context = TestContext::with_manifest(&manifest(REPOSITORY, "1"));
    assert_outcome!(context.run(["check", "--changed"]).failure(2));
    context.run(["check", "--changed", "--manifest-path", "oci.toml"]).failure(2);
}

//! A lockfile that git could not merge: `oci lock` mends it, and every other command refuses it.

use std::process::Command;

use crate::support::images::{self, Base};
use crate::support::snapshot::assert_outcome;
use crate::support::tools::{describe, succeed, tool};
use crate::support::{Registry, TestContext};

fn git(context: &TestContext) -> Command {
    let mut command = tool("git");
    command.current_dir(context.project()).env("HOME", context.root()).env("GIT_CONFIG_NOSYSTEM", "1");
    command.args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]);
    command
}

fn commit(context: &TestContext) {
    succeed(git(context).args(["add", "oci.toml", "oci.lock"]));
    succeed(git(context).args(["commit", "-qm", "x"]));
}

/// Two branches that moved one base to two digests, merged by git.
#[test]
fn what_both_sides_agree_on_is_kept() {
    let registry = Registry::start();
    let moves = |base| images::push(&registry, base, "library/moves", "1");
    let kept = images::push(&registry, Base::Busybox, "library/stays", "1");
    moves(Base::Busybox);
    let context = TestContext::with_manifest(&format!(
        "[base.moves]\nrepository = \"{}\"\ntag = \"1\"\n\n[base.stays]\nrepository = \"{}\"\ntag = \"1\"\n",
        registry.repository("library/moves"),
        registry.repository("library/stays"),
    ));
    succeed(git(&context).args(["init", "-q", "-b", "main"]));
    context.run(["lock"]).success();
    commit(&context);
    succeed(git(&context).args(["checkout", "-qb", "other"]));
    moves(Base::Merged);
    context.run(["update", "moves"]).success();
    commit(&context);
    succeed(git(&context).args(["checkout", "-q", "main"]));
    let current = moves(Base::Index);
    context.run(["update", "moves"]).success();
    commit(&context);
    let merge = git(&context).args(["merge", "-q", "other"]).output().unwrap();
    assert!(!merge.status.success(), "{}", describe(&merge));
    let conflicting = context.read("oci.lock");
    assert!(conflicting.contains("<<<<<<< "), "{conflicting}");
    // What is kept is not asked for again: its tag has moved meanwhile.
    images::push(&registry, Base::Merged, "library/stays", "1");

    for arguments in [["check", "-q"], ["lock", "--check"], ["lock", "--locked"], ["build", "-q"]] {
        context.run(arguments).failure(2);
        assert_eq!(context.read("oci.lock"), conflicting);
    }
    context.run(["lock", "--dry-run"]).success();
    assert_eq!(context.read("oci.lock"), conflicting);
    let outcome = context.run(["lock"]).success();
    assert!(
        outcome.stderr().contains("kept what both sides agree on (1 pinned); to be resolved again: `moves`"),
        "{outcome}"
    );
    let lock = context.read("oci.lock");
    assert!(lock.contains(&format!("digest = \"{kept}\"")) && lock.contains(&current), "{lock}");
    context.run(["lock", "--check"]).success();
}

#[test]
fn a_side_that_is_no_lockfile() {
    let context = TestContext::with_manifest("");
    let text = "version = 1\n<<<<<<< HEAD\n[image.a]\n=======\n>>>>>>> other\n";
    context.write("oci.lock", text);
    assert_outcome!(context.run(["lock"]).failure(2));
    assert_eq!(context.read("oci.lock"), text);
}

/// The middle part that git's `diff3` style shows is neither side's.
#[test]
fn what_began_alike_does_not_count() {
    let context = TestContext::with_manifest("");
    context.write("oci.lock", "version = 1\n<<<<<<< HEAD\n||||||| 1234567\n[image.a]\n=======\n>>>>>>> other\n");
    let outcome = context.run(["lock", "--offline"]).success();
    assert!(outcome.stderr().contains("nothing has to be resolved again"), "{outcome}");
    assert!(context.read("oci.lock").ends_with("\nversion = 1\n"));
}

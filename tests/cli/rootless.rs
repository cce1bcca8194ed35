//! All of it as an ordinary user, with subordinate IDs and without.

use rustix::process::Signal;

use crate::support::ordinary::Ids;
use crate::support::{Registry, TestContext, project};

/// Builds, runs, stops, publishes; what comes out is what comes out for everyone.
fn everything_works(ids: Ids) {
    let registry = Registry::start();
    let usual = project::my_server(&registry);
    usual.run(["build"]).success();
    let digest = usual.built("my-server");

    let context = project::my_server(&registry);
    let oci = context.as_ordinary_user(ids);
    let run = |arguments: &[&str]| context.finish(oci().args(arguments));
    run(&["lock"]).success();
    assert!(run(&["build"]).success().stdout().contains(&digest));
    let told = run(&["run", "-q", "my-server", "--entrypoint", "/bin/sh", "--", "-c", "id -u; exit 7"]).failure(7);
    assert_eq!(told.stdout(), "0\n");
    run(&["run", "my-server", "--entrypoint", "/no/such/program"]).failure(127);

    let mut server = context.start_command(oci().args(["run", "my-server"]));
    server.wait_for_line("ready");
    server.signal(Signal::TERM);
    assert_eq!(server.end(), Some(9), "{}", server.stderr());
    assert_eq!(context.leftovers(), Vec::<String>::new());

    run(&["fetch"]).success();
    let published = run(&["publish"]).success();
    assert!(published.stdout().contains(&digest), "{published}");
    assert_eq!(registry.digest("acme/my-server", "1.0"), digest);
    nobody_elses_files(&context);
}

/// What the user left can be removed by the user: nothing belongs to an ID that is only mapped.
fn nobody_elses_files(context: &TestContext) {
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(context.project()).unwrap().uid();
    let entries = std::fs::read_dir(context.project()).unwrap();
    for entry in entries.map(Result::unwrap) {
        assert_eq!(entry.metadata().unwrap().uid(), owner, "{:?}", entry.path());
    }
}

#[test]
fn with_subordinate_ids() {
    everything_works(Ids::Subordinate);
}

#[test]
fn without_an_entry_for_subordinate_ids() {
    everything_works(Ids::NoEntry);
}

#[test]
fn without_the_tool_for_subordinate_ids() {
    everything_works(Ids::NoTool);
}

#[test]
fn another_user_of_the_image_is_itself_with_subordinate_ids() {
    let registry = Registry::start();
    let context = project::my_server(&registry);
    let oci = context.as_ordinary_user(Ids::Subordinate);
    let arguments = ["run", "-q", "my-server", "--user", "app", "--entrypoint", "/bin/id", "--", "-u"];
    assert_eq!(context.finish(oci().args(arguments)).success().stdout(), "1234\n");
}

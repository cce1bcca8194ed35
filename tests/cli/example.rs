//! The predecessor's example, from the manifest to a pull of what was published.

use rustix::process::Signal;

use crate::support::images::{self, Base};
use crate::support::podman::Storage;
use crate::support::{Registry, project};

#[test]
fn a_server_is_locked_built_run_and_published() {
    let registry = Registry::start();
    let context = project::my_server(&registry);
    context.run(["lock"]).success();
    let lock = context.read("oci.lock");
    assert!(lock.contains("[image.\"python#slim\"]") && lock.contains("[image.\"python#buster\"]"), "{lock}");

    let built = context.run(["build"]).success();
    let digest = context.built("my-server");
    assert!(built.stdout().contains(&digest), "{built}");
    // The base is shallow: its layers were not needed.
    assert_eq!(registry.blob_downloads(&images::layers(Base::Merged)[0]), 0);

    let mut server = context.start(["run", "my-server"]);
    server.wait_for_line("ready");
    server.signal(Signal::TERM);
    assert_eq!(server.end(), Some(9));
    assert_eq!(context.leftovers(), Vec::<String>::new());

    let published = context.run(["publish"]).success();
    let name = format!("{}@{digest}", registry.repository("acme/my-server"));
    assert_eq!(published.stdout().trim_end(), name);
    assert_eq!(registry.digest("acme/my-server", "1.0"), digest);

    let pulled = Storage::new().podman_run(&["--entrypoint", "/bin/cat"], &format!("docker://{name}"), &["/my-server"]);
    assert_eq!(pulled, project::SERVER.trim_end());
}

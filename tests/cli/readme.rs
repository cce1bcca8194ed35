//! What the README shows is what the program takes.

use crate::support::TestContext;

#[test]
fn its_example_is_valid() {
    let readme = include_str!("../../README.md");
    let example = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let context = TestContext::with_manifest(example);
    // Only the lockfile is missing, which the manifest is read before.
    let told = context.run(["lock", "--offline"]).failure(1);
    assert!(told.stderr().contains("oci::lock::stale") && !told.stderr().contains("oci::manifest"), "{told}");
    let commands = readme.split("```sh\n").nth(2).and_then(|rest| rest.split("```").next()).unwrap();
    for line in commands.lines() {
        let command = line.split_whitespace().nth(1).unwrap();
        context.run([command, "--help"]).success();
    }
}

//! What is wrong before anything runs is told before anything runs.

use crate::support::images::{self, Base};
use crate::support::snapshot::{FILTERS, assert_outcome};
use crate::support::{Outcome, Registry, TestContext, project};

const STEPS: &str = r#"
[stage.below]
base = "busybox"
steps = ["echo below > /below"]

[build.app]
base = "below"
packages = ["file"]
steps = ["echo first > /first", { run = "test $TOKEN = $(cat /run/token); echo made > /made", secrets = [
  { env = "TOKEN" },
  { file = "token", to = "/run/token" },
] }]

[build.other]
base = "busybox"
steps = ["echo other > /other"]
"#;

fn ran_a_step(told: &Outcome) -> bool {
    told.stderr().lines().any(|line| line.starts_with("running "))
}

/// Builds everything with the secrets.
fn build_with_secrets(context: &TestContext) -> Outcome {
    context.write("token", "value");
    let told = context.finish(context.oci().arg("build").env("TOKEN", "value"));
    std::fs::remove_file(context.project().join("token")).unwrap();
    told
}

#[test]
fn secrets_are_looked_for_before_any_step_and_only_for_steps_that_will_run() {
    let registry = Registry::start();
    let context = project::on_base(&registry, Base::Busybox, "busybox", STEPS);
    context.write("file", "1");
    context.run(["lock"]).success();
    let is_refused = |told: &Outcome| {
        assert_eq!(told.stderr().matches("oci::step::no_secret").count(), 2, "{told}");
        assert!(!ran_a_step(told) && !told.stderr().contains("fetching"), "{told}");
    };
    let told = context.run(["build", "--progress", "none"]).failure(1);
    is_refused(&told);
    assert_outcome!(told);
    is_refused(&context.run(["build"]).failure(1));
    assert!(ran_a_step(&build_with_secrets(&context).success()));
    // What is cached needs none, also where that is known only once a package is made again.
    context.run(["build", "--dry-run"]).success();
    for _ in 0..2 {
        let told = context.run(["build"]).success();
        assert!(!ran_a_step(&told), "{told}");
        std::fs::remove_file(context.project().join("file")).unwrap();
        context.write("file", "1");
    }
    is_refused(&context.run(["build", "--no-cache"]).failure(1));
    // A step below it, or of the image below, will run: so will the one with the secrets.
    for (old, new) in [("echo first", "echo second"), ("echo below", "echo lower")] {
        context.write("oci.toml", context.read("oci.toml").replace(old, new));
        is_refused(&context.run(["build"]).failure(1));
        context.run(["build", "other"]).success();
        build_with_secrets(&context).success();
    }
}

/// Where a secret is missing, the images are made once without running steps before the build begins.
#[test]
fn a_warning_is_shown_once_where_a_secret_is_missing() {
    let registry = Registry::start();
    let manifest = r#"
[build.app]
base = "busybox"
packages = ["data"]
steps = [{ run = "true", secrets = [{ env = "TOKEN" }] }]
"#;
    let context = project::on_base(&registry, Base::Busybox, "busybox", manifest);
    context.write("data/.dockerignore", "*\n");
    context.finish(context.oci().arg("build").env("TOKEN", "value")).success();
    let told = context.run(["build"]).success();
    assert_eq!(told.stderr().matches("what `data/.dockerignore` leaves out").count(), 1, "{told}");
}

#[test]
fn an_optional_secret_may_be_missing() {
    let registry = Registry::start();
    let step = "\n[build.app]\nbase = \"busybox\"\n[[build.app.steps]]\n\
                run = \"echo ${TOKEN:-none}; if test -e /run/token; then cat /run/token; else echo no file; fi\"\n\
                secrets = [{ env = \"TOKEN\", optional = true }, \
                { file = \"token\", to = \"/run/token\", optional = true }]\n";
    let context = project::on_base(&registry, Base::Busybox, "busybox", step);
    let told = context.run(["build"]).success();
    assert!(told.stderr().contains("app | none\napp | no file\n"), "{told}");
    // A secret that is there but cannot be read is an error, too.
    std::fs::create_dir(context.project().join("token")).unwrap();
    let told = context.run(["build", "--no-cache"]).failure(1);
    assert!(told.stderr().contains("oci::step::secret_file") && !ran_a_step(&told), "{told}");
    std::fs::remove_dir(context.project().join("token")).unwrap();
    context.write("token", "value");
    let told = context.finish(context.oci().args(["build", "--no-cache"]).env("TOKEN", "given")).success();
    assert!(told.stderr().contains("app | ***\napp | ***\n"), "{told}");
}

#[test]
fn a_platform_that_the_lockfile_does_not_have_stops_a_build_at_once() {
    let registry = Registry::start();
    let other = images::other_architecture();
    let tables = format!(
        "[build.app]\nbase = \"busybox\"\nplatforms = [\"linux/{}\", \"linux/{other}\"]\n\
         [build.fine]\nbase = \"busybox\"\nplatforms = [\"linux/{0}\"]\nsteps = [\"echo fine > /fine\"]\n\
         [stage.unused]\nbase = \"busybox\"\nplatforms = [\"linux/s390x\"]\n",
        images::architecture(),
    );
    let context = project::on_base(&registry, Base::Busybox, "busybox", &tables);
    // Where nothing is pinned, that is all that is known.
    let told = context.run(["check"]).success();
    assert!(!told.stderr().contains("no_such_platform"), "{told}");
    context.run(["lock"]).success();
    let told = context.run(["check"]).failure(1);
    let mut text = told.to_string().replace(other, "[OTHER]");
    text = text.replace(images::architecture(), "[ARCH]");
    insta::with_settings!({ filters => FILTERS.to_vec() }, { insta::assert_snapshot!(text) });
    let told = context.run(["build"]).failure(1);
    assert!(told.stderr().contains("oci::fetch::no_such_platform") && !ran_a_step(&told), "{told}");
    let told = context.run(["check", "--json"]).failure(1);
    assert!(told.stdout().contains("differences") && told.stderr().contains("no_such_platform"), "{told}");
    context.run(["build", "fine"]).success();
    context.write("oci.toml", context.read("oci.toml").replace("tag = \"latest\"", "tag = \"1\""));
    let told = context.run(["check"]).success();
    assert!(told.stderr().contains("oci::lock::stale") && !told.stderr().contains("no_such_platform"), "{told}");
}

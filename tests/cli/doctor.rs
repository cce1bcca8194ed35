//! `oci doctor`: what is there and what is not, on this machine as it is and with things taken away.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::ordinary::{Ids, is_root, is_root_or_was, needs_root};
use crate::support::snapshot::assert_outcome;
use crate::support::tools::find;
use crate::support::{Outcome, Registry, TestContext, project};

const STEPS: &str = "[build.app]\nbase = \"scratch\"\npackages = [\"app\"]\nsteps = [\"true\"]\n";

/// What `oci doctor` says about a topic: its state, what was found, what to do.
fn finding(told: &Outcome, topic: &str) -> (String, String, String) {
    let lines: Vec<String> = told.stdout().lines().map(str::to_owned).collect();
    let at = lines.iter().position(|line| line.get(9..).is_some_and(|rest| rest.starts_with(&format!("{topic} "))));
    let at = at.unwrap_or_else(|| panic!("nothing about {topic} in {told}"));
    let (state, rest) = lines[at].split_at(9);
    let found = rest[topic.len()..].trim().to_owned();
    let fix = lines.get(at + 1).and_then(|line| line.trim_start().strip_prefix("to do: ")).unwrap_or_default();
    (state.trim().to_owned(), found, fix.to_owned())
}

fn state(told: &Outcome, topic: &str) -> String {
    finding(told, topic).0
}

#[test]
fn without_a_project_nothing_is_missing() {
    let context = TestContext::new();
    let told = context.run(["doctor"]).success();
    for topic in ["skopeo", "umoci", "runc", "user", "cache", "namespaces", "overlays", "seccomp", "cgroups"] {
        assert_ne!(state(&told, topic), "missing", "{told}");
    }
    for topic in ["skopeo", "umoci", "runc", "namespaces", "overlays"] {
        assert_eq!(state(&told, topic), "ok", "{told}");
    }
    assert_eq!(context.leftovers(), Vec::<String>::new());

    let told = context.finish(context.oci().arg("doctor").env("PATH", "/nowhere")).success();
    for topic in ["skopeo", "umoci", "runc"] {
        let (state, _, fix) = finding(&told, topic);
        assert!(state == "warning" && fix.contains(&format!("`apt install {topic}`")), "{told}");
    }
    let data: Value = serde_json::from_str(&context.run(["doctor", "--json"]).success().stdout()).unwrap();
    assert_eq!((&data["ready"], &data["findings"][0]["topic"]), (&Value::from(true), &Value::from("skopeo")));
}

#[test]
fn what_the_project_needs_is_missing() {
    let context = TestContext::with_manifest(STEPS);
    let bin = context.root().join("tools");
    fs::create_dir(&bin).unwrap();
    symlink(find("umoci"), bin.join("umoci")).unwrap();
    let told = context.finish(context.oci().arg("doctor").env("PATH", &bin)).failure(1);
    assert_eq!(told.stderr(), "");
    // No base is from a registry.
    assert_eq!(["skopeo", "umoci", "runc"].map(|topic| state(&told, topic)), ["warning", "ok", "missing"], "{told}");
    // crun stands in, and a program that is something else is noticed.
    symlink(find("crun"), bin.join("crun")).unwrap();
    let told = context.finish(context.oci().arg("doctor").env("PATH", &bin)).success();
    assert_eq!(state(&told, "crun"), "ok", "{told}");
    let run = |variable: &str, value: &str| context.finish(context.oci().arg("doctor").env(variable, value));
    assert_eq!(state(&run("OCI_RUNC", "/bin/false").failure(1), "runc"), "missing");
    assert_eq!(state(&run("OCI_RUNC", "/bin/true").success(), "runc"), "warning");
    let data = context.finish(context.oci().args(["doctor", "--json"]).env("OCI_RUNC", "/nowhere/runc")).failure(1);
    assert_eq!(serde_json::from_str::<Value>(&data.stdout()).unwrap()["ready"], false);

    context.write("oci.toml", "[build.app]\nbase = \"scratch\"\nsteps = 1\n");
    assert!(context.run(["doctor"]).failure(2).stderr().contains("oci.toml"));
}

#[test]
fn an_ordinary_user_and_its_ids() {
    for (ids, expected, fix) in [
        (Ids::Subordinate, "ok", ""),
        (Ids::NoEntry, "warning", "usermod --add-subuids"),
        (Ids::NoTool, "warning", "install the package `uidmap`"),
    ] {
        let context = TestContext::new();
        let oci = context.as_ordinary_user(ids);
        let told = context.finish(oci().arg("doctor")).success();
        let (state, _, told_fix) = finding(&told, "subordinate IDs");
        assert!(state == expected && told_fix.contains(fix), "{told}");
        for topic in ["user", "namespaces", "overlays"] {
            assert_eq!(finding(&told, topic).0, "ok", "{told}");
        }
    }
}

#[test]
fn only_root_a_cache_that_containers_cannot_stand_on() {
    needs_root();
    let context = TestContext::with_manifest(STEPS);
    for (depth, found) in [(1, "what runs change is in memory"), (2, "runs and steps copy the image")] {
        let mut command = context.oci();
        command.arg("doctor");
        let told = context.finish(&mut context.on_overlays(depth, &command)).success();
        let (state, overlays, fix) = finding(&told, "overlays");
        assert!(state == "warning" && overlays.contains(found) && fix.contains("OCI_CACHE_DIR"), "{told}");
        assert!(finding(&told, "cache").1.contains("on overlayfs"), "{told}");
    }
    context.write("file", "");
    let nowhere = context.project().join("file/cache");
    let told = context.finish(context.oci().arg("doctor").env("OCI_CACHE_DIR", nowhere)).failure(1);
    assert_eq!(state(&told, "cache"), "missing", "{told}");
}

#[test]
fn no_user_namespaces() {
    let context = TestContext::with_manifest(STEPS);
    let oci = context.as_ordinary_user(Ids::NoEntry);
    let ordinary = oci();
    // In a user namespace that may have one other in it, which is used up: a limit that holds for nobody else.
    let mut command = Command::new(find("unshare"));
    command.args(["--user", "--map-root-user", "/bin/sh", "-ec"]);
    command.arg("echo 1 > /proc/sys/user/max_user_namespaces; exec unshare --user --map-user=7 \"$@\"").arg("sh");
    command.arg(ordinary.get_args().last().unwrap()).arg("doctor");
    let mut outer = Command::new(find("setpriv"));
    if is_root() {
        outer.args(["--reuid=oci-tester", "--regid=oci-tester", "--init-groups"]);
    }
    outer.arg("--").arg(command.get_program());
    outer.args(command.get_args()).current_dir(context.project()).stdin(Stdio::null());
    outer.env_clear().envs(context.environment());
    let told = context.finish(&mut outer).failure(1);
    let (state, _, fix) = finding(&told, "namespaces");
    assert!(state == "missing" && fix.contains("user.max_user_namespaces=15000"), "{told}");
}

#[test]
fn registries_and_credentials() {
    let registry = Registry::start();
    let context = project::my_server(&registry);
    let repository = registry.repository("library/python");
    let host = repository.split('/').next().unwrap();
    let told = context.run(["doctor"]).success();
    let (state, found, _) = finding(&told, host);
    assert!(state == "ok" && found.contains("no credentials; serves `"), "{told}");
    let told = context.run(["doctor", "--offline"]).success();
    assert!(finding(&told, host).1.contains("no credentials; not asked"), "{told}");

    let file = context.root().join("run/containers/auth.json");
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, format!("{{\"auths\":{{\"{host}\":{{\"auth\":\"c2VjcmV0OnNlY3JldA==\"}}}}}}")).unwrap();
    let told = context.run(["doctor", "--offline"]).success();
    assert!(finding(&told, host).1.contains("credentials in ") && !told.stdout().contains("c2Vj"), "{told}");
    fs::write(&file, "secret").unwrap();
    let told = context.run(["doctor", "--offline"]).failure(1);
    let (state, found, _) = finding(&told, host);
    assert!(state == "missing" && found.contains("is not JSON") && !told.stdout().contains("secret"), "{told}");
    fs::remove_file(&file).unwrap();

    context.write("oci.toml", context.read("oci.toml").replace("library/python", "library/nothing"));
    let told = context.run(["doctor"]).failure(1);
    assert_eq!(finding(&told, host).0, "missing", "{told}");
}

/// What `docker login` leaves for its own programs is none of skopeo's business. It is not called credentials, and the
/// error that follows says where they are.
#[test]
fn logins_that_skopeo_does_not_read() {
    let registry = Registry::start_with_accounts();
    let repository = registry.repository("library/busybox");
    let host = repository.split('/').next().unwrap();
    let context = TestContext::with_manifest(&format!("[base.b]\nrepository = \"{repository}\"\ntag = \"1\"\n"));
    let file = context.root().join("run/containers/auth.json");
    fs::create_dir(file.parent().unwrap()).unwrap();
    for (key, document) in [
        ("credsStore", format!(r#"{{"auths": {{"{host}": {{}}}}, "credsStore": "desktop"}}"#)),
        ("username", format!(r#"{{"auths": {{"{host}": {{"username": "u", "password": "pw-of-u"}}}}}}"#)),
    ] {
        fs::write(&file, document).unwrap();
        let told = context.run(["doctor"]).failure(1);
        let (state, found, fix) = finding(&told, host);
        assert!(state == "missing" && found.starts_with("none that skopeo reads: "), "{told}");
        assert!(found.contains(key) && fix.contains("skopeo login --tls-verify=false "), "{told}");
        let told = context.run(["lock"]).failure(1);
        assert!(told.stderr().contains(&format!("but as `{key}`")) && !told.stderr().contains("pw-of-u"), "{told}");
    }
    assert_outcome!(context.run(["lock"]).failure(1));

    fs::write(&file, format!(r#"{{"credHelpers": {{"{host}": "absent"}}}}"#)).unwrap();
    let told = context.run(["doctor", "--offline"]).failure(1);
    let (_, found, fix) = finding(&told, host);
    assert!(found.contains("`docker-credential-absent`, which is not on the PATH"), "{told}");
    assert!(fix.contains("credHelpers"), "{told}");
    let told = context.run(["lock"]).failure(1);
    assert!(told.stderr().contains("`docker-credential-absent`, which has the credentials"), "{told}");
    assert!(told.stderr().contains("oci::registry::credentials"), "{told}");
}

#[test]
fn platforms_of_other_machines() {
    if !is_root_or_was("doctor::platforms_of_other_machines") {
        return;
    }
    let context = TestContext::with_manifest(&STEPS.replace("steps", "platforms = [\"linux/s390x\"]\nsteps"));
    // Without the emulators that this machine may have.
    let run = || {
        let mut command = Command::new(find("unshare"));
        let hide = "mount -t tmpfs none /proc/sys/fs/binfmt_misc; exec \"$@\"";
        command.args(["--mount", "/bin/sh", "-ec", hide, "sh"]).arg(env!("CARGO_BIN_EXE_oci")).arg("doctor");
        command.env_clear().envs(context.environment()).current_dir(context.project()).stdin(Stdio::null());
        context.finish(&mut command)
    };
    let (state, _, fix) = finding(&run().failure(1), "linux/s390x");
    assert!(state == "missing" && fix.contains("qemu-user-static"), "{fix}");
    context.write("oci.toml", context.read("oci.toml").replace("steps = [\"true\"]\n", ""));
    assert_eq!(finding(&run().success(), "linux/s390x").0, "warning");
}

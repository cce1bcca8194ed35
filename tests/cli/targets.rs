//! Packaged targets: what a command makes, in images.

use std::fs;
use std::io::Read;
use std::process::Command;

use crate::support::images::{self, Base};
use crate::support::snapshot::assert_outcome;
use crate::support::story::Story;
use crate::support::{Registry, TestContext};

const SERVER: &str = r#"[project]
platforms = ["linux/amd64"]
version = "1.2"

[package.server]
command = "mkdir -p dist && sed s/VERSION/{version}/ server.sh > dist/server && chmod +x dist/server; echo made {arch}"
inputs = ["server.sh", "lib/**"]
exclude = ["**/*.md"]
output = "dist/server"

[build.app]
base = "scratch"
packages = [":server"]
"#;

#[test]
fn a_command_makes_a_program_and_runs_again_only_when_its_inputs_change() {
    assert_outcome!(
        Story::of(SERVER)
            .with("server.sh", "#!/bin/sh\necho VERSION\n")
            .with("lib/a.txt", "a\n")
            .with("lib/notes.md", "notes\n")
            .types("oci build --dry-run", 0)
            .types("oci build", 0)
            .types("oci build --dry-run", 0)
            .with("lib/notes.md", "other notes\n")
            .with("unrelated", "\n")
            .types("oci build --dry-run", 0)
            .with("server.sh", "#!/bin/sh\necho VERSION!\n")
            .types("oci build --dry-run", 0)
            .types("oci build -v", 0)
            .types("oci build", 0)
    );
}

/// Each path that the layers of an image have, with its mode, its owner, and for a file what is in it.
fn files(context: &TestContext, name: &str) -> Vec<String> {
    let layout = context.layout();
    let manifest = images::read_json(&images::blob(&layout, &images::descriptor(&layout, name)));
    let mut found = Vec::new();
    for layer in manifest["layers"].as_array().unwrap() {
        let file = fs::File::open(images::blob(&layout, layer)).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let header = entry.header();
            let path = entry.path().unwrap().to_string_lossy().trim_end_matches('/').to_owned();
            let (mode, uid, gid) = (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
            found.push(format!("/{path} {mode:o} {uid}:{gid} {}", content.trim_end()).trim_end().to_owned());
        }
    }
    found
}

#[test]
fn outputs_go_where_packages_say() {
    let context = TestContext::with_manifest(
        r#"
        [project]
        platforms = ["linux/amd64"]
        [package.all]
        command = ["sh", "-c", "mkdir -p out/web/css; echo t > out/tool; chmod +x out/tool; echo i > out/web/index.html; echo c > out/web/css/a.css; echo w > out/one.whl; echo w > out/two.whl"]
        inputs = ["recipe"]
        outputs = { tool = "out/tool", web = "out/web", wheels = "out/*.whl" }
        [package.list]
        command = "mkdir -p l; echo 1 > l/one; echo 2 > l/two"
        inputs = ["recipe"]
        outputs = ["l/one", "l/two"]
        to = "/opt/"
        [build.named]
        base = "scratch"
        packages = [
            { path = ":all/tool", to = "/usr/bin/" },
            { path = ":all/web", to = "/srv", exclude = ["css"], owner = "5:6", mode = "0600" },
            { path = ":all/wheels", to = "/wheels/" },
        ]
        [build.whole]
        base = "scratch"
        packages = [":all"]
        [build.list]
        base = "scratch"
        packages = [":list"]
        "#,
    );
    context.write("recipe", "1");
    context.run(["build"]).success();
    assert_eq!(
        files(&context, "named"),
        [
            "/usr 755 0:0",
            "/usr/bin 755 0:0",
            "/usr/bin/tool 755 0:0 t",
            "/srv 755 5:6",
            "/srv/index.html 600 5:6 i",
            "/wheels 755 0:0",
            "/wheels/one.whl 644 0:0 w",
            "/wheels/two.whl 644 0:0 w",
        ]
    );
    assert_eq!(
        files(&context, "whole"),
        [
            "/tool 755 0:0 t",
            "/web 755 0:0",
            "/web/css 755 0:0",
            "/web/css/a.css 644 0:0 c",
            "/web/index.html 644 0:0 i",
            "/one.whl 644 0:0 w",
            "/two.whl 644 0:0 w",
        ]
    );
    assert_eq!(files(&context, "list"), ["/opt 755 0:0", "/opt/one 644 0:0 1", "/opt 755 0:0", "/opt/two 644 0:0 2"]);
}

#[test]
fn a_target_is_made_once_for_each_platform_that_it_can_tell() {
    let context = TestContext::with_manifest(
        r#"
        [project]
        platforms = ["linux/amd64", "linux/arm64"]
        [package.each]
        command = "echo {arch} >> runs; mkdir -p {arch}; echo {cpu} > {arch}/name"
        inputs = ["recipe"]
        output = "{arch}/name"
        [package.once]
        command = "echo once >> runs; echo '{{arch}}' > once"
        inputs = ["recipe"]
        output = "once"
        [build.one]
        base = "scratch"
        packages = [":each", ":once"]
        [build.two]
        base = "scratch"
        packages = [{ path = ":each", to = "/other" }]
        "#,
    );
    context.write("recipe", "1");
    context.run(["build"]).success();
    context.run(["build"]).success();
    let mut runs: Vec<String> = context.read("runs").lines().map(str::to_owned).collect();
    runs.sort();
    assert_eq!(runs, ["amd64", "arm64", "once"]);
    assert_eq!((context.read("once"), context.read("arm64/name")), ("{arch}\n".into(), "aarch64\n".into()));
}

#[test]
fn two_processes_make_a_target_once() {
    let context = TestContext::with_manifest(
        r#"
        [project]
        platforms = ["linux/amd64"]
        [package.slow]
        command = "echo run >> runs; sleep 1; echo done > out"
        inputs = ["recipe"]
        output = "out"
        [build.app]
        base = "scratch"
        packages = [":slow"]
        "#,
    );
    context.write("recipe", "1");
    let mut started: Vec<_> = (0..3).map(|_| context.start(["build"])).collect();
    let ended: Vec<_> = started.iter_mut().map(|running| running.end()).collect();
    assert_eq!((ended, context.read("runs")), (vec![Some(0); 3], "run\n".to_owned()));
}

#[test]
fn a_command_gets_the_environment_that_the_pages_name_and_no_other() {
    let context = TestContext::with_manifest(
        r#"
        [project]
        platforms = ["linux/amd64"]
        [package.env]
        command = "env > ../all; grep -v TOKEN ../all > ../out; echo token is $TOKEN"
        inputs = ["recipe"]
        output = "out"
        cwd = "sub"
        env = { MODE = "fast {arch}" }
        secrets = [{ env = "TOKEN" }, { env = "NOT_THERE", optional = true }]
        [build.app]
        base = "scratch"
        packages = [":env"]
        "#,
    );
    context.write("recipe", "1");
    context.write("sub/x", "1");
    let told = context.run(["build"]).failure(1);
    assert!(told.stderr().contains("oci::target::no_secret"), "{told}");
    let told =
        context.finish(context.oci().args(["build", "-v"]).env("TOKEN", "s3cret-value").env("STRAY", "1")).success();
    assert!(told.stderr().contains("token is ***") && !told.stderr().contains("s3cret"), "{told}");
    let seen = context.read("all");
    for line in ["MODE=fast amd64", "TOKEN=s3cret-value", "SOURCE_DATE_EPOCH=1700000000", "LANG=C.UTF-8"] {
        assert!(seen.lines().any(|known| known == line), "{line} {seen}");
    }
    assert!(!seen.contains("STRAY") && seen.contains("PWD=") && seen.contains("/sub\n"), "{seen}");
    // The value of a secret decides nothing.
    context.run(["build"]).success();
    context.write("oci.toml", context.read("oci.toml").replace("grep -v TOKEN", "cat"));
    let told = context.finish(context.oci().arg("build").env("TOKEN", "s3cret-value")).failure(1);
    assert!(told.stderr().contains("oci::target::secret_in_output") && !told.stderr().contains("s3cret"), "{told}");
}

#[test]
fn what_goes_wrong_is_told_at_its_line() {
    let target = |lines: &str| {
        format!(
            "[project]\nplatforms = [\"linux/amd64\"]\n[package.made]\n{lines}\n\
             [build.app]\nbase = \"scratch\"\npackages = [\":made\"]\n"
        )
    };
    let mut story = Story::of("[build.app]\nbase = \"scratch\"\n").with("recipe", "1\n");
    for lines in [
        "command = \"echo so far; echo no >&2; exit 3\"\ninputs = [\"recipe\"]\noutput = \"out\"",
        "command = [\"no-such-program\", \"x\"]\ninputs = [\"recipe\"]\noutput = \"out\"",
        "command = [\"./no-such-program\"]\ninputs = [\"recipe\"]\noutput = \"out\"",
        "command = \"no-such-program\"\ninputs = [\"recipe\"]\noutput = \"out\"",
        "command = \"true\"\ninputs = [\"recipe\"]\noutput = \"out\"",
        "command = \"true\"\ninputs = [\"recipe\"]\noutput = \"out/*\"",
        "command = \"true\"\ninputs = [\"recpie\"]\noutput = \"out\"",
        "command = \"true\"\ninputs = [\"src/**\"]\noutput = \"out\"",
        "command = \"true\"\ninputs = [\"*.rs\"]\noutput = \"out\"",
        "command = \"true\"\ninputs = [\"recipe\"]\noutput = \"out\"\ncwd = \"nowhere\"",
        "command = \"true {git.sha}\"\ninputs = [\"recipe\"]\noutput = \"out\"",
    ] {
        story = story.with("oci.toml", &target(lines)).types("oci build", 1);
    }
    assert_outcome!(story);
}

#[test]
fn git_is_asked_only_where_it_is_named() {
    let context = TestContext::with_manifest(
        r#"
        [project]
        platforms = ["linux/amd64"]
        [package.stamped]
        command = ["sh", "-c", "echo $SHA > out"]
        inputs = ["recipe"]
        output = "out"
        env = { SHA = "{git.sha}" }
        [package.plain]
        command = "echo run >> runs; echo 1 > plain"
        inputs = ["recipe"]
        output = "plain"
        [build.app]
        base = "scratch"
        packages = [":stamped", ":plain"]
        "#,
    );
    context.write("recipe", "1");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@example.com"]).args(arguments);
        assert!(command.current_dir(context.project()).status().unwrap().success());
    };
    git(&["init", "--quiet"]);
    git(&["commit", "--quiet", "--allow-empty", "-m", "one"]);
    context.run(["build"]).success();
    let first = context.read("out");
    git(&["commit", "--quiet", "--allow-empty", "-m", "two"]);
    context.run(["build"]).success();
    assert!(first.trim().len() == 40 && context.read("out") != first);
    assert_eq!(context.read("runs"), "run\n");
}

#[test]
fn nothing_of_a_command_that_was_killed_is_taken() {
    let context = TestContext::with_manifest(
        r#"
        [project]
        platforms = ["linux/amd64"]
        [package.made]
        command = "echo half > out; sleep 0.2; echo whole >> out"
        inputs = ["recipe"]
        output = "out"
        [build.app]
        base = "scratch"
        packages = [":made"]
        "#,
    );
    for round in 0..20_u64 {
        context.write("recipe", round.to_string());
        let mut running = context.start(["build"]);
        std::thread::sleep(std::time::Duration::from_millis(round * 15));
        running.signal(rustix::process::Signal::KILL);
        running.end();
        context.run(["build"]).success();
        assert_eq!(files(&context, "app"), ["/out 644 0:0 half\nwhole"], "{round}");
        fs::remove_file(context.project().join("out")).unwrap();
    }
}

#[test]
fn a_target_in_an_image_sees_its_inputs_alone() {
    let registry = Registry::start();
    images::push(&registry, Base::Busybox, "library/tools", "1");
    let manifest = format!(
        r#"
        [project]
        version = "7"
        [base.tools]
        repository = "{}"
        tag = "1"
        [package.made]
        in = "tools"
        command = "busybox find . | busybox sort; busybox mkdir -p out/{{arch}}; echo {{version}} $MODE > out/{{arch}}/name; busybox touch stray"
        inputs = ["recipe", "src/**"]
        exclude = ["src/*.md"]
        output = "out/{{arch}}/name"
        env = {{ MODE = "fast" }}
        cwd = "src"
        [build.app]
        base = "scratch"
        packages = [":made"]
        [build.other]
        base = "scratch"
        packages = [{{ path = ":made", to = "/x/" }}]
        "#,
        registry.repository("library/tools")
    )
    .replace("output = \"out", "output = \"src/out");
    let context = TestContext::with_manifest(&manifest);
    for path in ["recipe", "src/a", "src/b.md", "secret"] {
        context.write(path, path);
    }
    context.run(["lock"]).success();
    let told = context.run(["build", "-v"]).success();
    let shown: Vec<String> =
        told.stderr().lines().filter_map(|line| Some(line.split_once(":made | ")?.1.to_owned())).collect();
    assert_eq!(shown, [".", "./a"], "{told}");
    assert_eq!(files(&context, "app"), ["/name 644 0:0 7 fast"]);
    assert_eq!(files(&context, "other"), ["/x 755 0:0", "/x/name 644 0:0 7 fast"]);
    assert!(!context.project().join("src/out").exists());
    context.write("secret", "changed");
    context.write("src/b.md", "changed");
    let told = context.run(["build"]).success();
    assert!(told.stderr().contains("3 cached; 0 steps run, 1 cached"), "{told}");
}

#[test]
fn an_input_or_output_that_is_a_link_is_what_it_leads_to() {
    let context = TestContext::with_manifest(
        r#"
        [project]
        platforms = ["linux/amd64"]
        [package.made]
        command = "mkdir -p out tree; cat in > out/one; ln -sfn one out/x; ln -sfn ../in tree/link"
        inputs = ["in", "docs"]
        outputs = { x = "out/x" }
        [package.bad]
        command = "mkdir -p tree; ln -sfn ../in tree/link"
        inputs = ["in"]
        output = "tree"
        [build.app]
        base = "scratch"
        packages = [":made"]
        [build.bad]
        base = "scratch"
        packages = [":bad"]
        "#,
    );
    context.write("real", "1");
    context.write("docs/a", "a");
    std::os::unix::fs::symlink("real", context.project().join("in")).unwrap();
    std::os::unix::fs::symlink("../real", context.project().join("docs/link")).unwrap();
    context.run(["build", "app"]).success();
    assert_eq!(files(&context, "app"), ["/x 644 0:0 1"]);
    context.write("real", "2");
    context.run(["build", "app"]).success();
    assert_eq!(files(&context, "app"), ["/x 644 0:0 2"]);
    let told = context.run(["build", "bad"]).failure(1);
    assert!(told.stderr().contains("oci::target::bad_output") && !told.stderr().contains("follow"), "{told}");
}

#[test]
fn what_a_killed_process_left_running_is_waited_for() {
    let context = TestContext::with_manifest(
        r#"
        [project]
        platforms = ["linux/amd64"]
        [package.made]
        command = "(sleep 2; echo late >> log) & wait"
        inputs = ["recipe"]
        output = "log"
        [build.app]
        base = "scratch"
        packages = [":made"]
        "#,
    );
    context.write("recipe", "1");
    let mut running = context.start(["build"]);
    std::thread::sleep(std::time::Duration::from_millis(700));
    running.signal(rustix::process::Signal::KILL);
    running.end();
    let text = context.read("oci.toml").replace("(sleep 2; echo late >> log) & wait", "echo next >> log");
    context.write("oci.toml", text);
    let told = context.run(["build"]).success();
    assert!(told.stderr().contains("waiting for a command that another `oci` started"), "{told}");
    assert_eq!(context.read("log"), "late\nnext\n");
}

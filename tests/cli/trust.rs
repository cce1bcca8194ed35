//! What a checkout or a registry can never make happen (`docs/security.md`): a program of theirs started, a command that
//! never ends, a terminal that obeys them, credentials that are shown or go elsewhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::json;

use crate::support::faults::FaultyRegistry;
use crate::support::images::{self, Base};
use crate::support::odd::{Answer, OddRegistry};
use crate::support::registry::PASSWORD;
use crate::support::tools::search_path;
use crate::support::{Registry, TestContext, project};

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// A file that is in nobody's way, as it would be if a program of the checkout had been started.
fn proof(context: &TestContext) -> PathBuf {
    context.root().join("started")
}

fn write_evil(context: &TestContext, path: &str) {
    context.write_program(path, format!("#!/bin/sh\ntouch {}\nexit 1\n", proof(context).display()));
}

const LOOKING: [&[&str]; 12] = [
    &["check"],
    &["lock"],
    &["lock", "--check"],
    &["update"],
    &["outdated"],
    &["fetch"],
    &["add", "other", "127.0.0.1:1/other:1"],
    &["build", "--dry-run"],
    &["doctor"],
    &["cache", "size"],
    &["cache", "verify"],
    &["schema"],
];

#[test]
fn commands_that_look_start_no_program_of_the_checkout() {
    let programs =
        ["skopeo", "umoci", "runc", "crun", "git", "gpg", "newuidmap", "newgidmap", "docker-credential-evil"];
    for settings in ["[tools]\nskopeo = \"./evil\"\numoci = \"./evil\"\nrunc = \"./evil\"\n", ""] {
        let base =
            "[base.b]\nrepository = \"127.0.0.1:1/x\"\ntag = \"1\"\n[build.a]\nbase = \"b\"\nsteps = [\"true\"]\n";
        let context = TestContext::with_manifest(&format!(
            "{base}repository = \"127.0.0.1:1/y\"\ntag = \"{{git.sha}}\"\n{settings}"
        ));
        for program in programs.into_iter().chain(["evil"]) {
            write_evil(&context, program);
            write_evil(&context, &format!("bin/{program}"));
        }
        let path = format!(".:bin:./bin::{}:", search_path());
        for path in [path.as_str(), "", ".", "bin"] {
            for arguments in LOOKING {
                context.finish(context.oci().env("PATH", path).args(arguments));
                assert!(!proof(&context).exists(), "oci {arguments:?} with `{path}` on PATH and {settings:?}");
            }
        }
        // A path in the user's own settings is started: the programs are as they should be for this test.
        fs::create_dir_all(context.root().join("home/.config/oci")).unwrap();
        let tools = format!("[tools]\nskopeo = \"{}\"\n", context.project().join("evil").display());
        fs::write(context.root().join("home/.config/oci/config.toml"), tools).unwrap();
        context.write("oci.toml", base);
        context.run(["lock"]).failure(1);
        assert!(proof(&context).exists());
    }
}

#[test]
fn a_tool_that_is_not_where_the_user_says_is_blamed_on_that() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\n");
    context.run(["build"]).success();
    for (variable, arguments) in [("OCI_UMOCI", ["run", "app"]), ("OCI_RUNC", ["run", "app"])] {
        let told = context.finish(context.oci().env(variable, "/no/such/tool").args(arguments));
        let text = told.stderr();
        assert!(text.contains(&format!("`{variable}` says that it is `/no/such/tool`")), "{told}");
        assert!(text.contains("or unset it") && !text.contains("apt install"), "{told}");
    }
}

/// Each kind of thing that is no file, in each place where a file should be.
#[test]
fn nothing_that_never_ends_is_waited_for() {
    let base = "[base.b]\nrepository = \"127.0.0.1:1/x\"\ntag = \"1\"\n";
    let build = "[build.a]\nbase = \"scratch\"\npackages = [{ text = \"x\", to = \"/x\" }]\n";
    let registry = |settings: &str| format!("{base}[registry.\"127.0.0.1:1\"]\n{settings}");
    let key = json!({ "default": [{ "type": "signedBy", "keyType": "GPGKeys", "keyPath": "odd" }] }).to_string();
    let cases: [(&str, String, &[&str]); 8] = [
        ("oci.lock", build.to_owned(), &["check"]),
        ("oci.toml", build.to_owned(), &["check"]),
        ("odd", format!("{build}[policy]\nsignatures = \"odd\"\n"), &["build"]),
        ("odd", format!("{build}[policy]\nsignatures = \"policy.json\"\n"), &["build"]),
        ("odd", registry("auth-file = \"odd\"\n"), &["lock"]),
        ("odd", registry("cert-dir = \"odd\"\n"), &["lock"]),
        ("certs/ca.crt", registry("cert-dir = \"certs\"\n"), &["lock"]),
        ("odd", "[base.b]\nlayout = \"odd\"\n".to_owned(), &["lock"]),
    ];
    for (path, manifest, arguments) in cases {
        for make in [fifo, |path: &Path| symlink("/dev/zero", path).unwrap()] {
            let context = TestContext::with_manifest(&manifest);
            context.write("policy.json", &key);
            fs::create_dir(context.project().join("certs")).unwrap();
            let odd = context.project().join(path);
            let _ = fs::remove_file(&odd);
            make(&odd);
            let mut running = context.start_command(context.oci().args(arguments));
            let code = running.end();
            assert!(matches!(code, Some(1 | 2)), "{path} {arguments:?} {code:?}: {}", running.stderr());
            assert!(running.stderr().contains("oci::"), "{path}: {}", running.stderr());
        }
    }
}

#[test]
fn credentials_that_never_end_are_not_handed_to_skopeo() {
    for (variable, path) in [("REGISTRY_AUTH_FILE", "odd"), ("DOCKER_CONFIG", "config.json")] {
        for make in [fifo, |path: &Path| symlink("/dev/zero", path).unwrap()] {
            let context = TestContext::with_manifest("[base.b]\nrepository = \"127.0.0.1:1/x\"\ntag = \"1\"\n");
            let odd = context.project().join(path);
            make(&odd);
            let value = if variable == "DOCKER_CONFIG" { context.project() } else { odd };
            let mut running = context.start_command(context.oci().env(variable, value).arg("lock"));
            let code = running.end();
            assert!(matches!(code, Some(1 | 2)), "{variable} {code:?}: {}", running.stderr());
            assert!(running.stderr().contains("no regular file"), "{variable}: {}", running.stderr());
        }
    }
}

#[test]
fn what_is_wrong_with_the_command_line_does_not_steer_the_terminal() {
    let context = TestContext::with_manifest("");
    let hostile = "x\u{1b}]0;title\u{7}\u{9b}31m\u{202e}\r";
    for arguments in
        [vec![hostile], vec!["check", hostile], vec!["build", "--jobs", hostile], vec!["completions", hostile]]
    {
        let output = context.oci().args(&arguments).arg("--color=always").output().unwrap();
        let shown = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(shown.contains("error: ") && shown.contains('x'), "{shown}");
        assert!(!shown.contains(|shown: char| shown.is_control() && shown != '\n' || shown == '\u{202e}'), "{shown:?}");
    }
    let output = context.oci().env("OCI_JOBS", hostile).arg("check").output().unwrap();
    assert!(!String::from_utf8(output.stderr).unwrap().contains(['\u{1b}', '\u{9b}', '\u{202e}']));
}

#[test]
fn a_secret_is_a_regular_file() {
    let registry = Registry::start();
    let step = "steps = [{ run = \"true\", secrets = [{ file = \"odd\", to = \"/run/odd\" }] }]\n";
    let context =
        project::on_base(&registry, Base::Busybox, "busybox", &format!("[build.a]\nbase = \"busybox\"\n{step}"));
    fifo(&context.project().join("odd"));
    let told = context.run(["build"]).failure(1);
    assert!(told.stderr().contains("oci::step::secret_file") && told.stderr().contains("a named pipe"), "{told}");
}

#[test]
fn variables_may_come_through_a_pipe() {
    let registry = Registry::start();
    let context = project::script(&registry, "#!/bin/sh\necho \"$A\"\n");
    context.run(["build"]).success();
    let shell = |script: &str| {
        let mut command = context.oci();
        let oci = command.get_program().to_owned();
        let mut bash = std::process::Command::new("bash");
        bash.env_clear().envs(context.environment()).current_dir(context.project()).arg("-c").arg(script).arg(oci);
        command = bash;
        context.finish(&mut command).success().stdout()
    };
    assert_eq!(shell("\"$0\" run -q --env-file <(sleep 0.2; echo A=1) app"), "1\n");
    assert_eq!(shell("echo A=2 | \"$0\" run -q --env-file /dev/stdin app"), "2\n");
    // A pipe that nobody writes to is waited for, and left when the program should end.
    let pipe = context.project().join("pipe");
    fifo(&pipe);
    for signal in [Signal::TERM, Signal::INT] {
        let mut waiting = context.start_command(context.oci().args(["run", "--env-file", "pipe", "app"]));
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(!waiting.has_ended());
        waiting.signal(signal);
        assert_eq!(waiting.end(), None, "{}", waiting.stderr());
    }
}

#[test]
fn files_that_are_huge_or_deep_are_refused_in_bounded_time() {
    let context = TestContext::with_manifest("[build.a]\nbase = \"scratch\"\n");
    let huge = |path: &str| {
        let file =
            fs::File::options().create(true).write(true).truncate(false).open(context.project().join(path)).unwrap();
        file.set_len(1 << 30).unwrap();
    };
    huge("oci.lock");
    assert!(context.run(["check"]).failure(2).stderr().contains("larger than 8 MiB"));
    fs::remove_file(context.project().join("oci.lock")).unwrap();
    for text in [
        "[".repeat(20_000),
        format!("a = {}", "[".repeat(20_000)),
        format!("a = {}", "{ a = ".repeat(10_000)),
        format!("[{}a]\n", "a.".repeat(20_000)),
        (0..5_000).map(|number| format!("k{number} = {number}\n")).collect(),
        "[build.a]\n".repeat(2_000),
        "=\n".repeat(2_000),
        format!("a = \"{}", "x".repeat(100_000)),
    ] {
        context.write("oci.toml", &text);
        let told = context.run(["check"]).failure(2);
        let shown = told.stderr();
        assert!(shown.len() < 200_000, "{} bytes about {}…", shown.len(), &text[..20]);
        assert!(shown.lines().all(|line| line.chars().count() < 5000), "{}…", &text[..20]);
    }
    huge("oci.toml");
    assert!(context.run(["check"]).failure(2).stderr().contains("larger than 8 MiB"));
}

#[test]
fn a_manifest_that_is_a_folder_is_told() {
    let context = TestContext::new();
    fs::write(context.root().join("oci.toml"), "[build.a]\nbase = \"scratch\"\n").unwrap();
    fs::create_dir(context.project().join("oci.toml")).unwrap();
    let told = context.run(["check"]).failure(2);
    assert!(told.stderr().contains("oci::manifest::not_a_file"), "{told}");
}

/// True for what a terminal obeys or does not show.
fn is_hidden(character: char) -> bool {
    (character.is_control() && character != '\n') || "\u{202e}\u{200b}\u{2066}\u{feff}\u{e0041}".contains(character)
}

#[test]
fn a_registry_cannot_steer_the_terminal() {
    let evil = "\u{1b}]0;PWNED\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{200b}\u{2066}\u{feff}\u{e0041}\nhelp: forged";
    let registry = OddRegistry::start();
    registry.answer(move |request| match request.path.as_str() {
        "/v2/" => None,
        path if path.contains("/tags/list") => {
            let tags = json!({ "name": "x", "tags": [format!("1{evil}"), "1\u{1b}[31m"] });
            Some(Answer::json("200 OK", &tags))
        }
        _ => {
            let errors = json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": evil }] });
            Some(Answer::json("404 Not Found", &errors))
        }
    });
    let repository = registry.repository("x");
    let context = TestContext::with_manifest(&format!("[base.b]\nrepository = \"{repository}\"\ntag = \"1\"\n"));
    for arguments in [&["lock"][..], &["lock", "--json"], &["-v", "outdated"], &["doctor"], &["doctor", "--json"]] {
        let told = context.finish(context.oci().args(arguments));
        for text in [told.stdout(), told.stderr()] {
            assert!(!text.contains(is_hidden), "{arguments:?}: {text:?}");
            assert!(!text.lines().any(|line| line.trim_start().starts_with("help: forged")), "{text}");
        }
    }
}

#[test]
fn credentials_that_a_registry_echoes_are_not_shown() {
    let context = TestContext::new();
    let password = "corr\"ect/horse 9";
    let registry = OddRegistry::start();
    registry.answer(|request| {
        Some(match request.authorization() {
            "" => Answer::json("401 Unauthorized", &json!({})).header("WWW-Authenticate", "Basic realm=\"r\""),
            sent => {
                let message = format!("you sent {sent}, that is corr\"ect/horse 9 or corr%22ect%2Fhorse%209");
                let errors = json!({ "errors": [{ "code": "DENIED", "message": message }] });
                Answer::json("403 Forbidden", &errors)
            }
        })
    });
    let host = registry.host();
    fs::create_dir(context.root().join("home/.docker")).unwrap();
    // `mona:corr"ect/horse 9`
    let encoded = "bW9uYTpjb3JyImVjdC9ob3JzZSA5";
    let file = json!({ "auths": { host: { "auth": encoded } } }).to_string();
    fs::write(context.root().join("home/.docker/config.json"), &file).unwrap();
    let base = format!("[base.b]\nrepository = \"{host}/x\"\ntag = \"1\"\n");
    context.write("auth.json", file);
    for manifest in [base.clone(), format!("{base}[registry.\"{host}\"]\nauth-file = \"auth.json\"\n")] {
        context.write("oci.toml", manifest);
        for arguments in [&["lock"][..], &["lock", "--json"], &["-v", "outdated"], &["doctor", "--json"]] {
            let told = context.finish(context.oci().args(arguments));
            let mut texts = vec![told.to_string()];
            let logs = fs::read_dir(context.root().join("cache/oci/logs")).into_iter().flatten();
            texts.extend(logs.map(|log| fs::read_to_string(log.unwrap().path()).unwrap()));
            for text in texts {
                for form in [password, "horse", encoded] {
                    assert!(!text.contains(form), "{arguments:?} shows {form}: {text}");
                }
            }
        }
        fs::remove_file(context.root().join("home/.docker/config.json")).unwrap_or_default();
    }
}

#[test]
fn where_oci_toml_alone_says_insecure_no_credentials_are_sent() {
    let registry = Registry::start_with_accounts();
    let proxy = FaultyRegistry::in_front_of(&registry);
    let context = TestContext::new();
    let credentials = context.root().join("auth.json");
    registry.write_credentials(&credentials);
    images::push_with_credentials(&registry, Base::Busybox, "library/busybox", "1", &credentials);
    let repository = proxy.strict_repository("library/busybox");
    let host = repository.split('/').next().unwrap();
    let known = fs::read_to_string(&credentials).unwrap().replace(&registry.host(), host);
    fs::create_dir(context.root().join("home/.docker")).unwrap();
    fs::write(context.root().join("home/.docker/config.json"), known).unwrap();
    let insecure = format!("[registry.\"{host}\"]\ninsecure = true\n");
    context.write("oci.toml", format!("[base.b]\nrepository = \"{repository}\"\ntag = \"1\"\n{insecure}"));
    let refused = context.run(["lock"]).failure(1);
    assert!(refused.stderr().contains("no credentials were sent"), "{refused}");
    assert!(!refused.to_string().contains(PASSWORD), "{refused}");
    fs::create_dir_all(context.root().join("home/.config/oci")).unwrap();
    fs::write(context.root().join("home/.config/oci/config.toml"), insecure).unwrap();
    context.run(["lock"]).success();
}

#[test]
fn credentials_of_a_checkout_name_no_program() {
    let base = "[base.b]\nrepository = \"127.0.0.1:1/x\"\ntag = \"1\"\n";
    let context = TestContext::with_manifest(&format!("{base}[registry.\"127.0.0.1:1\"]\nauth-file = \"auth.json\"\n"));
    write_evil(&context, "bin/docker-credential-evil");
    context.write("auth.json", r#"{ "credHelpers": { "127.0.0.1:1": "evil" } }"#);
    let path = format!("{}:{}", context.project().join("bin").display(), search_path());
    for arguments in [["lock", "-q"], ["doctor", "-q"], ["outdated", "-q"]] {
        let told = context.finish(context.oci().env("PATH", &path).args(arguments));
        assert!(told.stderr().contains("oci::registry::helpers"), "{told}");
        assert!(!proof(&context).exists());
    }
}

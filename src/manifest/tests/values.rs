//! Tables of values: what each kind accepts and comes to mean, and what it refuses.

use std::path::Path;

use super::{codes, good, messages, read};
use crate::manifest::package::{Mode, Owner};
use crate::manifest::{
    Build, Cache, Change, Entrypoint, HostPath, Insecure, Overrides, Package, PackageContent, UserSettings, parse_with,
};
use crate::model::{ByteSize, Compression};
use crate::source::Source;

/// A build with these lines in it.
fn build(lines: &str) -> Build {
    good(&format!("[build.app]\nbase = \"scratch\"\n{lines}\n")).builds.remove("app").unwrap()
}

/// The codes of the problems that these lines of a build have.
fn refused(lines: &str) -> Vec<String> {
    let problems = read(&format!("[build.app]\nbase = \"scratch\"\n{lines}\n")).err().unwrap_or_default();
    codes(&problems).into_iter().map(|code| code.replace("oci::manifest::", "")).collect()
}

fn package(written: &str) -> Package {
    build(&format!("packages = [{written}]")).packages.remove(0)
}

#[test]
fn an_empty_file_is_a_project() {
    let manifest = good("");
    assert_eq!(manifest.project.platforms, [crate::model::Platform::host()]);
    assert_eq!((manifest.project.epoch, manifest.cache, manifest.tools.runc), (None, Cache::default(), None));
}

#[test]
fn epochs() {
    for (written, epoch) in [("0", 0), ("1_767_225_600", 1_767_225_600), ("0xff", 255), ("8589934591", 8_589_934_591)] {
        let manifest = good(&format!("[project]\nsource-date-epoch = {written}\n"));
        assert_eq!(manifest.project.epoch, Some(epoch), "{written}");
    }
    for written in ["-1", "8589934592", "9223372036854775808"] {
        assert_eq!(messages(&format!("[project]\nsource-date-epoch = {written}\n")).len(), 1, "{written}");
    }
}

#[test]
fn the_cache_is_relative_to_the_manifest_and_tools_are_names() {
    let manifest = good(
        "[tools]\nrunc = \"crun\"\nskopeo = \"skopeo\"\numoci = \"umoci\"\n[cache]\ndir = \"c\"\nmax-size = \"1 GiB\"\n",
    );
    let shown = |path: Option<std::path::PathBuf>| path.unwrap().display().to_string();
    assert_eq!(shown(manifest.tools.runc), "crun");
    assert_eq!((shown(manifest.tools.skopeo), shown(manifest.tools.umoci)), ("skopeo".into(), "umoci".into()));
    let folder = manifest.cache.folder.unwrap();
    assert_eq!((shown(Some(folder.path.value)), shown(folder.project)), ("/project/c".into(), "/project".into()));
    assert_eq!(manifest.cache.max_size, Some(ByteSize(1 << 30)));
}

/// A project can name no path, no other program, and no name that a shell or the loader would interpret.
#[test]
fn a_project_chooses_no_program_but_those_that_are_known() {
    for (key, known) in [("skopeo", &["skopeo"][..]), ("umoci", &["umoci"]), ("runc", &["runc", "crun"])] {
        for written in [
            "./evil",
            "evil",
            "/usr/bin/skopeo",
            "~/skopeo",
            "bin/skopeo",
            "..",
            ".",
            "sh",
            "",
            "skopeo ",
            " runc",
            "umoci/../evil",
            "SKOPEO",
            "skopeo",
            "umoci",
            "runc",
            "crun",
        ] {
            let found = read(&format!("[tools]\n{key} = \"{written}\"\n"));
            match found {
                Ok(_) => assert!(known.contains(&written), "{key} {written}"),
                Err(problems) => {
                    assert!(!known.contains(&written), "{key} {written}");
                    assert_eq!(codes(&problems), ["oci::manifest::foreign_tool"], "{key} {written}");
                }
            }
        }
    }
}

#[test]
fn registries() {
    let manifest = good(
        r#"
        [registry."GHCR.io:443"]
        insecure = true
        cert-dir = "certs"
        auth-file = "~/auth.json"
        [registry."index.docker.io"]
        auth-file = "/etc/auth.json"
        "#,
    );
    let ghcr = &manifest.registries["ghcr.io:443"];
    let home = std::path::PathBuf::from(std::env::var_os("HOME").unwrap());
    let path = |found: &Option<HostPath>| match found {
        Some(HostPath::OfProject(path)) => path.value.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(ghcr.insecure, Insecure::ForProject);
    assert_eq!(path(&ghcr.cert_dir), std::path::Path::new("/project/certs"));
    assert_eq!(path(&ghcr.auth_file), home.join("auth.json"));
    let hub = &manifest.registries["docker.io"];
    assert_eq!(path(&hub.auth_file), std::path::Path::new("/etc/auth.json"));
    assert!(hub.insecure == Insecure::No && manifest.registries.len() == 2);
}

#[test]
fn pins() {
    const HEX: &str = "97c123c899c8c9ca46248f4002ec4173322e0a1086b386efefac163c64967ba2";
    for (written, tag, has_digest) in [
        ("tag = \"3.12\"".to_owned(), Some("3.12"), false),
        (format!("digest = \"sha256:{HEX}\""), None, true),
        (format!("sha = \"{HEX}\""), None, true),
        (format!("tag = \"3.12\"\ndigest = \"sha256:{HEX}\""), Some("3.12"), true),
        ("variants = { only = \"3.12\" }".to_owned(), Some("3.12"), false),
        (format!("variants = {{ only = \"sha256:{HEX}\" }}"), None, true),
        (format!("variants = {{ only = \"{HEX}\" }}"), None, true),
        (format!("variants = {{ only = {{ tag = \"3.12\", sha = \"{HEX}\" }} }}"), Some("3.12"), true),
    ] {
        let manifest = good(&format!("[base.python]\nrepository = \"docker.io/library/python\"\n{written}\n"));
        let (name, (_, pin)) = manifest.pins().pop_first().unwrap();
        assert_eq!(name, if written.starts_with("variants") { "python#only" } else { "python" });
        assert_eq!(pin.tag.as_ref().map(crate::model::Tag::as_str), tag, "{written}");
        assert_eq!(pin.digest.map(|digest| digest.hex()).as_deref(), has_digest.then_some(HEX), "{written}");
    }
}

#[test]
fn a_variant_may_have_any_name() {
    let text =
        "[base.a]\nrepository = \"ghcr.io/a/a\"\nvariants = { scratch = \"1\" }\n[build.b]\nbase = \":a#scratch\"\n";
    assert_eq!(good(text).builds["b"].base.to_string(), "a#scratch");
}

#[test]
fn compressions() {
    for (written, compression) in [
        ("", Compression::Gzip),
        ("compression = \"gzip\"", Compression::Gzip),
        ("compression = \"none\"", Compression::None),
        ("compression = \"zstd\"", Compression::Zstd { level: 3 }),
        ("compression = { kind = \"zstd\" }", Compression::Zstd { level: 3 }),
        ("compression = { kind = \"zstd\", level = 22 }", Compression::Zstd { level: 22 }),
        ("compression = { kind = \"none\" }", Compression::None),
    ] {
        assert_eq!(build(written).compression, compression, "{written}");
    }
    assert_eq!(refused("compression = true"), ["wrong_type"]);
    assert_eq!(refused("compression = { kind = \"zstd\", level = -1 }"), ["bad_level"]);
}

#[test]
fn commands() {
    for (written, words) in
        [(r#""/app""#, vec!["/app"]), (r#"["/app", "with space", ""]"#, vec!["/app", "with space", ""]), ("[]", vec![])]
    {
        let Entrypoint::Words(found) = build(&format!("entrypoint = {written}")).entrypoint else {
            panic!("{written}")
        };
        assert_eq!(found.value, words, "{written}");
    }
    assert_eq!(build("args = \"\"").args.unwrap().value, [""]);
    assert_eq!(build("").entrypoint, Entrypoint::FirstPackage);
    assert_eq!(build("entrypoint = false").entrypoint, Entrypoint::OfBase);
    assert_eq!(refused("entrypoint = true"), ["wrong_type"]);
    assert_eq!(refused("args = false"), ["wrong_type"]);
    assert_eq!(refused("args = \"a b\""), ["command_with_space"]);
    assert_eq!(refused("entrypoint = [\"\", \"b\"]"), ["no_program"]);
}

#[test]
fn ports_and_volumes() {
    for (written, port) in [
        ("8080", Some(Change::Add("8080/tcp".into()))),
        ("08080/tcp", Some(Change::Add("8080/tcp".into()))),
        ("53/udp", Some(Change::Add("53/udp".into()))),
        ("!9090", Some(Change::Remove("9090/tcp".into()))),
        ("65535/sctp", Some(Change::Add("65535/sctp".into()))),
        ("0", None),
        ("65536", None),
        ("+80", None),
        ("-1", None),
        ("", None),
        ("80/", None),
        ("80/TCP", None),
        ("80-90", None),
        ("!!80", None),
    ] {
        let line = format!("ports = [{written:?}]");
        match port {
            Some(port) => assert_eq!(build(&line).ports, [port], "{written}"),
            None => assert_eq!(refused(&line), ["bad_port"], "{written}"),
        }
    }
    assert_eq!(build("volumes = [\"/a\", \"!/b\"]").volumes, [Change::Add("/a".into()), Change::Remove("/b".into())]);
    assert_eq!(refused("volumes = [\"a\", \"!b\", \"/a\\u0000\"]"), ["bad_path"; 3]);
}

#[test]
fn users_folders_and_signals() {
    for user in ["0", "65532:65532", "web", "web:staff"] {
        assert_eq!(build(&format!("user = {user:?}")).user.as_deref(), Some(user));
    }
    for user in ["", ":", "a:", "a:b:c", "a b", "a/b"] {
        assert_eq!(refused(&format!("user = {user:?}")), ["bad_user"], "{user}");
    }
    assert_eq!(build("workdir = \"/srv\"").workdir.as_deref(), Some("/srv"));
    for signal in ["SIGTERM", "15", "64", "SIGRTMIN", "SIGRTMIN+3", "SIGRTMAX-14"] {
        assert_eq!(build(&format!("stop-signal = {signal:?}")).stop_signal.as_deref(), Some(signal));
    }
    for signal in ["TERM", "sigterm", "0", "65", "+9", "SIGRTMIN+", "SIGRTMIN-1", "SIGRTMAX+1", "SIGRTMIN+99", ""] {
        assert_eq!(refused(&format!("stop-signal = {signal:?}")), ["bad_signal"], "{signal}");
    }
}

#[test]
fn labels_and_annotations() {
    let build = build("labels = { a = \"{{x}}\", b = false }\nannotations = { c = \"}}\" }\ndescription = \"{x}\"");
    assert_eq!(build.labels, [("a".into(), Some("{x}".into())), ("b".into(), None)].into());
    assert_eq!(build.annotations, [("c".into(), "}".into())].into());
    assert_eq!(build.description.as_deref(), Some("{x}"), "a description knows no templates");
    for line in ["labels = { a = true }", "env = { A = true }", "env = { A = 1 }", "annotations = { a = false }"] {
        assert_eq!(refused(line), ["wrong_type"], "{line}");
    }
}

#[test]
fn where_it_is_published() {
    let tags = |lines: &str| build(lines).tags.iter().map(|tag| tag.value.to_string()).collect::<Vec<_>>();
    assert_eq!(tags(""), Vec::<String>::new());
    assert_eq!(tags("tag = \"1\""), ["1"]);
    assert_eq!(tags("tags = [\"1\", \"2\"]"), ["1", "2"]);
    let repositories = |written: &str| build(&format!("repository = {written}")).repositories.len();
    assert_eq!(repositories("\"ghcr.io/a/b\""), 1);
    assert_eq!(repositories("[\"ghcr.io/a/b\", \"localhost:5000/b\"]"), 2);
    // One wrong type is one problem, and not an empty list besides.
    assert_eq!(refused("tags = [1]"), ["wrong_type"]);
    assert_eq!(refused("platforms = [1]"), ["wrong_type"]);
}

#[test]
fn builds_inherit() {
    let manifest = good(
        r#"
        [defaults]
        repository = "registry.example.com/acme/{build}"
        labels = { a = "1", b = "1" }
        env = { A = "1" }
        user = "1000"
        ports = ["80"]
        args = ["serve"]
        platforms = ["linux/arm64"]
        compression = { kind = "zstd", level = 9 }
        [build.heir]
        base = "scratch"
        [build.rebel]
        base = "scratch"
        labels = { b = "2", a = false, c = "3" }
        env = { B = "2" }
        user = "0"
        ports = []
        args = []
        repository = []
        platforms = ["linux/amd64"]
        compression = "none"
        "#,
    );
    let (heir, rebel) = (&manifest.builds["heir"], &manifest.builds["rebel"]);
    let labels = |build: &Build| build.labels.clone().into_iter().collect::<Vec<_>>();
    let label = |name: &str, value: Option<&str>| (name.to_owned(), value.map(ToOwned::to_owned));
    assert_eq!(labels(heir), [label("a", Some("1")), label("b", Some("1"))]);
    assert_eq!(labels(rebel), [label("a", None), label("b", Some("2")), label("c", Some("3"))]);
    assert_eq!(heir.repositories[0].value.text().unwrap(), "registry.example.com/acme/heir");
    assert!(rebel.repositories.is_empty() && rebel.ports.is_empty());
    assert_eq!((heir.user.as_deref(), rebel.user.as_deref()), (Some("1000"), Some("0")));
    assert_eq!(rebel.env.keys().collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!((heir.compression, rebel.compression), (Compression::Zstd { level: 9 }, Compression::None));
    assert_eq!(rebel.args.as_ref().map(|args| args.value.len()), Some(0));
    assert_eq!(heir.platforms.as_ref().unwrap()[0].to_string(), "linux/arm64");
}

#[test]
fn templates_known_to_the_manifest() {
    let manifest = good(
        r#"
        [project]
        version = "1.2+x"
        [vars]
        NAME = "{a}$"
        py = "3.12"
        [base.python]
        repository = "docker.io/library/python"
        variants = { slim = "{var.py}-slim", v = { tag = "v{version}" } }
        [build.app]
        base = "python#slim"
        packages = [
            { path = "dist-{version}/{arch}/{var.NAME}", to = "/{var.py}/{{x}}" },
            { text = "{ {version} {x} {{version}} {{x}} {var.py", to = "/v" },
        ]
        labels = { v = "{{{version}}}" }
        annotations = { v = "{var.NAME}" }
        env = { V = "${PATH}:{var.NAME}:$${{x}}" }
        repository = "ghcr.io/{build}/v{var.py}"
        tags = ["{version}", "{git.sha}-{env.X}"]
        "#,
    );
    let build = &manifest.builds["app"];
    assert_eq!(manifest.pins()["python#slim"].1.tag.as_ref().unwrap().as_str(), "3.12-slim");
    assert_eq!(manifest.pins()["python#v"].1.tag.as_ref().unwrap().as_str(), "v1.2-x");
    let PackageContent::Path { path, to } = &build.packages[0].content else { panic!() };
    let platform = crate::model::Platform::parse("linux/arm64").unwrap();
    let expand = |text: &str| crate::manifest::package::expand(text, &platform);
    assert_eq!((expand(path).as_str(), expand(to.as_ref().unwrap()).as_str()), ("dist-1.2+x/arm64/{a}$", "/3.12/{x}"));
    let PackageContent::Text { text, .. } = &build.packages[1].content else { panic!() };
    assert_eq!(text, "{ 1.2+x {x} {version} {{x}} {var.py");
    assert_eq!(build.labels["v"].as_deref(), Some("{1.2+x}"));
    assert_eq!(build.annotations["v"], "{a}$");
    let value = build.env["V"].value.as_ref().unwrap().above(|_| Some("/bin"));
    assert_eq!(value.unwrap(), "/bin:{a}$:${x}");
    assert_eq!(build.repositories[0].value.text().unwrap(), "ghcr.io/app/v3.12");
    assert_eq!(build.tags[0].value.text().unwrap(), "1.2-x");
    assert_eq!((build.tags[1].value.text(), build.tags[1].value.to_string().as_str()), (None, "{git.sha}-{env.X}"));
}

#[test]
fn variables_of_one_run() {
    let text = "[vars]\na-b = \"0\"\nC = \"0\"\nd = \"0\"\ne = \"0\"\n";
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let overrides = Overrides {
        command_line: map(&[("C", "line")]),
        environment: map(&[("A_B", "capitals"), ("C", "environment"), ("d", "as it is"), ("D", "capitals"), ("X", "")]),
        user: UserSettings::default(),
    };
    let source = crate::source::Source::new("oci.toml", text);
    let manifest = parse_with(&source, std::path::Path::new("/project"), &overrides).unwrap();
    let values: Vec<(&str, &str)> = manifest.variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(values, [("C", "line"), ("a-b", "capitals"), ("d", "as it is"), ("e", "0")]);
}

#[test]
fn package_paths() {
    for (written, path, to) in [
        (r#""dist/app""#, "dist/app", None),
        (r#""./dist/../app""#, "", None),
        (r#""dist/[[]a{{b}}.whl""#, "dist/[[]a{{b}}.whl", None),
        (r#"{ path = "." , to = "/" }"#, ".", Some("/")),
        (r#"{ path = "../shared" , to = "/opt//a/./b/../c/" }"#, "../shared", Some("/opt/a/c/")),
        (r#"{ path = "/etc/hosts" , to = "/etc/." }"#, "/etc/hosts", Some("/etc/")),
        (
            r#"{ path = "{os}/{arch}/{cpu}/{platform}" , to = "/{arch}" }"#,
            "{os}/{arch}/{cpu}/{platform}",
            Some("/{arch}"),
        ),
    ] {
        if path.is_empty() {
            assert_eq!(refused(&format!("packages = [{written}]")), ["needs_to"], "{written}");
            continue;
        }
        let PackageContent::Path { path: found, to: found_to } = package(written).content else { panic!("{written}") };
        assert_eq!((found.as_str(), found_to.as_ref().map(|to| to.as_str())), (path, to), "{written}");
    }
}

#[test]
fn package_forms() {
    let text = package(r#"{ text = "{ a {x} }}", to = "/a" }"#).content;
    assert!(matches!(&text, PackageContent::Text { text, to } if text == "{ a {x} }}" && to.value == "/a"), "{text:?}");
    let link = package(r#"{ link = "/a", target = "../{arch}" }"#).content;
    assert!(matches!(&link, PackageContent::Link { link, target } if link.value == "/a" && target == "../{arch}"));
    let folder = package(r#"{ folder = "/a/" }"#).content;
    assert!(matches!(&folder, PackageContent::Folder { folder } if folder.value == "/a/"));
    let archive = package(r#"{ archive = "a-{arch}.tar", to = "/x/../{cpu}/", strip = 2 }"#).content;
    let PackageContent::Archive { archive, to, strip } = archive else { panic!("{archive:?}") };
    assert_eq!((archive.as_str(), to.as_str(), strip), ("a-{arch}.tar", "/{cpu}/", 2));
    for (archive, code) in [
        (r#"{ archive = "a.tar" }"#, "missing_key"),
        (r#"{ archive = "a.tar", to = "/", follow = true }"#, "bad_package"),
        (r#"{ archive = "a.tar", to = "/", strip = -1 }"#, "bad_number"),
    ] {
        assert_eq!(refused(&format!("packages = [{archive}]")), [code], "{archive}");
    }
    let flags = package(r#"{ path = "a", optional = true, follow = true, foreign = true }"#);
    assert!(flags.optional && flags.follow && flags.foreign);
}

#[test]
fn owners_and_modes() {
    for (written, owner) in [
        ("0:0", Some(Owner { uid: 0, gid: 0 })),
        ("65532:7", Some(Owner { uid: 65532, gid: 7 })),
        ("4294967294:1", Some(Owner { uid: 4_294_967_294, gid: 1 })),
        ("4294967295:1", None),
        ("1", None),
        ("1:", None),
        ("+1:1", None),
        ("1:1:1", None),
        ("root:root", None),
    ] {
        let package = format!("{{ path = \"a\", owner = {written:?} }}");
        match owner {
            Some(owner) => assert_eq!(self::package(&package).owner, Some(owner), "{written}"),
            None => assert_eq!(refused(&format!("packages = [{package}]")), ["bad_owner"], "{written}"),
        }
    }
    for (written, mode) in [
        ("0644", Some(0o644)),
        ("755", Some(0o755)),
        ("7777", Some(0o7777)),
        ("10000", None),
        ("64", None),
        ("0o644", None),
        ("0648", None),
        ("", None),
    ] {
        let package = format!("{{ path = \"a\", mode = {written:?}, folder-mode = {written:?} }}");
        match mode {
            Some(mode) => assert_eq!(self::package(&package).folder_mode, Some(Mode(mode)), "{written}"),
            None => assert_eq!(refused(&format!("packages = [{package}]")), ["bad_mode"; 2], "{written}"),
        }
    }
}

#[test]
fn globs() {
    for pattern in ["**/*.rs", "a{b", "a}", "{a,b}", "[[]", "[a-z]", "[!a]", "a\\", "?"] {
        assert_eq!(package(&format!("{{ path = \"a\", exclude = [{pattern:?}] }}")).exclude.len(), 1, "{pattern}");
    }
    for pattern in ["[", "[z-a]"] {
        assert_eq!(refused(&format!("packages = [{{ path = \"a\", include = [{pattern:?}] }}]")), ["bad_glob"]);
    }
}

#[test]
fn what_a_file_says_is_made_safe_to_show() {
    let found = messages("[build.app]\nbase = \"scratch\"\nuser = \"\\u001b[31m red\\n\"\n");
    assert_eq!(found, ["` red\u{fffd}` is no user"]);
}

#[test]
fn stages_inherit_little() {
    let manifest = good(
        "[defaults]\nenv = { A = \"1\" }\nuser = \"1\"\nlabels = { a = \"1\" }\n\
         compression = \"none\"\nplatforms = [\"linux/arm64\"]\n\
         [stage.a]\nbase = \"scratch\"\n[stage.b]\nbase = \"a\"\nenv = { B = \"2\" }\nplatform = \"host\"\n",
    );
    let stage = &manifest.stages["b"];
    assert_eq!(stage.env.keys().collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!((stage.compression, stage.user.as_deref(), stage.labels.len()), (Compression::None, None, 0));
    assert_eq!(stage.platforms.as_ref().unwrap().len(), 1);
}

#[test]
fn settings_of_a_user_count_where_the_manifest_is_silent() {
    let parse = |text: &str| UserSettings::parse(&Source::new("config.toml", text), Path::new("/home/oci")).unwrap();
    let user = parse(
        r#"
        [cache]
        dir = "cache"
        max-size = "5GB"
        [tools]
        runc = "crun"
        skopeo = "bin/skopeo"
        [registry."ghcr.io"]
        insecure = true
        cert-dir = "certs"
        [registry."index.docker.io"]
        auth-file = "/auth.json"
        insecure = true
        "#,
    );
    let text = r#"
        [tools]
        skopeo = "skopeo"
        umoci = "umoci"
        runc = "runc"
        [registry."ghcr.io"]
        cert-dir = "/certs"
        auth-file = "/manifest.json"
        [registry."docker.io"]
        insecure = false
        "#;
    let overrides = Overrides { user, ..Overrides::default() };
    let manifest = parse_with(&Source::new("oci.toml", text), Path::new("/project"), &overrides).unwrap();
    let path = |text: &str| Some(std::path::PathBuf::from(text));
    let folder = manifest.cache.folder.unwrap();
    assert_eq!((Some(folder.path.value), folder.project), (path("/home/oci/cache"), None));
    assert_eq!(manifest.cache.max_size, Some(ByteSize(5_000_000_000)));
    assert_eq!((manifest.tools.skopeo, manifest.tools.runc), (path("/home/oci/bin/skopeo"), path("crun")));
    assert_eq!(manifest.tools.umoci, path("umoci"));
    let ghcr = &manifest.registries["ghcr.io"];
    assert_eq!(ghcr.insecure, Insecure::ForUser);
    assert_eq!(ghcr.cert_dir, path("/home/oci/certs").map(HostPath::OfUser));
    assert!(
        matches!(&ghcr.auth_file, Some(HostPath::OfProject(file)) if Some(&file.value) == path("/manifest.json").as_ref())
    );
    let hub = &manifest.registries["docker.io"];
    assert_eq!((hub.insecure, &hub.auth_file), (Insecure::No, &path("/auth.json").map(HostPath::OfUser)));
}

#[test]
fn policies_are_patterns() {
    for (allow, allowed) in [
        ("docker.io/library/*", true),
        ("docker.io/library/debian", true),
        ("docker.io/**", true),
        ("docker.io/*", false),
        ("*", false),
        ("ghcr.io/*/*", false),
    ] {
        let text = format!(
            "[policy]\nallow = [\"ghcr.io/x/y\", \"{allow}\"]\n[base.debian]\nrepository = \"docker.io/debian\"\ntag = \"12\"\n"
        );
        assert_eq!(read(&text).is_ok(), allowed, "{allow}");
    }
}

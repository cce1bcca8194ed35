//! Packaged targets of Go, Java, Node, Python and Rust, with the real tools: what falls into which layer, what an edit
//! moves, and that the image runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::TestContext;
use crate::support::images;
use crate::support::tools::{ecosystem, hook_runner, succeed, tool};

/// The manifest of an image, or of the first platform of several.
fn manifest(context: &TestContext, name: &str) -> Value {
    let layout = context.layout();
    let found = images::read_json(&images::blob(&layout, &images::descriptor(&layout, name)));
    match found.get("manifests") {
        Some(manifests) => images::read_json(&images::blob(&layout, &manifests[0])),
        None => found,
    }
}

/// The titles and digests of the layers of an image, lowest first, without those of its base.
fn layers(context: &TestContext, name: &str) -> Vec<(String, String)> {
    let layout = context.layout();
    let manifest = manifest(context, name);
    let config = images::read_json(&images::blob(&layout, &manifest["config"]));
    let history = config["history"].as_array().unwrap().iter();
    let titles = history.map(|entry| entry["created_by"].as_str().unwrap_or_default().to_owned());
    let digests =
        manifest["layers"].as_array().unwrap().iter().map(|layer| layer["digest"].as_str().unwrap().to_owned());
    titles.zip(digests).filter(|(title, _)| title.starts_with("oci: :")).collect()
}

fn titles(context: &TestContext, name: &str) -> Vec<String> {
    layers(context, name).into_iter().map(|(title, _)| title).collect()
}

/// The layers that an edit moved, by their titles.
fn moved(before: &[(String, String)], after: &[(String, String)]) -> Vec<String> {
    after.iter().filter(|layer| !before.contains(layer)).map(|(title, _)| title.clone()).collect()
}

/// `oci`, which finds the tools of the ecosystems, and with them the user's own caches.
fn oci(context: &TestContext) -> Command {
    let mut command = context.oci();
    command.env("PATH", ecosystem());
    // How the registries of packages are reached is the machine's affair.
    for name in ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "npm_config_registry"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    if let Some(home) = std::env::var_os("HOME") {
        command.env("npm_config_userconfig", Path::new(&home).join(".npmrc"));
    }
    for name in ["CARGO_HOME", "RUSTUP_HOME"] {
        let usual = if name == "CARGO_HOME" { ".cargo" } else { ".rustup" };
        let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(usual));
        let folder = std::env::var_os(name).map(PathBuf::from).or(home);
        command.env(name, folder.unwrap());
    }
    command
}

fn build(context: &TestContext) {
    context.finish(oci(context).arg("build")).success();
}

/// Builds a project in another folder, with other caches. Its images are equal.
fn is_equal_elsewhere(context: &TestContext, names: &[&str]) {
    let other = TestContext::new();
    succeed(tool("cp").arg("-a").arg(format!("{}/.", context.project().display())).arg(other.project()));
    succeed(tool("rm").arg("-rf").args([".oci", "target"].map(|name| other.project().join(name))));
    build(&other);
    for name in names {
        assert_eq!(context.built(name), other.built(name), "{name}");
    }
}

/// A base with programs of this machine and the libraries that they need, and with some of its folders.
fn of_machine(programs: &[&str], folders: &[&str]) -> String {
    let mut paths: Vec<String> = programs.iter().map(|path| (*path).to_owned()).collect();
    for program in programs {
        let listed = succeed(tool("ldd").arg(program));
        let libraries = listed.split_whitespace().filter(|word| word.starts_with('/') && !word.contains(".."));
        paths.extend(libraries.map(str::to_owned));
    }
    paths.retain(|path| !folders.iter().any(|folder| path.starts_with(folder)));
    paths.extend(folders.iter().map(|path| (*path).to_owned()));
    paths.sort();
    paths.dedup();
    let package = |path: &String| {
        // A folder may hold links to what is not installed.
        let exclude = if Path::new(path).is_dir() { ", exclude = [\"**/src.zip\"]" } else { "" };
        format!("{{ path = \"{path}\", to = \"{path}\", follow = true, foreign = true{exclude} }}")
    };
    let packages: Vec<String> = paths.iter().map(package).collect();
    format!("[stage.machine]\nbase = \"scratch\"\nsquash-packages = true\npackages = [{}]\n", packages.join(", "))
}

fn says(context: &TestContext, name: &str, arguments: &[&str]) -> String {
    let mut command = oci(context);
    command.args(["run", name, "--"]).args(arguments);
    context.finish(&mut command).success().stdout().trim().to_owned()
}

#[test]
fn go_makes_a_program_for_every_platform() {
    let context = TestContext::with_manifest(
        r#"
        [project]
        platforms = ["linux/amd64", "linux/arm64"]
        version = "1.2"
        [package.gate]
        go = { main = "./cmd/gate", ldflags = "-X main.version={version}", data = "cmd/gate/pages" }
        [package.other]
        go = { main = "cmd/other" }
        [build.gate]
        base = "scratch"
        packages = [":gate", { path = ":other", to = "/opt/" }]
        "#,
    );
    context.write("go.mod", "module example.com/gate\n\ngo 1.19\n\nreplace example.com/none => ./none\n");
    context.write("lib/lib.go", "package lib\n\nfunc Hello() string { return \"hello\" }\n");
    let main = "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\n\t\"example.com/gate/lib\"\n)\n\nvar version = \"none\"\n\n\
                func main() { fmt.Println(lib.Hello(), version, os.Args[1:]) }\n";
    context.write("cmd/gate/main.go", main);
    context.write("cmd/gate/pages/index.html", "page\n");
    context.write("cmd/other/main.go", "package main\n\nfunc main() {}\n");
    context.write("none/x", "");
    build(&context);
    assert_eq!(says(&context, "gate", &["a", "b"]), "hello 1.2 [a b]");
    let before = layers(&context, "gate");
    assert_eq!(
        titles(&context, "gate"),
        ["oci: :gate to /app: data", "oci: :gate to /app: program", "oci: :other to /opt/"]
    );
    context.write("cmd/gate/main.go", main.replace("lib.Hello()", "lib.Hello() + \"!\""));
    build(&context);
    assert_eq!(moved(&before, &layers(&context, "gate")), ["oci: :gate to /app: program"]);
    assert_eq!(says(&context, "gate", &[]), "hello! 1.2 []");
    is_equal_elsewhere(&context, &["gate"]);
}

#[test]
fn rust_makes_a_program_that_is_equal_everywhere() {
    let libgcc = succeed(tool("gcc").arg("-print-file-name=libgcc_s.so.1"));
    let libgcc = succeed(tool("readlink").args(["-f", libgcc.trim()]));
    let context = TestContext::with_manifest(&format!(
        "{}[package.tool]\nrust = {{ project = \"tool\", libc = \"gnu\" }}\n\
         [build.tool]\nbase = \"machine\"\npackages = [\":tool\"]\n",
        of_machine(&["/bin/true", libgcc.trim()], &[])
    ));
    context.write("shared/Cargo.toml", "[package]\nname = \"shared\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    context.write(
        "shared/src/lib.rs",
        "pub fn name() -> String { format!(\"{:?}\", std::panic::Location::caller().line() > 0) }\n",
    );
    context.write(
        "tool/Cargo.toml",
        "[package]\nname = \"tool\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nshared = { path = \"../shared\" }\n",
    );
    context.write("tool/Cargo.lock", "version = 3\n\n[[package]]\nname = \"shared\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"tool\"\nversion = \"0.1.0\"\ndependencies = [\n \"shared\",\n]\n");
    context.write(
        "tool/src/main.rs",
        "fn main() { println!(\"{} {}\", shared::name(), env!(\"CARGO_MANIFEST_DIR\").len() > 0) }\n",
    );
    build(&context);
    assert_eq!(says(&context, "tool", &[]), "true true");
    let before = layers(&context, "tool");
    // What it depends on outside of its folder is an input, too.
    context.write("shared/src/lib.rs", "pub fn name() -> String { \"edited\".to_owned() }\n");
    build(&context);
    assert_eq!(
        (moved(&before, &layers(&context, "tool")), says(&context, "tool", &[])),
        (vec!["oci: :tool to /app".to_owned()], "edited true".to_owned())
    );
}

#[test]
fn python_unpacks_wheels_of_a_lockfile_and_the_project_above_them() {
    let context = TestContext::with_manifest(&format!(
        "{}[package.api]\npython = {{ project = \"api\", version = \"{}\" }}\n\
         [build.api]\nbase = \"machine\"\npackages = [\":api\"]\n",
        of_machine(&["/usr/bin/python3"], &[&system_python().1]),
        system_python().0,
    ));
    context.write(
        "api/pyproject.toml",
        "[project]\nname = \"api\"\nversion = \"0.1.0\"\nrequires-python = \">=3.9\"\ndependencies = [\"common\", \"idna\"]\n\
         [project.scripts]\napi = \"api:main\"\n[build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n\
         [tool.uv.sources]\ncommon = { workspace = true }\n[tool.uv.workspace]\nmembers = [\"common\"]\n",
    );
    context.write(
        "api/src/api/__init__.py",
        "import common, idna\ndef main():\n    print(common.name(), idna.encode('x').decode())\n",
    );
    context.write(
        "api/common/pyproject.toml",
        "[project]\nname = \"common\"\nversion = \"0.1.0\"\nrequires-python = \">=3.9\"\n\
         [build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n",
    );
    context.write("api/common/src/common/__init__.py", "def name():\n    return 'common'\n");
    let told = context.finish(oci(&context).arg("build")).failure(1);
    assert!(told.stderr().contains("oci::target::no_lockfile"), "{told}");
    succeed(
        Command::new(hook_runner("uv")).env("PATH", ecosystem()).arg("lock").current_dir(context.project().join("api")),
    );
    build(&context);
    assert_eq!(says(&context, "api", &[]), "common x");
    assert_eq!(
        titles(&context, "api"),
        ["oci: :api to /app: dependencies", "oci: :api to /app: workspace", "oci: :api to /app: project"]
    );
    let before = layers(&context, "api");
    context.write("api/src/api/__init__.py", "def main():\n    print('edited')\n");
    build(&context);
    assert_eq!(moved(&before, &layers(&context, "api")), ["oci: :api to /app: project"]);
    assert_eq!(says(&context, "api", &[]), "edited");
    is_equal_elsewhere(&context, &["api"]);
    // In a shared layer its variables count, and not what it runs.
    let shared = "[layer.shared]\npackages = [\":api\"]\n[build.other]\nbase = \"machine\"\nlayers = [\"shared\"]\n";
    context.write("oci.toml", context.read("oci.toml") + shared);
    build(&context);
    let config = images::read_json(&images::blob(&context.layout(), &manifest(&context, "other")["config"]));
    let environment = config["config"]["Env"].as_array().unwrap();
    assert!(environment.iter().any(|variable| variable == "PYTHONPATH=/app"), "{config}");
    assert!(config["config"].get("WorkingDir").is_none(), "{config}");
}

/// Version and library of the machine's own Python.
fn system_python() -> (String, String) {
    let printed = succeed(tool("/usr/bin/python3").args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]));
    let version = printed.trim().to_owned();
    (version.clone(), format!("/usr/lib/python{version}"))
}

#[test]
fn node_installs_what_the_lockfile_names_and_packs_the_project_above() {
    let node = succeed(tool("readlink").args(["-f", "/usr/bin/node"])).trim().to_owned();
    let context = TestContext::with_manifest(&format!(
        "{}[package.web]\nnode = {{ project = \"web\", build = \"node build.js\" }}\n\
         [build.web]\nbase = \"machine\"\npackages = [\":web\"]\nenv = {{ PATH = \"{}\" }}\n",
        of_machine(&[&node], &[]),
        Path::new(&node).parent().unwrap().display(),
    ));
    context.write(
        "web/package.json",
        r#"{"name":"web","version":"1.0.0","main":"dist/server.js","dependencies":{"left-pad":"1.3.0"},"devDependencies":{"is-odd":"3.0.1"}}"#,
    );
    context.write(
        "web/build.js",
        "require('is-odd'); const fs = require('fs'); fs.mkdirSync('dist'); fs.copyFileSync('src/server.js', 'dist/server.js')\n",
    );
    context.write("web/src/server.js", "console.log(require('left-pad')('1', 3, '0'), process.env.NODE_ENV)\n");
    let npm = |arguments: &[&str]| {
        succeed(tool("npm").env("PATH", ecosystem()).args(arguments).current_dir(context.project().join("web")))
    };
    npm(&["install", "--package-lock-only", "--no-audit", "--no-fund"]);
    build(&context);
    assert_eq!(says(&context, "web", &[]), "001 production");
    assert_eq!(titles(&context, "web"), ["oci: :web to /app: node_modules", "oci: :web to /app: project"]);
    let before = layers(&context, "web");
    context.write("web/src/server.js", "console.log('edited')\n");
    build(&context);
    assert_eq!(
        (moved(&before, &layers(&context, "web")), says(&context, "web", &[])),
        (vec!["oci: :web to /app: project".to_owned()], "edited".to_owned())
    );
    assert!(!context.project().join("web/node_modules").exists());
    is_equal_elsewhere(&context, &["web"]);
}

#[test]
fn java_takes_a_jar_apart() {
    let home = succeed(tool("readlink").args(["-f", "/usr/bin/java"]));
    let home = Path::new(home.trim()).parent().unwrap().parent().unwrap().to_str().unwrap().to_owned();
    let java = format!("{home}/bin/java");
    let context = TestContext::with_manifest(&format!(
        "{}[package.shop]\njava = {{ jar = \"build/shop.jar\", build = \"sh build.sh\", jvm-flags = [\"-Xmx64m\"] }}\n\
         inputs = [\"build.sh\", \"src/**\"]\n\
         [build.shop]\nbase = \"machine\"\npackages = [\":shop\"]\nenv = {{ PATH = \"{home}/bin\" }}\n",
        of_machine(&[&java, &format!("{home}/lib/server/libjvm.so"), &format!("{home}/lib/libjli.so")], &[&home]),
    ));
    context.write(
        "src/lib/b/Lib.java",
        "package b;\npublic class Lib { public static String name() { return \"lib\"; } }\n",
    );
    let main = "package a;\npublic class Main { public static void main(String[] given) throws Exception {\n\
                System.out.println(b.Lib.name() + \" \" + new String(Main.class.getResourceAsStream(\"/text\").readAllBytes()).trim()); } }\n";
    context.write("src/main/a/Main.java", main);
    context.write("src/text", "resource\n");
    context.write(
        "build.sh",
        "set -e\nrm -rf build o; mkdir -p build/lib o/lib o/main\njavac -d o/lib src/lib/b/Lib.java\n\
         jar --create --date=2020-01-01T00:00:00Z --file build/lib/lib-1.0.jar -C o/lib .\n\
         javac -cp o/lib -d o/main src/main/a/Main.java; cp src/text o/main/\n\
         printf 'Main-Class: a.Main\\nClass-Path: lib/lib-1.0.jar\\n' > o/manifest\n\
         jar --create --manifest o/manifest --file build/shop.jar -C o/main .\n",
    );
    build(&context);
    assert_eq!(says(&context, "shop", &[]), "lib resource");
    let all = ["libraries", "resources", "classes"].map(|title| format!("oci: :shop to /app: {title}"));
    assert_eq!(titles(&context, "shop"), all);
    let before = layers(&context, "shop");
    context.write("src/main/a/Main.java", main.replace("\" \"", "\"-\""));
    build(&context);
    assert_eq!(
        (moved(&before, &layers(&context, "shop")), says(&context, "shop", &[])),
        (vec![all[2].clone()], "lib-resource".to_owned())
    );
}

#[test]
fn a_jar_of_spring_boot_falls_into_its_own_layers() {
    let context = TestContext::with_manifest(
        "[package.shop]\njava = { jar = \"shop.jar\" }\n[build.shop]\nbase = \"scratch\"\npackages = [\":shop\"]\n",
    );
    for (path, content) in [
        ("BOOT-INF/lib/a-1.jar", "a"),
        ("BOOT-INF/lib/b-1-SNAPSHOT.jar", "b"),
        ("org/springframework/boot/loader/launch/JarLauncher.class", "l"),
        ("BOOT-INF/classes/c.class", "c"),
        (
            "BOOT-INF/layers.idx",
            "- \"dependencies\":\n  - \"BOOT-INF/lib/a-1.jar\"\n- \"spring-boot-loader\":\n  - \"org/\"\n\
             - \"snapshot-dependencies\":\n  - \"BOOT-INF/lib/b-1-SNAPSHOT.jar\"\n\
             - \"application\":\n  - \"BOOT-INF/classes/\"\n  - \"BOOT-INF/layers.idx\"\n  - \"META-INF/\"\n",
        ),
    ] {
        context.write(&format!("jar/{path}"), content);
    }
    context.write(
        "manifest",
        "Main-Class: org.springframework.boot.loader.launch.JarLauncher\nSpring-Boot-Layers-Index: BOOT-INF/layers.idx\n",
    );
    let jar = || {
        succeed(
            tool("jar")
                .args(["--create", "--manifest", "manifest", "--file", "shop.jar", "-C", "jar", "."])
                .current_dir(context.project()),
        )
    };
    jar();
    build(&context);
    let all = ["dependencies", "spring-boot-loader", "snapshot-dependencies", "application"];
    assert_eq!(titles(&context, "shop"), all.map(|title| format!("oci: :shop to /app: {title}")));
    let before = layers(&context, "shop");
    context.write("jar/BOOT-INF/classes/c.class", "edited");
    jar();
    build(&context);
    assert_eq!(moved(&before, &layers(&context, "shop")), ["oci: :shop to /app: application"]);
    let manifest = manifest(&context, "shop");
    let config = images::read_json(&images::blob(&context.layout(), &manifest["config"]));
    let entrypoint = config["config"]["Entrypoint"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    assert_eq!(
        entrypoint.collect::<Vec<_>>(),
        ["java", "-cp", "/app", "org.springframework.boot.loader.launch.JarLauncher"]
    );
    context.write("shop.jar", "no jar");
    let told = context.finish(oci(&context).arg("build")).failure(1);
    assert!(told.stderr().contains("oci::target::not_a_jar"), "{told}");
}

/// The paths of all layers of an image that packages made.
fn paths(context: &TestContext, name: &str) -> Vec<String> {
    let layers = layers(context, name);
    let found = layers.iter().flat_map(|(_, digest)| {
        let blob = context.layout().join("blobs").join(digest.replace(':', "/"));
        succeed(tool("tar").arg("-tzf").arg(blob)).lines().map(str::to_owned).collect::<Vec<_>>()
    });
    found.filter(|path| !path.ends_with('/')).collect()
}

#[test]
fn what_folder_packages_leave_out_is_in_no_target_and_what_is_packed_decides_it() {
    let context = TestContext::with_manifest(
        "[project]\nexclude = [\"*/private/**\"]\nignore-files = [\".gitignore\"]\n\
         [package.api]\npython = { project = \"api\", version = \"3.11\" }\n\
         [package.web]\nnode = { project = \"web\" }\nexclude = [\"web/docs/**\"]\n\
         [build.api]\nbase = \"scratch\"\npackages = [\":api\"]\n\
         [build.web]\nbase = \"scratch\"\npackages = [\":web\"]\n",
    );
    for project in ["api", "web"] {
        for (path, content) in
            [(".env", "SECRET"), (".gitignore", ".env\n"), ("private/key", "k"), ("docs/a", "d"), ("build/a.py", "1")]
        {
            context.write(&format!("{project}/{path}"), content);
        }
    }
    context.write("api/requirements.txt", "");
    context.write("web/package.json", r#"{"name":"web","version":"1.0.0"}"#);
    context.write("web/package-lock.json", r#"{"name":"web","version":"1.0.0","lockfileVersion":3,"packages":{}}"#);
    build(&context);
    assert_eq!(paths(&context, "api"), ["app/.gitignore", "app/build/a.py", "app/docs/a"]);
    assert_eq!(paths(&context, "web"), ["app/build/a.py", "app/package.json"]);
    let before = [context.built("api"), context.built("web")];
    context.write("api/private/key", "changed");
    context.write("web/docs/a", "changed");
    let told = context.finish(oci(&context).args(["build", "--dry-run"])).success();
    assert!(!told.stdout().contains("it was not made"), "{told}");
    context.write("api/build/a.py", "2");
    context.write("web/build/a.py", "2");
    build(&context);
    assert!(before[0] != context.built("api") && before[1] != context.built("web"));
}

#[test]
fn go_is_made_again_when_code_outside_of_its_module_changes() {
    let context = TestContext::with_manifest(
        "[project]\nignore-files = [\".gitignore\"]\n[package.app]\ngo = { main = \"app\" }\n\
         [build.app]\nbase = \"scratch\"\npackages = [\":app\"]\n",
    );
    context.write("lib/go.mod", "module example.com/lib\n\ngo 1.19\n");
    context.write("lib/lib.go", "package lib\n\nconst V = \"1\"\n");
    context.write("app/main.go", "package main\n\nimport \"example.com/lib\"\n\nfunc main() { println(lib.V + G) }\n");
    context.write("app/generated.go", "package main\n\nconst G = \"1\"\n");
    context.write("app/.gitignore", "generated.go\n");
    let module = "module example.com/app\n\ngo 1.19\n";
    let replaced = |path: &str| format!("{module}require example.com/lib v0.0.0\nreplace example.com/lib => {path}\n");
    let mut seen = std::collections::BTreeSet::new();
    let mut version = 1;
    for (go_mod, go_work) in [
        (replaced("../lib"), None),
        (replaced("\"../lib\""), None),
        (replaced(&context.project().join("lib").display().to_string()), None),
        (module.to_owned(), Some("go 1.19\n\nuse (\n\t./app\n\t./lib\n)\n")),
    ] {
        context.write("app/go.mod", &go_mod);
        go_work.iter().for_each(|text| drop(context.write("go.work", text)));
        for path in ["lib/lib.go", "app/generated.go"] {
            version += 1;
            let text = context.read(path);
            let (start, _) = text.split_once('"').unwrap();
            context.write(path, format!("{start}\"{version}\"\n"));
            build(&context);
            assert!(seen.insert(context.built("app")), "{go_mod} {path}");
        }
    }
}

#[test]
fn a_class_path_names_libraries_and_folders_as_java_reads_it() {
    let context = TestContext::with_manifest(
        "[package.shop]\njava = { jar = \"shop.jar\" }\n[build.shop]\nbase = \"scratch\"\npackages = [\":shop\"]\n",
    );
    for path in ["a/l.jar", "b/l.jar", "my lib.jar", "conf/settings", "jar/text"] {
        context.write(path, path);
    }
    context.write("manifest", "Main-Class: a.B  \nClass-Path: a/l.jar b/l.jar my%20lib.jar conf/ gone.jar\n");
    let jar = ["--create", "--manifest", "manifest", "--file", "shop.jar", "-C", "jar", "."];
    succeed(tool("jar").args(jar).current_dir(context.project()));
    build(&context);
    let expected = [
        "app/lib/1-l.jar",
        "app/lib/l.jar",
        "app/lib/my lib.jar",
        "app/META-INF/MANIFEST.MF",
        "app/lib/conf/settings",
        "app/text",
    ];
    let mut found = paths(&context, "shop");
    found.sort();
    let mut expected = expected.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(found, expected);
    let config = images::read_json(&images::blob(&context.layout(), &manifest(&context, "shop")["config"]));
    let words: Vec<&str> =
        config["config"]["Entrypoint"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let class_path = "/app:/app/lib/l.jar:/app/lib/1-l.jar:/app/lib/my lib.jar:/app/lib/conf/";
    assert_eq!(words, ["java", "-cp", class_path, "a.B"]);
    // Nothing that was made of it changed it.
    let told = context.finish(oci(&context).args(["build", "--dry-run"])).success();
    assert!(told.stdout().contains("target   :shop: cached"), "{told}");
    let collision =
        "import zipfile as z\na = z.ZipFile('shop.jar', 'w')\na.writestr('x', '1')\na.writestr('x/y', '2')\na.close()";
    succeed(tool("python3").args(["-c", collision]).current_dir(context.project()));
    let told = context.finish(oci(&context).arg("build")).failure(1);
    assert!(told.stderr().contains("oci::target::not_a_jar") && told.stderr().contains("one name, at `x/y`"), "{told}");
}

#[test]
fn what_npm_and_the_lockfile_refuse_is_told_with_what_to_do() {
    let context = TestContext::with_manifest(
        "[package.web]\nnode = {}\n[build.web]\nbase = \"scratch\"\npackages = [\":web\"]\n",
    );
    let lock = |packages: &str| {
        context.write(
            "package-lock.json",
            format!(r#"{{"name":"a","version":"1.0.0","lockfileVersion":3,"packages":{{{packages}}}}}"#),
        );
    };
    context.write("package.json", r#"{"name":"a","version":"1.0.0","dependencies":{"left-pad":"1.0.0"}}"#);
    lock(r#""":{"name":"a","version":"1.0.0"}"#);
    let told = context.finish(oci(&context).arg("build")).failure(1);
    assert!(told.stderr().contains("run `npm install`, and commit `package-lock.json`"), "{told}");
    lock(r#""lib":{"version":"1.0.0"},"node_modules/lib":{"resolved":"lib","link":true}"#);
    let told = context.finish(oci(&context).arg("build")).failure(1);
    assert!(told.stderr().contains("oci::target::linked_package"), "{told}");
}

#[test]
fn squashed_packages_are_one_layer_whatever_a_target_falls_into() {
    let context = TestContext::with_manifest(
        "[package.gate]\ngo = { main = \".\", data = \"data\" }\n\
         [build.gate]\nbase = \"scratch\"\npackages = [\":gate\"]\nsquash-packages = true\n",
    );
    context.write("go.mod", "module example.com/gate\n\ngo 1.19\n");
    context.write("main.go", "package main\n\nfunc main() {}\n");
    context.write("data/a", "a");
    build(&context);
    assert_eq!(titles(&context, "gate"), ["oci: :gate to /app"]);
}

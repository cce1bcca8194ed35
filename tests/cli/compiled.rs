//! Several stages for one small image: a C program is compiled in one, tried in another, and put into
//! nothing.

use std::path::Path;

use crate::support::images::{Base, blob, descriptor, read_json};
use crate::support::ordinary::Ids;
use crate::support::tools::{find, succeed, tool};
use crate::support::{Registry, TestContext, project};

/// This machine's C compiler, as mounts of all that it needs.
fn compiler() -> String {
    let gcc = |option: String| succeed(tool("gcc").arg(option)).trim().to_owned();
    let mut programs: Vec<String> =
        ["gcc", "as", "ld"].iter().map(|name| find(name).to_str().unwrap().to_owned()).collect();
    programs.extend(["cc1", "collect2"].map(|name| gcc(format!("-print-prog-name={name}"))));
    let data = ["crt1.o", "crti.o", "crtn.o", "crtbeginT.o", "crtend.o", "libgcc.a", "libgcc_eh.a", "libc.a"]
        .map(|name| gcc(format!("-print-file-name={name}")));
    let mut files: Vec<String> = data.into();
    files.push(gcc("-print-file-name=liblto_plugin.so".to_owned()));
    for program in &programs {
        let needed = succeed(tool("ldd").arg(program));
        files.extend(needed.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned));
    }
    files.extend(programs);
    // Without the `..` that the compiler's own paths have.
    let mut files: Vec<String> = files.iter().map(|file| normal(Path::new(file))).collect();
    files.sort();
    files.dedup();
    let mounts: Vec<String> = files.iter().map(|file| format!("{{ path = \"{file}\", to = \"{file}\" }}")).collect();
    mounts.join(", ")
}

fn normal(path: &Path) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.to_str().unwrap().split('/').filter(|name| !name.is_empty()) {
        if name == ".." {
            names.pop();
        } else {
            names.push(name);
        }
    }
    format!("/{}", names.join("/"))
}

/// The stages, to be given what the first mounts.
const TABLES: &str = r#"
[stage.compiled]
base = "busybox"
packages = [{ path = "hello.c", to = "/src/" }]
steps = [
  { run = "mkdir /out && PATH=/usr/bin:/bin gcc -static -ffreestanding -o /out/hello /src/hello.c", mounts = [COMPILER] },
]

[stage.tried]
base = "busybox"
steps = [{ run = "/try/hello stages > /result", mounts = [{ image = "compiled", path = "/out", to = "/try" }] }]

[build.hello]
base = "scratch"
packages = [
  { image = "compiled", path = "/out/hello", to = "/" },
  { image = "tried", path = "/result", to = "/etc/tried" },
]
"#;

fn compiled(registry: &Registry) -> TestContext {
    let context = project::on_base(registry, Base::Busybox, "busybox", &TABLES.replace("COMPILER", &compiler()));
    context.write(
        "hello.c",
        "extern int printf(const char *, ...);\n\
         int main(int count, char **words) { printf(\"hello %s\\n\", count > 1 ? words[1] : \"world\"); return 0; }\n",
    );
    context
}

#[test]
fn a_program_is_compiled_tried_and_put_into_nothing() {
    let registry = Registry::start();
    let usual = compiled(&registry);
    usual.run(["build"]).success();
    assert_eq!(usual.run(["run", "hello"]).success().stdout(), "hello world\n");
    let layout = usual.layout();
    let manifest = read_json(&blob(&layout, &descriptor(&layout, "hello")));
    let layers = manifest["layers"].as_array().unwrap();
    let holds = |layer: usize| succeed(tool("tar").arg("-tzf").arg(blob(&layout, &layers[layer])));
    assert_eq!((layers.len(), holds(0).as_str(), holds(1).as_str()), (2, "hello", "etc/\netc/tried"));
    let tried = succeed(tool("tar").arg("-xOzf").arg(blob(&layout, &layers[1])).arg("etc/tried"));
    assert_eq!(tried, "hello stages");
    // A second build does nothing again, and another user gets equal digests.
    assert!(!usual.run(["build"]).success().stderr().contains("running "));
    let context = compiled(&registry);
    let oci = context.as_ordinary_user(Ids::Subordinate);
    context.finish(oci().arg("build")).success();
    assert_eq!(context.built("hello"), usual.built("hello"));
}

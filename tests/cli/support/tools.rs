//! The system's tools, found or asked for.

use std::env::var_os;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The Debian package of each tool whose package has another name.
const PACKAGES: &[(&str, &str)] = &[
    ("htpasswd", "apache2-utils"),
    ("qemu-aarch64-static", "qemu-user-static"),
    ("setcap", "libcap2-bin"),
    ("setfattr", "attr"),
    ("gpg", "gnupg"),
    ("gpgconf", "gnupg"),
    ("newuidmap", "uidmap"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
    ("mount", "util-linux"),
    ("useradd", "passwd"),
    ("go", "golang-go"),
    ("javac", "default-jdk-headless"),
    ("jar", "default-jdk-headless"),
    ("npm", "npm"),
    ("node", "nodejs"),
];

/// Where tools are looked for: administrators' folders too, which an ordinary user's `PATH` may lack.
pub(crate) fn search_path() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// The folder for what later runs of the tests use again. Those that only root can run have another one, so that
/// root leaves nothing in an ordinary user's `target`.
pub(crate) fn kept_folder() -> PathBuf {
    var_os("OCI_TESTS_KEPT").map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from)
}

/// The path of a tool; the test fails with the package to install where there is none.
pub(crate) fn find(name: &str) -> PathBuf {
    let search_path = search_path();
    let found = search_path.split(':').map(|folder| PathBuf::from(folder).join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        let package = PACKAGES.iter().find(|(tool, _)| *tool == name).map_or(name, |(_, package)| package);
        panic!("`{name}` is not on this machine; run `apt-get install {package}`, or `scripts/install tests`")
    })
}

/// The program of this name of those from PyPI, which `scripts/install tests` keeps in a folder of their own.
pub(crate) fn hook_runner(name: &str) -> PathBuf {
    let absolute = |name: &str| var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    let path = cache.unwrap_or_default().join("oci-tests/hooks/bin").join(name);
    assert!(path.is_file(), "`{}` is not there; run `scripts/install tests`", path.display());
    path
}

/// Where the tools of languages are looked for, too: uv is kept where the programs are that run hooks.
pub(crate) fn ecosystem() -> String {
    let kept = hook_runner("uv");
    format!("{}:{}", search_path(), kept.with_file_name("").display())
}

/// A command with nothing on standard input.
pub(crate) fn tool(name: &str) -> Command {
    let mut command = Command::new(find(name));
    command.env("PATH", search_path()).stdin(Stdio::null());
    if name == "skopeo" {
        // Nobody's credentials, and none that may not be read.
        command.env("XDG_RUNTIME_DIR", kept_folder());
    }
    command
}

/// Programs of this machine for a step: their paths, and what to mount to have them, libraries included,
/// where they look for them.
pub(crate) fn mounts_of<const N: usize>(names: [&str; N]) -> ([String; N], String) {
    let programs = names.map(find);
    let libraries = programs.iter().flat_map(|program| {
        let needed = succeed(tool("ldd").arg(program));
        needed.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect::<Vec<_>>()
    });
    let files: std::collections::BTreeSet<PathBuf> = libraries.chain(programs.iter().cloned()).collect();
    let mounts = files.iter().map(|path| format!("{{ path = \"{0}\", to = \"{0}\" }}", path.display()));
    (programs.map(|program| program.display().to_string()), mounts.collect::<Vec<_>>().join(", "))
}

/// A busybox that needs no libraries, so that it runs in an image that has none.
pub(crate) fn static_busybox() -> PathBuf {
    let path = PathBuf::from("/bin/busybox");
    let linked = || tool("ldd").arg(&path).output().unwrap().status.success();
    assert!(path.is_file() && !linked(), "no static busybox; run `apt-get install busybox-static`");
    path
}

/// Runs a command that must succeed, and gives its standard output without the last line's end.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("could not start {command:?}: {error}"));
    assert!(output.status.success(), "{command:?} failed, {}", describe(&output));
    String::from_utf8(output.stdout).unwrap().trim_end_matches('\n').to_owned()
}

pub(crate) fn describe(output: &Output) -> String {
    format!(
        "{}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

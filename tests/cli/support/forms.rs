//! A project with a package of every form, and files that tell surroundings apart if anything does.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::TestContext;

/// As the manifest has them.
const PACKAGES: &str = r#"packages = [
  "bin/{arch}/tool",
  "site",
  { path = "conf", to = "/etc/app/", include = ["**/*.conf"], exclude = ["**/skip.conf"], folder-mode = "0750", owner = "12:34" },
  { path = "data/*.txt", to = "/srv/data" },
  "src/**/*.py",
  { path = "bin/{arch}/tool", to = "/bin/{cpu}-{os}-{platform}", mode = "4755" },
  { path = "bin/{arch}/tool", to = "/root/" },
  { archive = "tree.jpeg", to = "/opt/tree", strip = 1, exclude = ["**/*.o"] },
  { text = "Welcome to {version}\n", to = "/tmp/motd", mode = "0600", owner = "1:2" },
  { link = "/usr/local/bin/tool", target = "/tool" },
  { folder = "/var/lib/app", mode = "1770", owner = "65532:65532" },
  { text = "state", to = "/var/lib/app/state" },
  { path = "missing", to = "/missing", optional = true },
  { path = "followed", to = "/followed", follow = true },
]
"#;

/// The beginning of `oci.toml`, up to the builds.
const PROJECT: &str = "[project]\nname = \"forms\"\nversion = \"1.2\"\nexclude = [\"**/*.bak\"]\n\
                       platforms = [\"linux/amd64\", \"linux/arm64\"]\n\n\
                       [layer.shared]\npackages = [{ path = \"data\", to = \"/shared\" }]\n";

/// A build with all packages on this base, of the tables of which `tables` are.
pub(crate) fn write_manifest(context: &TestContext, tables: &str, builds: &[(&str, &str)]) {
    let mut text = format!("{PROJECT}\n{tables}");
    for (name, keys) in builds {
        text += &format!("\n[build.{name}]\nlayers = [\"shared\"]\n{keys}\n{PACKAGES}");
    }
    context.write("oci.toml", text);
}

pub(crate) fn write_files(context: &TestContext) {
    for architecture in ["amd64", "arm64"] {
        context.write_program(&format!("bin/{architecture}/tool"), format!("#!/bin/sh\necho {architecture}\n"));
    }
    for name in ["index.html", ".hidden", "sub/b", "sub/a", "sub.d/x", "Sub/x", "page.bak", ".git/config"] {
        context.write(&format!("site/{name}"), format!("content of {name}\n"));
    }
    context.write(&format!("site/{}/{}", "long-".repeat(20), "name-".repeat(30)), "a long name");
    context.write("site/é", "UTF-8");
    fs::write(context.project().join("site").join(OsStr::from_bytes(b"\xff\xfe")), "not UTF-8").unwrap();
    fs::create_dir(context.project().join("site/empty")).unwrap();
    symlink("../index.html", context.project().join("site/sub/up")).unwrap();
    for name in ["app.conf", "sub/more.conf", "sub/skip.conf", "README"] {
        context.write(&format!("conf/{name}"), name);
    }
    // The content is large enough for several blocks, equal on every machine, and not all of one byte.
    let large: String = (0..150_000_u32).map(|number| format!("{}\n", number.wrapping_mul(2_654_435_761))).collect();
    context.write("data/large.txt", large);
    context.write("data/small.txt", "small\n");
    context.write("src/pkg/__init__.py", "");
    context.write("src/pkg/deep/module.py", "pass\n");
    context.write("src/pkg/notes.txt", "not packed\n");
    context.write("elsewhere/file", "followed\n");
    fs::create_dir(context.project().join("followed")).unwrap();
    symlink("../elsewhere", context.project().join("followed/folder")).unwrap();
    let private = context.write("data/private.txt", "its owner's alone\n");
    fs::set_permissions(private, Permissions::from_mode(0o600)).unwrap();
    context.write("tree.jpeg", zstd::encode_all(&archive()[..], 3).unwrap());
}

/// What gives the right to serve ports below 1024, as the kernel keeps it.
pub(crate) const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// An archive with modes, owners, links and attributes of its own.
fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let header = |kind, mode, (uid, gid), size: usize| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(uid);
        header.set_gid(gid);
        header.set_mtime(1_234_567_890);
        header.set_size(u64::try_from(size).unwrap());
        header
    };
    let mut folder = |name, mode, owner| {
        builder.append_data(&mut header(tar::EntryType::Directory, mode, owner, 0), name, &[][..]).unwrap();
    };
    folder("top/", 0o755, (0, 0));
    folder("top/shared/", 0o2775, (100, 200));
    let mut file = |name: &str, mode, owner, content: &[u8]| {
        builder.append_data(&mut header(tar::EntryType::Regular, mode, owner, content.len()), name, content).unwrap();
    };
    file("top/shared/z", 0o640, (100, 200), b"linked twice");
    file("top/setuid", 0o4711, (0, 0), b"#!/bin/sh\n");
    file("top/object.o", 0o644, (0, 0), b"left out");
    file(&format!("top/{}", "x".repeat(120)), 0o444, (2_500_000, 0), b"GNU's long name");
    let mut link = |kind, name, target| builder.append_link(&mut header(kind, 0o777, (0, 0), 0), name, target).unwrap();
    link(tar::EntryType::Link, "top/a", "top/shared/z");
    link(tar::EntryType::Link, "top/shared/b", "top/a");
    link(tar::EntryType::Symlink, "top/link", "shared/../setuid");
    let attributes = [("SCHILY.xattr.security.capability", &CAPABILITY[..]), ("SCHILY.xattr.user.note", b"kept")];
    builder.append_pax_extensions(attributes).unwrap();
    builder.append_data(&mut header(tar::EntryType::Regular, 0o755, (0, 0), 2), "top/capable", &b"#!"[..]).unwrap();
    builder.into_inner().unwrap()
}

//! Finds a container's program before it is started, as `execvp` will: runc says too little about a program that is
//! missing or not executable, and its exit status says nothing. Mounts are not there yet, so of programs in them only
//! their existence is checked.

use std::path::PathBuf;

use rustix::fs::{FileType, Stat};

use crate::sandbox::Process;
use crate::sandbox::account::Account;
use crate::sandbox::binary::{Binary, Verdict};
use crate::sandbox::refusal::{Attempt as _, Refusal};
use crate::sandbox::view::{Holder, Place, View};
use crate::sanitize;

/// Enough for an ELF header, its program headers and the name of its loader.
const HEAD: u64 = 64 << 10;
/// As many as the kernel starts for one program, and more: an interpreter may be a script itself.
const MOST_INTERPRETERS: usize = 8;

/// Refuses a program that is not there, may not be executed by this user, or is for another machine.
pub(super) fn check(process: &Process, account: &Account, view: &View<'_>, image: &str) -> Result<(), Refusal> {
    let name = process.arguments.first().map(String::as_str).unwrap_or_default();
    let shown = sanitize::name(name);
    let mut place = find(name, process, account, view, image)?;
    // The name of the file that is looked at, for messages.
    let mut script = shown.clone();
    for depth in 0..MOST_INTERPRETERS {
        let head = view.read(&place, HEAD).attempt("read", place.absolute())?;
        let binary = Binary::read(&head);
        let misnamed = binary.name_before_carriage_return();
        let interpreter = match binary.judge() {
            Verdict::Fine { interpreter: None } => return Ok(()),
            Verdict::Fine { interpreter: Some(interpreter) } => interpreter,
            // Nothing more is known of files of this machine.
            _ if depth > 0 || place.holder != Holder::Image => return Ok(()),
            Verdict::Foreign { machine } => return Err(Refusal::Foreign { program: shown, machine }),
            Verdict::Unknown => {
                return Err(Refusal::NotExecutable {
                    program: shown,
                    reason: "it is neither an ELF program nor a script that begins with `#!`".to_owned(),
                });
            }
        };
        let found = view.find(&process.workdir.join(&interpreter)).ok().filter(|place| place.stat.is_some());
        place = match (found, misnamed) {
            (Some(place), None) => place,
            // For an interpreter of that very name; if it is there, it is what was meant.
            (Some(place), Some(_)) if interpreter.ends_with('\r') => place,
            (_, Some(name)) => return Err(Refusal::LineEnds { script, wanted: sanitize::name(&name) }),
            (None, None) => {
                return Err(Refusal::NoInterpreter { program: shown, interpreter: sanitize::name(&interpreter) });
            }
        };
        script = sanitize::name(&interpreter);
    }
    Ok(())
}

/// The file that will be executed.
fn find(name: &str, process: &Process, account: &Account, view: &View<'_>, image: &str) -> Result<Place, Refusal> {
    let path = process.environment.iter().rev().find_map(|entry| entry.strip_prefix("PATH="));
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![process.workdir.join(name)]
    } else {
        path.unwrap_or_default().split(':').map(|folder| process.workdir.join(folder).join(name)).collect()
    };
    let mut refused = None;
    for candidate in candidates {
        let Ok(place) = view.find(&candidate) else { continue };
        if place.is_beyond() {
            return Err(Refusal::beyond("the program", &candidate, &place.absolute(), image));
        }
        let Some(found) = &place.stat else { continue };
        match may_execute(found, account) {
            Ok(()) => return Ok(place),
            // Whether this machine's files may be executed, the container's own view of them tells.
            Err(_) if place.holder != Holder::Image => return Ok(place),
            Err(reason) => _ = refused.get_or_insert(reason),
        }
    }
    let program = sanitize::name(name);
    match refused {
        Some(reason) => Err(Refusal::NotExecutable { program, reason: reason.to_owned() }),
        None => {
            let path = (!name.contains('/')).then(|| path.unwrap_or_default().to_owned());
            Err(Refusal::NotFound { program, path })
        }
    }
}

fn may_execute(found: &Stat, account: &Account) -> Result<(), &'static str> {
    match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err("it is a folder"),
        _ => return Err("it is no file"),
    }
    let groups = || account.supplementary.iter().chain([&account.group]);
    let mask = if account.user == 0 {
        0o111
    } else if found.st_uid == account.user {
        0o100
    } else if groups().any(|&group| group == found.st_gid) {
        0o010
    } else {
        0o001
    };
    if found.st_mode & mask == 0 { Err("its mode does not let this user execute it") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::sandbox::root::Root;
    use crate::sandbox::view::Content;

    fn process(arguments: &[&str], path: &str) -> Process {
        Process {
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: vec![format!("PATH={path}")],
            user: None,
            workdir: Path::new("/work").to_owned(),
            terminal: false,
        }
    }

    #[test]
    fn finds_what_would_be_executed() {
        let folder = tempfile::tempdir().unwrap();
        for (path, mode, content) in [
            ("work/tool", 0o755, "#!/bin/sh\n"),
            ("bin/sh", 0o755, "\x7fELF?"),
            ("bin/tool", 0o644, "#!/bin/sh\n"),
            ("sbin/tool", 0o744, "#! /bin/none -x\n"),
            ("bin/text", 0o755, "echo\n"),
            ("bin/folder/x", 0o644, ""),
            ("proc/self/fd/7/sh", 0o755, "#!/bin/sh\n"),
            ("bin/out", 0o755, "#!/bin/through\n"),
            ("bin/windows", 0o755, "#!/bin/sh\r\necho\r\n"),
            ("bin/env", 0o755, "\x7fELF?"),
            ("bin/by-env", 0o755, "#!/bin/env bash\r\n"),
            ("bin/odd", 0o755, "#!/bin/sh-\r\n"),
            ("bin/sh-\r", 0o755, "\x7fELF?"),
            ("bin/indirectly", 0o755, "#!/bin/windows\n"),
            ("bin/through", 0o755, "#!/proc/self/fd/7/sh\n"),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let root = Root::open(folder.path()).unwrap();
        let mut view = View::new(&root);
        for (target, path) in [("volume", "bin"), ("one", "bin/tool")] {
            view.mount(Path::new("mounted").join(target), Content::Machine(folder.path().join(path)));
        }
        let account = |user| Account { user, group: user, supplementary: vec![], home: "/".to_owned() };
        let check = |name: &str, path: &str, user| match check(&process(&[name], path), &account(user), &view, "a") {
            Ok(()) => "fine".to_owned(),
            Err(refusal) => refusal.to_string(),
        };
        for (name, path, user, expected) in [
            ("./tool", "", 0, "fine"),
            ("tool", ".", 0, "fine"),
            ("tool", "/none:/bin:/work", 0, "fine"),
            ("tool", "/bin", 0, "`tool` is not executable: its mode does not let this user execute it"),
            ("tool", "/bin:/sbin", 0, "`tool` needs `/bin/none`, which the image does not have"),
            ("tool", "/sbin", 9, "`tool` is not executable: its mode does not let this user execute it"),
            ("/bin/folder", "", 0, "`/bin/folder` is not executable: it is a folder"),
            ("none", "/bin:/sbin", 0, "could not find `none` in the image (PATH is `/bin:/sbin`)"),
            ("/none", "/bin", 0, "could not find `/none` in the image"),
            ("/mounted/volume/text", "", 0, "fine"),
            ("/mounted/one", "", 0, "fine"),
            ("text", "/none:/mounted/volume", 0, "fine"),
            ("out", "/bin", 0, "`out` needs `/proc/self/fd/7/sh`, which the image does not have"),
            (
                "/proc/self/fd/7/sh",
                "",
                0,
                "the program `/proc/self/fd/7/sh` of `a` leads to `/proc/self/fd/7/sh`, which may be outside of the container",
            ),
            (
                "sh",
                "/proc/self/fd/7:/bin",
                0,
                "the program `/proc/self/fd/7/sh` of `a` leads to `/proc/self/fd/7/sh`, which may be outside of the container",
            ),
            (
                "windows",
                "/bin",
                0,
                "`windows` has the line ends of Windows: its first line asks for `/bin/sh` with a carriage return behind it",
            ),
            (
                "by-env",
                "/bin",
                0,
                "`by-env` has the line ends of Windows: its first line asks for `bash` with a carriage return behind it",
            ),
            (
                "indirectly",
                "/bin",
                0,
                "`/bin/windows` has the line ends of Windows: its first line asks for `/bin/sh` with a carriage return behind it",
            ),
            (
                "/mounted/volume/windows",
                "",
                0,
                "`/mounted/volume/windows` has the line ends of Windows: its first line asks for `/bin/sh` with a carriage return behind it",
            ),
            ("odd", "/bin", 0, "fine"),
            ("/mounted/volume/none", "", 0, "could not find `/mounted/volume/none` in the image"),
            ("/mounted/one/x", "", 0, "could not find `/mounted/one/x` in the image"),
            (
                "text",
                "/bin",
                0,
                "`text` is not executable: it is neither an ELF program nor a script that begins with `#!`",
            ),
        ] {
            assert_eq!(check(name, path, user), expected, "{name} {path} {user}");
        }
    }
}

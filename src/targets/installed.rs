//! Wheels that were unpacked into a folder: made equal on every machine, and divided by size.
//!
//! What differs by nature is dealt with here. Scripts name the interpreter of the machine that unpacked them, and get
//! `#!/usr/bin/env python3`; `RECORD` has no hash of them any more. Files in which uv notes where something came from are
//! removed, and of the project's own packages also `RECORD` and `WHEEL`, which name the versions of build tools.

use std::fs;
use std::path::{Path, PathBuf};

use crate::fs::{FileError, LARGEST_TEXT, write_atomically};

/// A wheel with files of this many bytes is a layer of its own.
const LARGE: u64 = 16 << 20;

/// The first line of scripts.
const SHEBANG: &[u8] = b"#!/usr/bin/env python3\n";

/// Whose packages are in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// They come from an index.
    Others,
    /// They are the project's own.
    Own,
}

/// Takes out of a folder what depends on the machine. A folder that does not exist is none.
pub(super) fn settle(folder: &Path, whose: Whose) -> Result<(), FileError> {
    remove(&folder.join(".lock"))?;
    for script in names(&folder.join("bin")) {
        settle_script(&folder.join("bin").join(script))?;
    }
    for info in names(folder).into_iter().filter(|name| name.ends_with(".dist-info")) {
        let info = folder.join(info);
        for name in ["direct_url.json", "uv_cache.json", "REQUESTED"] {
            remove(&info.join(name))?;
        }
        match whose {
            Whose::Own => ["RECORD", "WHEEL", "INSTALLER"].into_iter().try_for_each(|name| remove(&info.join(name)))?,
            Whose::Others => settle_record(&info.join("RECORD"))?,
        }
    }
    Ok(())
}

/// Makes a script start with the first `python3` that is found, if it starts with one of this machine.
fn settle_script(path: &Path) -> Result<(), FileError> {
    let bytes = crate::fs::read(path, LARGEST_TEXT).unwrap_or_default();
    let Some(rest) = behind_interpreter(&bytes) else { return Ok(()) };
    write_atomically(path, &[SHEBANG, rest].concat(), 0o755)
}

/// What stands behind the lines of a script that name an interpreter of Python. Where its path is long, a shell starts it.
fn behind_interpreter(bytes: &[u8]) -> Option<&[u8]> {
    let (first, rest) = bytes.split_at(memchr::memchr(b'\n', bytes)? + 1);
    if first == b"#!/bin/sh\n" && rest.starts_with(b"'''exec'") {
        return memchr::memchr_iter(b'\n', rest).nth(1).map(|end| &rest[end + 1..]);
    }
    (first.starts_with(b"#!") && memchr::memmem::find(first, b"python").is_some()).then_some(rest)
}

/// Takes the hashes of scripts, and the lines of files that were removed, out of a `RECORD`.
fn settle_record(path: &Path) -> Result<(), FileError> {
    let Ok(text) = crate::fs::read_text(path, LARGEST_TEXT) else { return Ok(()) };
    let lines = text.lines().filter_map(|line| {
        let name = of_line(line);
        let removed = ["direct_url.json", "uv_cache.json", "REQUESTED"];
        if removed.iter().any(|file| name.ends_with(&format!(".dist-info/{file}"))) {
            return None;
        }
        Some(if name.starts_with("bin/") { format!("{name},,") } else { line.to_owned() })
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    write_atomically(path, (lines.join("\n") + "\n").as_bytes(), 0o644)
}

/// The path in a line of a `RECORD`.
fn of_line(line: &str) -> String {
    match line.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        Some((name, _)) => name.to_owned(),
        None => line.split(',').next().unwrap_or_default().to_owned(),
    }
}

/// Moves the largest wheels, at most so many, into folders of their own beside this one. Returns the name of each and
/// its folder, sorted.
pub(super) fn split(folder: &Path, beside: &Path, most: usize) -> Result<Vec<(String, PathBuf)>, FileError> {
    let infos = names(folder).into_iter().filter(|name| name.ends_with(".dist-info"));
    let mut wheels: Vec<(u64, String, Vec<String>)> = infos
        .map(|info| {
            let record = crate::fs::read_text(&folder.join(&info).join("RECORD"), LARGEST_TEXT).unwrap_or_default();
            let files: Vec<String> = record.lines().map(of_line).filter(|file| !file.starts_with(['/', '.'])).collect();
            let size = files
                .iter()
                .filter_map(|file| folder.join(file).symlink_metadata().ok())
                .map(|found| found.len())
                .sum();
            (size, info.trim_end_matches(".dist-info").replacen('-', " ", 1), files)
        })
        .filter(|(size, ..)| *size >= LARGE)
        .collect();
    wheels.sort_by(|(one, name, _), (other, other_name, _)| other.cmp(one).then(name.cmp(other_name)));
    wheels.truncate(most);
    wheels.sort_by(|(_, one, _), (_, other, _)| one.cmp(other));
    let mut large = Vec::new();
    for (_, name, files) in wheels {
        let to = beside.join(format!("large-{}", name.replace(' ', "-")));
        for file in files {
            let (from, to) = (folder.join(&file), to.join(&file));
            crate::fs::create_folder(crate::fs::parent(&to))?;
            // A file that two wheels have was moved with the first.
            if from.symlink_metadata().is_ok() {
                fs::rename(&from, &to).map_err(|error| FileError::new("move", &from, error))?;
            }
        }
        large.push((name, to));
    }
    remove_empty(folder);
    Ok(large)
}

/// The scripts of a folder, sorted.
pub(super) fn scripts(folder: &Path) -> Vec<String> {
    names(&folder.join("bin"))
}

/// Removes the empty folders below a folder.
fn remove_empty(folder: &Path) {
    for name in names(folder) {
        let path = folder.join(name);
        if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            remove_empty(&path);
            // It fails for a folder that is not empty.
            let _ = fs::remove_dir(&path);
        }
    }
}

fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FileError::new("remove", path, error)),
        _ => Ok(()),
    }
}

/// The names in a folder, sorted; none if there is no such folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_start_with_the_python_of_the_image() {
        for (script, left) in [
            ("#!/home/a/venv/bin/python\nimport x\n", Some("import x\n")),
            ("#!/bin/sh\n'''exec' \"/a b/python3\" \"$0\" \"$@\"\n' '''\nimport x\n", Some("import x\n")),
            ("#!/bin/sh\necho\n", None),
            ("no script", None),
            ("", None),
        ] {
            assert_eq!(behind_interpreter(script.as_bytes()), left.map(str::as_bytes), "{script}");
        }
    }

    #[test]
    fn what_differs_by_machine_is_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, content: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write("bin/tool", "#!/x/python3.11\npass\n");
        write(
            "a-1.dist-info/RECORD",
            "z.py,sha256=1,2\nbin/tool,sha256=1,2\na-1.dist-info/REQUESTED,,\n\"a,b.py\",sha256=1,2\n",
        );
        write("a-1.dist-info/REQUESTED", "");
        write(".lock", "");
        settle(folder.path(), Whose::Others).unwrap();
        let record = fs::read_to_string(folder.path().join("a-1.dist-info/RECORD")).unwrap();
        assert_eq!(record, "\"a,b.py\",sha256=1,2\nbin/tool,,\nz.py,sha256=1,2\n");
        assert_eq!(fs::read_to_string(folder.path().join("bin/tool")).unwrap(), "#!/usr/bin/env python3\npass\n");
        assert_eq!(names(folder.path()), ["a-1.dist-info", "bin"]);
        settle(folder.path(), Whose::Own).unwrap();
        assert_eq!(names(&folder.path().join("a-1.dist-info")), [""; 0]);
    }

    #[test]
    fn a_large_wheel_is_moved_with_all_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let deps = folder.path().join("deps");
        fs::create_dir_all(deps.join("big/sub")).unwrap();
        fs::create_dir_all(deps.join("big-2.0.dist-info")).unwrap();
        fs::create_dir_all(deps.join("small")).unwrap();
        fs::write(deps.join("small/a.py"), "").unwrap();
        let file = fs::File::create(deps.join("big/sub/lib.so")).unwrap();
        file.set_len(LARGE).unwrap();
        fs::write(deps.join("big-2.0.dist-info/RECORD"), "big/sub/lib.so,,\nbig-2.0.dist-info/RECORD,,\n../x,,\n")
            .unwrap();
        assert_eq!(split(&deps, folder.path(), 0).unwrap(), []);
        let large = split(&deps, folder.path(), 5).unwrap();
        assert_eq!(large, [("big 2.0".to_owned(), folder.path().join("large-big-2.0"))]);
        assert_eq!(
            (names(&deps), names(&large[0].1)),
            (vec!["small".to_owned()], vec!["big".to_owned(), "big-2.0.dist-info".to_owned()])
        );
    }
}

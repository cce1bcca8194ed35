//! Sparse files in every form that GNU tar writes them in.

use std::os::unix::fs::FileExt as _;
use std::process::Command;

use super::tests::flat;
use super::*;

#[test]
fn sparse_files_are_whole_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let file = File::create_new(folder.path().join("holes")).unwrap();
    for part in 0..40 {
        file.write_all_at(&[b'x'; 4096], 8192 + part * 65536).unwrap();
    }
    file.set_len(5 << 20).unwrap();
    drop(file);
    let whole = std::fs::read(folder.path().join("holes")).unwrap();
    for form in [&["--format=gnu"][..], &["0.0"], &["0.1"], &["1.0"]] {
        let mut command = Command::new("tar");
        match form {
            [version @ ("0.0" | "0.1" | "1.0")] => {
                command.arg("--format=posix").arg(format!("--sparse-version={version}"))
            }
            gnu => command.args(gnu),
        };
        let made = command.args(["--mtime=@7", "-Scf", "-", "-C"]).arg(folder.path()).arg("holes").output().unwrap();
        assert!(made.status.success() && made.stdout.len() < 1 << 20, "{form:?}");
        let found = flat(&[made.stdout], &|_, _| true).unwrap();
        assert!(found["holes"].5 == whole && found["holes"].3 == 7, "{form:?}");
    }
}

//! Times `oci build` as a whole process against the least that has to be done, in one run: only the
//! ratios mean anything. `cargo bench --bench build` prints a table of medians; words that follow pick
//! the rows in whose names they are.

#![expect(clippy::expect_used, reason = "without its setting a benchmark has nothing to say")]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{floor, header, is_wanted, medians, program, row, small_files};

const KINDS: [&str; 3] = ["gzip", "zstd", "none"];

fn main() {
    // The floors are processes too: this one, started again.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["floor", kind @ ("layer" | "synced"), tree, out, compression] => {
            return floor::layer(tree.as_ref(), out.as_ref(), compression, *kind == "synced");
        }
        ["floor", "walk", tree] => return floor::walk(tree.as_ref(), &mut Vec::new()),
        _ => {}
    }
    let folder = tempfile::tempdir().expect("a folder to work in");
    header();
    one_file(&folder.path().join("append"), "append 50 MB", 50 << 20, 7);
    many_files(&folder.path().join("files"));
    one_file(&folder.path().join("large"), "1 GB", 1 << 30, 3);
}

fn one_file(folder: &Path, name: &str, size: usize, runs: usize) {
    let rows = ["gzip", "zstd", "none", "one byte changed", "nothing changed"].map(|row| format!("{name}, {row}"));
    if !rows.iter().any(|name| is_wanted(name)) {
        return;
    }
    fs::create_dir_all(folder.join("tree")).expect("a folder");
    let file = File::create_new(folder.join("tree/app")).expect("a file");
    for part in 0..size >> 22 {
        file.write_all_at(&program(part as u64, 1 << 22), (part << 22) as u64).expect("room");
    }
    for (kind, name) in KINDS.iter().zip(&rows) {
        if is_wanted(name) {
            project(folder, "\"tree/app\"", kind);
            row(
                name,
                medians(runs, || anew(folder), || layer_floor(folder, kind)),
                "read, tar, hash, compress, hash, write",
            );
        }
    }
    project(folder, "\"tree/app\"", "gzip");
    if is_wanted(&rows[3]) {
        anew(folder);
        let mut byte = 0;
        let changed = || {
            byte += 1;
            file.write_all_at(&[byte], (size / 2) as u64).expect("a change");
            build(folder);
        };
        row(&rows[3], medians(runs, changed, || layer_floor(folder, "none")), "the same without compression");
    }
    if is_wanted(&rows[4]) {
        build(folder);
        row(&rows[4], medians(runs, || build(folder), || run(Command::new("true"))), "true");
    }
}

fn many_files(folder: &Path) {
    let rows = ["gzip", "one file changed", "nothing changed"].map(|row| format!("20,000 files, {row}"));
    if !rows.iter().any(|name| is_wanted(name)) {
        return;
    }
    small_files(&folder.join("tree"));
    project(folder, "{ path = \"tree\", to = \"/opt/tree\" }", "gzip");
    if is_wanted(&rows[0]) {
        row(
            &rows[0],
            medians(7, || anew(folder), || layer_floor(folder, "gzip")),
            "walk, read, tar, hash, compress, hash, write",
        );
    }
    if is_wanted(&rows[1]) {
        anew(folder);
        let mut count = 0;
        let changed = || {
            count += 1;
            fs::write(folder.join("tree/package-20/group-0/module_10000.py"), format!("# {count}\n"))
                .expect("a change");
            build(folder);
        };
        row(&rows[1], medians(7, changed, || layer_floor(folder, "gzip")), "the same, built anew");
    }
    if is_wanted(&rows[2]) {
        build(folder);
        row(
            &rows[2],
            medians(7, || build(folder), || start_floor(&["walk".as_ref(), &folder.join("tree")])),
            "a stat walk",
        );
    }
}

fn project(folder: &Path, package: &str, compression: &str) {
    let manifest =
        format!("[build.bench]\nbase = \"scratch\"\npackages = [{package}]\ncompression = \"{compression}\"\n");
    fs::write(folder.join("oci.toml"), manifest).expect("a manifest");
}

/// Builds without anything of before.
fn anew(folder: &Path) {
    let _ = fs::remove_dir_all(folder.join("cache"));
    let _ = fs::remove_dir_all(folder.join(".oci"));
    build(folder);
}

fn build(folder: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oci"));
    command.args(["--quiet", "build"]).current_dir(folder).env("OCI_CACHE_DIR", folder.join("cache"));
    run(command);
}

fn layer_floor(folder: &Path, compression: &str) {
    let out = folder.join("floor");
    let _ = fs::remove_file(&out);
    start_floor(&["layer".as_ref(), &folder.join("tree"), &out, compression.as_ref()]);
}

fn start_floor(arguments: &[&Path]) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("floor").args(arguments);
    run(command);
}

fn run(mut command: Command) {
    let status = command.stdout(Stdio::null()).status().expect("a program that starts");
    assert!(status.success(), "{command:?} failed");
}

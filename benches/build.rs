//! Times `oci build` as a whole process against the least that has to be done, in one run: only the
//! ratios mean anything. `cargo bench` prints a table of medians.

#![expect(clippy::expect_used, reason = "without its setting a benchmark has nothing to say")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs of each command; the median is shown.
const RUNS: usize = 7;

fn main() {
    let folder = tempfile::tempdir().expect("a folder to work in");
    println!("{:28} {:>10} {:>10} {:>7}", "", "oci", "floor", "ratio");
    small_files(&folder.path().join("files"));
    large_file(&folder.path().join("large"));
}

/// 20,000 files of about 4 KB: built anew against tar and gzip, unchanged against a walk.
fn small_files(folder: &Path) {
    let tree = folder.join("tree");
    for group in 0..200 {
        let group = tree.join(format!("group-{group}"));
        fs::create_dir_all(&group).expect("a folder");
        for file in 0..100 {
            let text = format!("{}\n", noise(file + 100 * group.as_os_str().len() as u64, 2000));
            fs::write(group.join(format!("file-{file}.txt")), text).expect("a file");
        }
    }
    project(folder, "{ path = \"tree\", to = \"/opt/tree\" }");
    let anew = median(|| {
        let _ = fs::remove_dir_all(folder.join("cache"));
        build(folder);
    });
    let floor = median(|| shell(folder, "tar -c tree | gzip -1 | sha256sum"));
    row("20,000 files, anew", anew, floor, "tar | gzip -1 | sha256sum");
    build(folder);
    let again = median(|| build(folder));
    let floor = median(|| shell(folder, "find tree -printf '%s %T@ %C@ %i\\n'"));
    row("20,000 files, unchanged", again, floor, "find -printf");
}

/// One file of 100 MB.
fn large_file(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let text: String = (0..25).map(|seed| noise(seed, 1_000_000)).collect();
    fs::write(folder.join("blob"), text.repeat(2)).expect("a file");
    project(folder, "\"blob\"");
    let anew = median(|| {
        let _ = fs::remove_dir_all(folder.join("cache"));
        build(folder);
    });
    let floor = median(|| shell(folder, "gzip -1 <blob | sha256sum"));
    row("one file of 100 MB, anew", anew, floor, "gzip -1 | sha256sum");
    build(folder);
    let again = median(|| build(folder));
    let floor = median(|| shell(folder, "true"));
    row("one file, unchanged", again, floor, "sh -c true");
}

/// Hexadecimal digits: compressible by half, and the same every time.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(&format!("{state:016x}"));
    }
    text
}

fn project(folder: &Path, package: &str) {
    let manifest = format!("[build.bench]\nbase = \"scratch\"\npackages = [{package}]\n");
    fs::write(folder.join("oci.toml"), manifest).expect("a manifest");
}

fn build(folder: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oci"));
    command.args(["--quiet", "build"]).current_dir(folder).env("OCI_CACHE_DIR", folder.join("cache"));
    run(command);
}

fn shell(folder: &Path, script: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(folder);
    run(command);
}

fn run(mut command: Command) {
    let status = command.stdout(Stdio::null()).status().expect("a program that starts");
    assert!(status.success(), "{command:?} failed");
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed()
        })
        .collect();
    times.sort();
    times[RUNS / 2]
}

fn row(name: &str, ours: Duration, floor: Duration, what: &str) {
    let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    println!("{name:28} {:>10} {:>10} {ratio:>6.2}x  {what}", milliseconds(ours), milliseconds(floor));
}

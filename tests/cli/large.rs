//! Large layers: what a small change costs, and how much memory is needed.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::tools::tool;
use crate::support::{TestContext, images};

const MEBIBYTE: usize = 1 << 20;

/// A project of one file of these many MiB, which compresses by a quarter.
fn project(mebibytes: usize, compression: &str) -> TestContext {
    let context = TestContext::with_manifest(&format!(
        "[build.app]\nbase = \"scratch\"\npackages = [\"app\"]\ncompression = \"{compression}\"\n"
    ));
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8 & 0x3f
    });
    context.write("app", noise.take(mebibytes * MEBIBYTE).collect::<Vec<u8>>());
    context
}

/// Changes one byte of the file in the middle.
fn change(context: &TestContext, byte: u8) {
    let file = File::options().write(true).open(context.project().join("app")).unwrap();
    file.write_all_at(&[byte | 0x80], file.metadata().unwrap().len() / 2).unwrap();
}

/// The digest of this project when it is built in an empty cache.
fn built_anew(context: &TestContext) -> String {
    let other = TestContext::new();
    for name in ["oci.toml", "app"] {
        fs::copy(context.project().join(name), other.project().join(name)).unwrap();
    }
    other.run(["build"]).success();
    other.built("app")
}

/// The store's blob of the layer that was built last.
fn layer(context: &TestContext) -> PathBuf {
    let manifest = images::read_json(&images::blob(&context.layout(), &images::descriptor(&context.layout(), "app")));
    let digest = manifest["layers"][0]["digest"].as_str().unwrap();
    context.root().join("cache/oci/blobs/sha256").join(digest.trim_start_matches("sha256:"))
}

#[test]
fn a_small_change_copies_what_was_compressed_before() {
    for compression in ["gzip", "zstd"] {
        let context = project(12, compression);
        context.run(["build"]).success();
        let before = layer(&context);
        change(&context, 1);
        let trace = context.root().join("trace");
        let mut traced = tool("strace");
        traced.args(["-f", "-y", "-e", "trace=pread64", "-o"]).arg(&trace).arg(env!("CARGO_BIN_EXE_oci")).arg("build");
        traced.env_clear().envs(context.environment()).current_dir(context.project());
        context.finish(&mut traced).success();
        let trace = fs::read_to_string(trace).unwrap();
        let name = before.file_name().unwrap().to_str().unwrap();
        // Thirteen blocks with the headers and the end; one holds the change.
        assert_eq!(trace.lines().filter(|line| line.contains(name)).count(), 12, "{compression}: {trace}");
        assert_eq!(context.built("app"), built_anew(&context), "{compression}");
    }
}

#[test]
fn an_earlier_layer_that_is_damaged_or_gone_does_no_harm() {
    let context = project(9, "gzip");
    let damages: [fn(&Path); 3] = [
        |blob| fs::remove_file(blob).unwrap(),
        |blob| {
            fs::remove_file(blob).unwrap();
            fs::write(blob, vec![0; 7 * MEBIBYTE]).unwrap();
        },
        |blob| {
            let half = fs::read(blob).unwrap()[..3 * MEBIBYTE].to_vec();
            fs::remove_file(blob).unwrap();
            fs::write(blob, half).unwrap();
        },
    ];
    context.run(["build"]).success();
    for (number, damage) in damages.iter().enumerate() {
        damage(&layer(&context));
        change(&context, u8::try_from(number).unwrap());
        context.run(["build"]).success();
        assert_eq!(context.built("app"), built_anew(&context), "damage {number}");
    }
}

/// Runs it, and says how many bytes of memory it had at most. What the kernel tells of a process that has
/// ended counts the memory of the one that started it, too.
fn peak(command: &mut Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(&path).unwrap();
        if let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
            peak = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
        }
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success() && peak > 0, "{status}");
            return peak;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// What is promised: 64 MB, 8 MB a core, 400 bytes a file.
fn bound(cores: u64, files: u64) -> u64 {
    64_000_000 + 8_000_000 * cores + 400 * files
}

#[test]
fn memory_does_not_grow_with_the_size_of_a_layer() {
    for (compression, jobs) in [("gzip", 1), ("zstd", 2), ("none", 8)] {
        let context = project(0, compression);
        let size = 300 * MEBIBYTE as u64;
        File::options().write(true).open(context.project().join("app")).unwrap().set_len(size).unwrap();
        let peak = peak(context.oci().args(["-q", "build", "-j", &jobs.to_string()]));
        assert!(peak < bound(jobs, 1), "{compression}: {peak}");
    }
}

#[test]
fn memory_for_many_files_is_bounded() {
    const FILES: u64 = 40_000;
    let context = TestContext::with_manifest(
        "[build.app]\nbase = \"scratch\"\npackages = [{ path = \"tree\", to = \"/opt/a-folder/of-some-length\" }]\n",
    );
    let first = context.write("tree/file", "content");
    for number in 1..FILES {
        let folder = context.project().join(format!("tree/a-folder-of-its-own-{}", number / 300));
        if !folder.exists() {
            fs::create_dir(&folder).unwrap();
        }
        fs::hard_link(&first, folder.join(format!("a-file-with-a-name-{number}.py"))).unwrap();
    }
    for _ in 0..2 {
        let peak = peak(context.oci().args(["-q", "build", "-j", "2"]));
        assert!(peak < bound(2, FILES), "{peak}");
    }
}

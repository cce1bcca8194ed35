//! What both benchmarks need: something to build, the least that has to be done with it, and a table.

pub(crate) mod floor;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes that compress about as programs do, by a little more than half; every run gets equal bytes.
pub(crate) fn program(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut bytes: Vec<u8> = Vec::with_capacity(length + 64);
    while bytes.len() < length {
        let number = random.next();
        let (kind, size) = (number & 15, ((number >> 8) & 7) as usize + 3);
        let start = bytes.len();
        if kind < 7 && start > 8192 {
            // Something of shortly before.
            let back = start - 64 - ((number >> 16) & 8191).min(start as u64 - 64) as usize;
            bytes.extend_from_within(back..(back + 2 * size).min(start));
        } else {
            let next = random.next();
            bytes.extend(next.to_le_bytes().iter().take(size).map(|byte| if kind < 12 { byte & 0x3f } else { *byte }));
        }
    }
    bytes.truncate(length);
    bytes
}

/// Lines of words, as sources have them.
fn text(seed: u64, length: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "import", "return", "self", "None", "class", "value", "result", "config", "async", "buffer", "message",
        "handler", "response", "index", "== 0", "->",
    ];
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut text = String::with_capacity(length + 64);
    while text.len() < length {
        let number = random.next();
        for shift in 0..number & 7 {
            text.push_str(WORDS[(number >> (8 + 4 * shift)) as usize & 15]);
            text.push(' ');
        }
        text.push_str(&format!("{:x}\n", number >> 44));
    }
    text.truncate(length);
    text.into_bytes()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// 20,000 files of about 4 KB in 400 folders.
pub(crate) fn small_files(tree: &Path) {
    for number in 0..20_000_u64 {
        let folder = tree.join(format!("package-{}/group-{}", number / 500, number % 10));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(format!("module_{number}.py")), text(number, 500 + (number as usize * 7919) % 7000))
            .expect("a file");
    }
}

/// The medians of two things that are done in turns, so that a slow moment of the machine hits both. The
/// first turn does not count.
pub(crate) fn medians(runs: usize, mut ours: impl FnMut(), mut floor: impl FnMut()) -> (Duration, Duration) {
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..=runs {
        times.0.push(timed(&mut ours));
        times.1.push(timed(&mut floor));
    }
    let middle = |mut times: Vec<Duration>| {
        times.remove(0);
        times.sort();
        times[runs / 2]
    };
    (middle(times.0), middle(times.1))
}

fn timed(work: &mut impl FnMut()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

pub(crate) fn header() {
    println!("{:40} {:>10} {:>10} {:>7}", "", "oci", "floor", "ratio");
}

pub(crate) fn row(name: &str, (ours, floor): (Duration, Duration), what: &str) {
    let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    println!("{name:40} {:>10} {:>10} {ratio:>6.2}x  {what}", milliseconds(ours), milliseconds(floor));
}

/// Whether this row was asked for: all are, unless words of their names were given.
pub(crate) fn is_wanted(name: &str) -> bool {
    let mut words = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    words.peek().is_none() || words.any(|word| name.contains(&word))
}

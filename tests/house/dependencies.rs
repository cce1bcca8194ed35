//! The crates that the program is built of: their licences let everyone use it, and none is there twice without need.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Licences that ask for no more than to be named.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

/// Crates of which others still need two versions.
const TWICE: &[&str] = &["bit-set", "bit-vec", "getrandom", "syn", "unicode-width"];

/// True if the licences that an SPDX expression offers can be met with ours: one of each `OR`, all of each `AND`.
fn is_fine(expression: &str) -> bool {
    // Crates of old wrote `/` for `OR`.
    let expression = expression.replace('/', " OR ");
    let all = expression.split(" AND ").map(|part| part.trim().trim_start_matches('(').trim_end_matches(')'));
    all.clone().count() > 0
        && all.into_iter().all(|part| part.split(" OR ").any(|licence| LICENCES.contains(&licence.trim())))
}

fn packages() -> Vec<Value> {
    let host = Command::new("rustc").arg("-vV").output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    told["packages"].as_array().unwrap().clone()
}

#[test]
fn licences_let_everyone_use_it_and_no_crate_is_there_twice() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut complaints = Vec::new();
    for package in packages() {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        if !is_fine(&text("license")) {
            complaints.push(format!("`{}` has the licence `{}`", text("name"), text("license")));
        }
        versions.entry(text("name")).or_default().insert(text("version"));
    }
    for (name, versions) in
        versions.iter().filter(|(name, versions)| versions.len() > 1 && !TWICE.contains(&name.as_str()))
    {
        complaints.push(format!("`{name}` is there {} times: {versions:?}", versions.len()));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_rule_of_licences_can_fail() {
    for fine in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
        assert!(is_fine(fine), "{fine}");
    }
    for not in ["", "GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR LGPL-3.0) AND MIT"] {
        assert!(!is_fine(not), "{not}");
    }
}

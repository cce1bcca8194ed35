//! The house rules that a machine can check: which module may use which, start processes, write
//! files and render errors, and how files look.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod circles;
mod dependencies;
mod file;
mod names;
mod rules;

use std::fs;
use std::path::Path;

use file::File;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_in(folder: &str, found: &mut Vec<File>) {
    for entry in fs::read_dir(repository().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files_in(&path, found);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            found.push(File::new(&path, &text));
        }
    }
}

fn files(folders: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    for folder in folders.iter().filter(|folder| repository().join(folder).is_dir()) {
        files_in(folder, &mut found);
    }
    found
}

fn rust_files(folders: &[&str]) -> Vec<File> {
    let mut found = files(folders);
    found.retain(|file| file.path.ends_with(".rs"));
    assert!(!found.is_empty());
    let for_tests: Vec<String> = found.iter().flat_map(File::test_modules).collect();
    for file in &mut found {
        let path = file.path.trim_end_matches(".rs");
        file.test_only = for_tests.iter().any(|module| path == module || path.starts_with(&format!("{module}/")));
    }
    found
}

#[track_caller]
fn hold(files: &[File], rules: &[fn(&File) -> Vec<String>]) {
    let complaints: Vec<String> = files.iter().flat_map(|file| rules.iter().flat_map(|rule| rule(file))).collect();
    assert!(complaints.is_empty(), "the house rules are broken:\n{}", complaints.join("\n"));
}

#[test]
fn a_file_uses_only_its_own_floor_or_below() {
    hold(&rust_files(&["src"]), &[rules::floors]);
}

#[test]
fn no_files_need_each_other_in_a_circle() {
    let complaints = circles::circles(&rust_files(&["src"]));
    assert!(complaints.is_empty(), "the house rules are broken:\n{}", complaints.join("\n"));
}

#[test]
fn no_two_types_share_a_name() {
    let complaints = names::shared_names(&rust_files(&["src"]));
    assert!(complaints.is_empty(), "the house rules are broken:\n{}", complaints.join("\n"));
}

#[test]
fn each_thing_is_done_in_one_place() {
    hold(
        &rust_files(&["src"]),
        &[
            rules::one_spawn_site,
            rules::one_renderer,
            rules::one_writer,
            rules::errors_keep_their_type,
            rules::told_once,
        ],
    );
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    hold(&rust_files(&["src"]), &[rules::length, rules::begins_with_its_purpose, rules::names_the_concept]);
}

#[test]
fn every_test_runs() {
    hold(&rust_files(&["src", "tests"]), &[rules::no_test_is_skipped, rules::what_needs_root_is_named_so]);
}

#[test]
fn unit_tests_need_rust_alone() {
    hold(&rust_files(&["src"]), &[rules::tests_need_rust_alone]);
}

#[test]
fn nothing_names_a_machine_or_a_network() {
    let mut all = files(&["src", "tests", "scripts", ".ci", "docs", "benches", "examples"]);
    for name in ["README.md", "CHANGELOG.md", "Cargo.toml", "oci.toml.example"] {
        all.extend(fs::read_to_string(repository().join(name)).ok().map(|text| File::new(name, &text)));
    }
    hold(&all, &[rules::names_no_machine]);
}

#[test]
fn every_diagnostic_is_shown_in_a_snapshot() {
    let code: Vec<String> = rust_files(&["src"]).iter().map(|file| file.without_tests().to_owned()).collect();
    let snapshots: Vec<String> = files(&["src", "tests"])
        .into_iter()
        .filter(|file| file.path.ends_with(".snap"))
        .map(|file| file.text)
        .collect();
    let unseen = rules::unseen_codes(&code.concat(), &snapshots.concat());
    assert!(unseen.is_empty(), "no snapshot shows what a person sees of\n{}", unseen.join("\n"));
}

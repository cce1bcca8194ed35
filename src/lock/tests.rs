//! Renders everything that can be wrong with a lockfile.

use std::collections::BTreeSet;
use std::fmt::Write;

use miette::Diagnostic;

use crate::diagnostic::{codes_of, rendered};
use crate::lock::{Lock, agreed};
use crate::problem::Problem;
use crate::source::Source;

const GOOD: &str = r#"# @generated
version = 1

[image."python#slim"]
repository = "docker.io/library/python"
tag = "3.12-slim"
digest = "sha256:97c123c899c8c9ca46248f4002ec4173322e0a1086b386efefac163c64967ba2"
media-type = "application/vnd.oci.image.index.v1+json"

[image."python#slim".platforms]
"linux/amd64" = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"#;

/// Texts that are replaced in [`GOOD`], and what replaces them.
const CASES: [(&str, &str); 24] = [
    ("version = 1\n", "version = 1\n<<<<<<< HEAD\r\n"),
    ("tag = \"3.12-slim\"\n", "tag = \"3.12-slim\"\n=======\r\ntag = \"3.13-slim\"\n>>>>>>> theirs\n"),
    ("version = 1", "version = 2"),
    ("version = 1", "version = 0"),
    ("version = 1\n", ""),
    ("version = 1\n", "version = 1\nnote = 1\n"),
    ("= 1\n\n[image.\"python#slim\"]", "= 1\nimage = 1\n[imge]"),
    ("# @generated", "[image.\"python#slim\""),
    ("[image.\"python#slim\".platforms]", "[image.\"python#slim\"]\n[image.\"python#slim\".platforms]"),
    ("[image.\"python#slim\"]\n", "[image]\npython = 1\n[image.\"Python\"]\n"),
    ("docker.io/library/python", "python"),
    ("docker.io/library/python", "docker.io/python"),
    ("repository = \"docker.io/library/python\"", "layout = \"vendor/base:1\""),
    ("repository", "layout = \"vendor/base\"\nrepository"),
    ("repository = \"docker.io/library/python\"\ntag = \"3.12-slim\"", "layout = \"./vendor//base\""),
    ("repository = \"docker.io/library/python\"\ntag = \"3.12-slim\"", "layout = \"vendor/base:\""),
    ("3.12-slim", "3.12 slim"),
    ("tag = \"3.12-slim\"", "tag = 3.12"),
    ("97c1", "97C1"),
    ("digest =", "digets ="),
    ("\"linux/amd64\"", "\"linux/x86_64\""),
    ("\"sha256:e3b0", "\"sha256:e3"),
    ("\"linux/amd64\" = ", "\"linux/amd64\" = 1 #"),
    ("\"linux/amd64\" = ", "#"),
];

fn problems((from, to): (&str, &str)) -> Vec<Problem> {
    let text = GOOD.replacen(from, to, 1);
    assert_ne!(text, GOOD, "{from} does not stand there");
    Lock::parse(&Source::new("oci.lock", text.clone())).expect_err(&text)
}

#[test]
fn every_problem_is_shown_with_its_place() {
    assert!(Lock::parse(&Source::new("oci.lock", GOOD)).is_ok());
    let mut text = String::new();
    for case in CASES {
        writeln!(text, "# {:?} -> {:?}", case.0, case.1).unwrap();
        for problem in problems(case) {
            writeln!(text, "{}\n", rendered(&problem)).unwrap();
        }
    }
    insta::assert_snapshot!("problems", text);
}

#[test]
fn no_code_is_without_a_snapshot() {
    let shown: BTreeSet<String> =
        CASES.into_iter().flat_map(problems).map(|problem| problem.code().unwrap().to_string()).collect();
    assert_eq!(shown, codes_of("lock"));
}

fn entry(name: &str, digit: char) -> String {
    let digest = format!("sha256:{}", digit.to_string().repeat(64));
    format!(
        "\n[image.\"{name}\"]\nrepository = \"x.io/{name}\"\ndigest = \"{digest}\"\nmedia-type = \"application/vnd.oci.image.index.v1+json\"\n\
         \n[image.\"{name}\".platforms]\n\"linux/amd64\" = \"{digest}\"\n"
    )
}

#[test]
fn keeps_what_both_sides_have_alike() {
    let text = format!(
        "version = 1\n{}<<<<<<< HEAD\n{}=======\n{}{}>>>>>>> theirs\n{}",
        entry("a", '1'),
        entry("b", '1'),
        entry("b", '2'),
        entry("c", '1'),
        entry("d", '1'),
    );
    let source = Source::new("oci.lock", text.clone());
    let (lock, disputed) = agreed(&source).unwrap();
    assert_eq!(lock.entries.keys().collect::<Vec<_>>(), ["a", "d"]);
    assert_eq!(disputed, BTreeSet::from(["b".to_owned(), "c".to_owned()]));
    // A side that is damaged as well cannot be trusted.
    assert!(agreed(&Source::new("oci.lock", text.replacen("media-type", "media", 1))).is_none());
}

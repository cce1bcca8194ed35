//! Every problem, rendered: a snapshot for each part of the file.

mod images;
mod names;
mod whole;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use miette::Diagnostic;

use super::{codes, read};
use crate::diagnostic::{codes_of, rendered};
use crate::manifest::{UserSettings, discover};
use crate::source::Source;

/// Title and manifest.
type Case = (&'static str, &'static str);

const PARTS: [(&str, &[Case]); 8] = [
    ("shape", whole::SHAPE),
    ("project", whole::PROJECT),
    ("bases", names::BASES),
    ("names", names::NAMES),
    ("templates", names::TEMPLATES),
    ("later", whole::LATER),
    ("builds", images::BUILDS),
    ("packages", images::PACKAGES),
];

#[test]
fn every_problem_is_shown_with_its_place() {
    for (part, cases) in PARTS {
        let mut text = String::new();
        for (title, manifest) in cases {
            writeln!(text, "# {title}").unwrap();
            for problem in read(manifest).expect_err(title) {
                writeln!(text, "{}\n", rendered(&problem)).unwrap();
            }
        }
        insta::assert_snapshot!(part, text);
    }
}

fn not_found() -> [Box<dyn Diagnostic>; 3] {
    let folder = Path::new("/nonexistent/project");
    [None, Some(Path::new("other/oci.toml")), Some(Path::new("/dev/null"))]
        .map(|named| Box::new(discover(named, folder).unwrap_err()) as _)
}

#[test]
fn a_manifest_that_is_not_there() {
    insta::assert_snapshot!(
        "not_found",
        not_found().iter().map(|error| rendered(&**error)).collect::<Vec<_>>().join("\n\n")
    );
}

#[test]
fn settings_of_a_user() {
    let text =
        "[project]\nname = \"a\"\n[tools]\nrunc = \"\"\n[registry.x]\ninsecure = 1\n[cache]\nmax-size = \"1 ZB\"\n";
    let problems = UserSettings::parse(&Source::new("config.toml", text), Path::new("/home")).unwrap_err();
    insta::assert_snapshot!("user", problems.iter().map(|error| rendered(error)).collect::<Vec<_>>().join("\n\n"));
    assert_eq!(UserSettings::parse(&Source::new("config.toml", "[x"), Path::new("/home")).unwrap_err().len(), 1);
}

#[test]
fn no_code_is_without_a_snapshot() {
    let cases = PARTS.iter().flat_map(|(_, cases)| *cases);
    let mut shown: BTreeSet<String> = cases.flat_map(|(_, manifest)| codes(&read(manifest).unwrap_err())).collect();
    shown.extend(not_found().iter().map(|error| error.code().unwrap().to_string()));
    assert_eq!(shown, codes_of("manifest"));
}

#[test]
fn problems_come_in_the_order_of_the_file() {
    let text =
        "[build.b]\nbase = \"none\"\nquux = 1\nworkdir = \"srv\"\n[base.a]\nrepository = \"python\"\ntag = \"?\"\n";
    let problems = read(text).unwrap_err();
    let starts: Vec<usize> =
        problems.iter().map(|problem| problem.labels().unwrap().next().unwrap().offset()).collect();
    assert_eq!(starts.len(), 5);
    assert!(starts.is_sorted(), "{starts:?}");
}

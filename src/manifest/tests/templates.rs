//! Where templates are known: every string that the schema allows, and every name that a person chooses.

use std::collections::BTreeSet;

use super::{codes, good, messages, read};
use crate::manifest::schema::{Key, MANIFEST, Shape, State};
use crate::manifest::{Change, PackageContent};

/// The strings in which `{version}` and `{var.NAME}` are known: `*` is a name, `[]` an element of a list.
const KNOWN: &str = "
base.*.digest base.*.sha base.*.tag base.*.variants.* base.*.variants.*.digest base.*.variants.*.sha
base.*.variants.*.tag
build.*.annotations.* build.*.args build.*.args.[] build.*.entrypoint build.*.entrypoint.[] build.*.env.*
build.*.labels.* build.*.packages.[] build.*.packages.[].archive build.*.packages.[].folder
build.*.packages.[].link build.*.packages.[].owner build.*.packages.[].path build.*.packages.[].target
build.*.packages.[].text build.*.packages.[].to build.*.ports.[] build.*.repository build.*.repository.[]
build.*.steps.[] build.*.steps.[].cache.[] build.*.steps.[].env.* build.*.steps.[].mounts.[].path
build.*.steps.[].mounts.[].tmpfs build.*.steps.[].mounts.[].to build.*.steps.[].run build.*.steps.[].run.[]
build.*.steps.[].secrets.[].file build.*.steps.[].secrets.[].to build.*.steps.[].user build.*.steps.[].workdir
build.*.tag build.*.tags.[] build.*.user build.*.volumes.[] build.*.workdir
defaults.annotations.* defaults.args defaults.args.[] defaults.env.* defaults.labels.* defaults.ports.[]
defaults.repository defaults.repository.[] defaults.user defaults.volumes.[] defaults.workdir
layer.*.packages.[] layer.*.packages.[].archive layer.*.packages.[].folder layer.*.packages.[].link
layer.*.packages.[].owner layer.*.packages.[].path layer.*.packages.[].target layer.*.packages.[].text
layer.*.packages.[].to
mirror.*.repository mirror.*.tags.[]
package.*.command package.*.command.[] package.*.cwd package.*.env.* package.*.exclude.[] package.*.go.data
package.*.go.ldflags package.*.go.main package.*.inputs.[] package.*.java.build package.*.java.jar package.*.node.build
package.*.node.project package.*.python.project package.*.rust.project
package.*.output package.*.outputs.* package.*.outputs.[] package.*.secrets.[].file package.*.secrets.[].to package.*.to
stage.*.annotations.* stage.*.args stage.*.args.[] stage.*.entrypoint stage.*.entrypoint.[] stage.*.env.*
stage.*.labels.* stage.*.packages.[] stage.*.packages.[].archive stage.*.packages.[].folder
stage.*.packages.[].link stage.*.packages.[].owner stage.*.packages.[].path stage.*.packages.[].target
stage.*.packages.[].text stage.*.packages.[].to stage.*.ports.[]
stage.*.steps.[] stage.*.steps.[].cache.[] stage.*.steps.[].env.* stage.*.steps.[].mounts.[].path
stage.*.steps.[].mounts.[].tmpfs stage.*.steps.[].mounts.[].to stage.*.steps.[].run stage.*.steps.[].run.[]
stage.*.steps.[].secrets.[].file stage.*.steps.[].secrets.[].to stage.*.steps.[].user stage.*.steps.[].workdir
stage.*.user stage.*.volumes.[] stage.*.workdir
";

/// Every place for a string: the way to it; `NAME` at its end is a name itself.
fn places(keys: &[Key], above: &[&str], found: &mut BTreeSet<String>) {
    for key in keys {
        if let State::Known(shape) | State::Later(shape) = key.state {
            of_shape(shape, &[above, &[key.name]].concat(), found);
        }
    }
}

fn of_shape(shape: &Shape, path: &[&str], found: &mut BTreeSet<String>) {
    match shape {
        Shape::Text | Shape::OneOf(_) => drop(found.insert(path.join("."))),
        Shape::List(inner) => of_shape(inner, &[path, &["[]"]].concat(), found),
        Shape::Map(inner) | Shape::Named(inner) => {
            found.insert([path, &["NAME"]].concat().join("."));
            of_shape(inner, &[path, &["*"]].concat(), found);
        }
        Shape::Table(keys, _) => places(keys, path, found),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| of_shape(shape, path, found)),
        Shape::Boolean | Shape::False | Shape::Integer => {}
    }
}

/// A manifest with this string at a place, and little else.
fn manifest(place: &str, string: &str) -> String {
    let mut parts: Vec<&str> = place.split('.').collect();
    let mut value = format!("{string:?}");
    if parts.last() == Some(&"NAME") {
        parts.pop();
        value = format!("{{ {value} = \"x\" }}");
    }
    while let Some(part) = parts.pop() {
        value = match (part, parts.is_empty()) {
            ("[]", _) => format!("[{value}]"),
            (part, true) => format!("{part} = {value}"),
            ("*", false) => format!("{{ x = {value} }}"),
            (part, false) => format!("{{ {part} = {value} }}"),
        };
    }
    // The place may be in a table of variables itself.
    let variables = if value.starts_with("vars") { "" } else { "vars = { x = \"1\" }\n" };
    format!("{variables}{value}\n")
}

#[test]
fn every_string_knows_templates_or_refuses_them() {
    let known: BTreeSet<&str> = KNOWN.split_whitespace().collect();
    let mut all = BTreeSet::new();
    places(MANIFEST, &[], &mut all);
    assert!(known.iter().all(|place| all.contains(*place)), "{:?}", known.iter().find(|place| !all.contains(**place)));
    for place in &all {
        let text = manifest(place, "{var.x}");
        let told = messages(&text);
        let refused: Vec<_> = told.iter().filter(|told| told.starts_with("`{var.x}` is not known in")).collect();
        assert_eq!(refused.is_empty(), known.contains(place.as_str()), "{place}: {told:#?}");
        // No other problem is reported for the value.
        assert!(!told.iter().any(|told| told.contains("`{var.x}` is no ")), "{place}: {told:#?}");
        // Text in braces that is no template is allowed in these keys.
        let told = messages(&manifest(place, "{x}"));
        assert!(!told.iter().any(|told| told.contains("is not known in")), "{place}: {told:#?}");
    }
}

#[test]
fn values_are_put_in_where_templates_are_known() {
    let manifest = good(
        r#"
        [project]
        version = "1.2"
        [vars]
        id = "1000"
        name = "it"
        [build.app]
        base = "scratch"
        user = "{var.id}:{var.id}"
        workdir = "/srv/{var.name}-{version}"
        entrypoint = ["/bin/{var.name}", "{x}", "{{var.name}}", "${HOME}", "{"]
        args = ["--id={var.id}", "{{}}"]
        ports = ["{var.id}/udp", "!{var.id}"]
        volumes = ["/data/{var.name}", "!/old/{version}"]
        packages = [{ text = "a", to = "/a", owner = "{var.id}:0" }]
        steps = [{ run = "true", user = "{var.name}", workdir = "/{version}", secrets = [{ file = "~/{var.name}", to = "/s" }] }]
        "#,
    );
    let build = &manifest.builds["app"];
    assert_eq!((build.user.as_deref(), build.workdir.as_deref()), (Some("1000:1000"), Some("/srv/it-1.2")));
    let crate::manifest::Entrypoint::Words(entrypoint) = &build.entrypoint else { panic!("no entrypoint") };
    assert_eq!(entrypoint.value, ["/bin/it", "{x}", "{var.name}", "${HOME}", "{"]);
    assert_eq!(build.args.as_ref().unwrap().value, ["--id=1000", "{{}}"]);
    assert_eq!(build.ports, [Change::Add("1000/udp".into()), Change::Remove("1000/tcp".into())]);
    assert_eq!(build.volumes, [Change::Add("/data/it".into()), Change::Remove("/old/1.2".into())]);
    assert_eq!(build.packages[0].owner.unwrap().uid, 1000);
    assert!(matches!(&build.packages[0].content, PackageContent::Text { text, .. } if text == "a"));
    let step = &build.steps[0];
    assert_eq!((step.user.as_deref(), step.workdir.as_deref()), (Some("it"), Some("/1.2")));
    assert!(format!("{:?}", step.secrets).contains("\"~/it\""), "{:?}", step.secrets);
}

/// A value from a variable is checked as if it were written in place; the problem also names the variable.
#[test]
fn a_value_is_checked_as_what_is_written() {
    for (variable, line, code) in [
        ("a b", "user = \"{var.x}\"", "oci::manifest::bad_user"),
        ("", "user = \"{var.x}\"", "oci::manifest::bad_user"),
        ("app", "workdir = \"{var.x}\"", "oci::manifest::bad_path"),
        ("", "entrypoint = [\"{var.x}\"]", "oci::manifest::no_program"),
        ("a b", "entrypoint = \"{var.x}\"", "oci::manifest::command_with_space"),
        ("x", "ports = [\"{var.x}\"]", "oci::manifest::bad_port"),
        ("data", "volumes = [\"{var.x}\"]", "oci::manifest::bad_path"),
        ("root", "packages = [{ text = \"\", to = \"/a\", owner = \"{var.x}:0\" }]", "oci::manifest::bad_owner"),
        ("..", "packages = [{ text = \"\", to = \"/{var.x}/a\" }]", "oci::manifest::bad_path"),
        ("", "packages = [{ path = \"{var.x}\", to = \"/a\" }]", "oci::manifest::bad_path"),
        ("", "packages = [{ archive = \"{var.x}\", to = \"/a\" }]", "oci::manifest::bad_path"),
        ("[", "packages = [\"a/{var.x}\"]", "oci::manifest::bad_glob"),
        (" ", "steps = [\"{var.x}\"]", "oci::manifest::no_program"),
        ("", "steps = [{ run = [\"{var.x}\"] }]", "oci::manifest::no_program"),
        ("", "steps = [{ run = \"a\", secrets = [{ file = \"{var.x}\", to = \"/a\" }] }]", "oci::manifest::bad_path"),
        ("a b", "repository = \"r.example/{var.x}\"", "oci::manifest::bad_repository"),
    ] {
        let text = format!("[vars]\nx = {variable:?}\n[build.app]\nbase = \"scratch\"\n{line}\n");
        let problems = read(&text).expect_err(line);
        assert_eq!(codes(&problems), [code], "{line}");
        let told = problems[0].to_string();
        assert!(told.ends_with(&format!(", where `{{var.x}}` is `{variable}`")), "{line}: {told}");
    }
}

#[test]
fn packaged_targets_know_what_git_says() {
    let target = |lines: &str| format!("[package.a]\ninputs = [\"a\"]\noutput = \"b\"\n{lines}\n");
    for lines in [
        "command = \"for i in {1..3}; do echo ${i}; done\"",
        "command = [\"make\", \"V={git.sha}\", \"{cpu}\"]",
        "command = \"make\"\nenv = { V = \"{git.short-sha}-{os}\" }",
    ] {
        good(&target(lines));
    }
    for lines in ["command = \"make\"\nenv = { V = \"{env.HOME}\" }", "command = \"make\"\ncwd = \"{git.sha}\""] {
        assert_eq!(codes(&read(&target(lines)).unwrap_err()), ["oci::manifest::unknown_placeholder"], "{lines}");
    }
}

//! What the templates of a destination become in a real repository of git.

use std::fmt::Write;

use super::*;
use crate::diagnostic::rendered;
use crate::process::Invocation;
use crate::report::{Lines, Verbosity};
use crate::source::Source;

fn git(folder: &Path, arguments: &[&str]) {
    let settings = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
    let git = Invocation::new("git").arguments(settings).arguments(arguments).folder(folder).variable("HOME", folder);
    assert!(git.capture().unwrap().status.success(), "{arguments:?}");
}

/// Repositories and tags of a build with these lines.
fn destination(folder: &Path, lines: &str) -> Result<(Vec<String>, Vec<String>), Problem> {
    let text = format!("[build.app]\nbase = \"scratch\"\n{lines}\n");
    let manifest = crate::manifest::parse(&Source::new("oci.toml", text), folder).unwrap();
    let reporter = Lines::new(Verbosity::Quiet);
    let destination = Surroundings::new(folder, &reporter).destination(&manifest.builds["app"], &[])?;
    let repositories = destination.repositories.iter().map(|repository| repository.value.to_string()).collect();
    Ok((repositories, destination.tags.iter().map(ToString::to_string).collect()))
}

#[test]
fn templates_become_repositories_and_tags() {
    let folder = tempfile::tempdir().unwrap();
    let tags = |lines: &str| destination(folder.path(), lines).unwrap().1;
    assert_eq!(tags(""), ["latest"]);
    git(folder.path(), &["init", "--quiet"]);
    git(folder.path(), &["commit", "--quiet", "--allow-empty", "-m", "one"]);
    git(folder.path(), &["checkout", "--quiet", "-b", "feature/a"]);
    assert_eq!(tags(r#"tags = ["1", "{git.tag}", "{git.branch}", "feature-a"]"#), ["1", "feature-a"]);
    git(folder.path(), &["tag", "v1+x"]);
    assert_eq!(tags(r#"tag = "{git.tag}""#), ["v1-x"]);
    let repositories = destination(folder.path(), r#"repository = "ghcr.io/{git.branch}/{build}""#).unwrap().0;
    assert_eq!(repositories, ["ghcr.io/feature/a/app"]);
    let sha = Git::new(folder.path()).short_sha().unwrap();
    assert_eq!(tags(r#"tags = ["a{git.short-sha}", "{env.CARGO_PKG_NAME}"]"#), [format!("a{sha}"), "oci".to_owned()]);
}

#[test]
fn what_has_no_value_is_shown_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let mut shown = String::new();
    let mut show = |lines: &str| {
        let error = destination(folder.path(), lines).unwrap_err();
        let text = rendered(&error).replace(&folder.path().display().to_string(), "[FOLDER]");
        writeln!(shown, "{text}\n").unwrap();
    };
    show(r#"tags = ["1", "a-{git.sha}"]"#);
    git(folder.path(), &["init", "--quiet"]);
    show(r#"tag = "{git.short-sha}""#);
    git(folder.path(), &["commit", "--quiet", "--allow-empty", "-m", "one"]);
    show(r#"tag = "{git.tag}""#);
    show(r#"repository = "ghcr.io/acme/{git.tag}""#);
    git(folder.path(), &["checkout", "--quiet", "--detach"]);
    show(r#"tag = "{git.branch}""#);
    show(r#"tag = "{env.OCI_TEST_UNSET}""#);
    show(r#"tag = "-{env.CARGO_PKG_NAME}""#);
    show(r#"repository = "{env.CARGO_PKG_NAME}/app""#);
    std::fs::write(folder.path().join(".git/config"), "[").unwrap();
    show(r#"tag = "{git.sha}""#);
    insta::assert_snapshot!(shown);
}

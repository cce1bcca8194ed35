//! Where a build is published: its repositories and tags, worked out with what only git and the
//! environment know. They are asked for nothing that no template needs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use crate::manifest::Build;
use crate::manifest::template::{Late, Template, tag_part};
use crate::model::reference::{RepositoryError, TagError};
use crate::model::{Repository, Tag};
use crate::report::Reporter;
use crate::source::{At, Placed};
use crate::tools::git::{Git, GitError};

/// Why it is not known where a build is to be published.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum DestinationError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Git(#[from] GitError),
    #[error("the commit that is checked out has no tag")]
    #[diagnostic(code(oci::publish::no_git_tag), help("tag it: `git tag NAME`"))]
    NoGitTag,
    #[error("the environment has no variable `{name}`")]
    #[diagnostic(code(oci::publish::no_variable), help("set it: `{name}=… oci publish`"))]
    NoVariable { name: String },
    #[error("no tag is left: every one needs a tag in git, and the commit that is checked out has none")]
    #[diagnostic(
        code(oci::publish::no_git_tag),
        help("tag it with `git tag NAME`, or name a tag: `oci publish --tag TAG`")
    )]
    NoTags,
    #[error("`{written}` is no repository")]
    #[diagnostic(code(oci::publish::bad_repository), help("this is what the template became: check its values"))]
    Repository { written: String, source: RepositoryError },
    #[error("`{written}` is no tag")]
    #[diagnostic(code(oci::publish::bad_tag), help("this is what the template became: check its values"))]
    Tag { written: String, source: TagError },
}

/// Where one build goes.
pub(super) struct Destination {
    pub(super) repositories: Vec<Placed<Repository>>,
    /// Each once, in the manifest's order.
    pub(super) tags: Vec<Tag>,
}

/// What templates may ask, each thing once.
pub(super) struct Surroundings<'a> {
    git: Git<'a>,
    reporter: &'a dyn Reporter,
    known: RefCell<BTreeMap<String, String>>,
}

type Problem = At<DestinationError>;

impl<'a> Surroundings<'a> {
    /// Those of a manifest's folder.
    pub(super) fn new(folder: &'a Path, reporter: &'a dyn Reporter) -> Self {
        Self { git: Git::new(folder), reporter, known: RefCell::default() }
    }

    /// Where a build goes. `tags`, if not empty, replaces the build's, which then are not looked at.
    pub(super) fn destination(&self, build: &Build, tags: &[Tag]) -> Result<Destination, Problem> {
        let repositories = build.repositories.iter().map(|template| self.repository(template));
        let repositories = repositories.collect::<Result<_, _>>()?;
        let tags = if tags.is_empty() { self.tags(&build.tags)? } else { tags.to_vec() };
        Ok(Destination { repositories, tags })
    }

    fn repository(&self, template: &Placed<Template>) -> Result<Placed<Repository>, Problem> {
        let written = template.expand(|late| self.value(late))?;
        match Repository::parse(&written) {
            Ok(repository) => Ok(Placed::new(repository, template.place.clone())),
            Err(source) => Err(At::new(DestinationError::Repository { written, source }, &template.place, "")),
        }
    }

    fn tags(&self, templates: &[Placed<Template>]) -> Result<Vec<Tag>, Problem> {
        let Some(first) = templates.first() else { return Ok(Tag::parse("latest").into_iter().collect()) };
        let mut tags = Vec::new();
        for template in templates {
            let written = match template.expand(|late| self.value(late).map(|value| tag_part(&value))) {
                Ok(written) => written,
                Err(error) if matches!(error.error(), DestinationError::NoGitTag) => {
                    self.reporter.note(&format!("left out the tag `{}`: the commit has no tag", template.value));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let tag = Tag::parse(&written)
                .map_err(|source| At::new(DestinationError::Tag { written, source }, &template.place, ""))?;
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        if tags.is_empty() { Err(At::new(DestinationError::NoTags, &first.place, "")) } else { Ok(tags) }
    }

    fn value(&self, late: &Placed<Late>) -> Result<String, Problem> {
        let name = late.value.to_string();
        if let Some(known) = self.known.borrow().get(&name) {
            return Ok(known.clone());
        }
        let value = self.ask(&late.value).map_err(|error| At::new(error, &late.place, ""))?;
        self.known.borrow_mut().insert(name, value.clone());
        Ok(value)
    }

    fn ask(&self, late: &Late) -> Result<String, DestinationError> {
        Ok(match late {
            Late::GitSha => self.git.sha()?,
            Late::GitShortSha => self.git.short_sha()?,
            Late::GitBranch => self.git.branch()?,
            Late::GitTag => self.git.tag()?.ok_or(DestinationError::NoGitTag)?,
            Late::Environment(name) => {
                let value = std::env::var(name).ok().filter(|value| !value.is_empty());
                value.ok_or_else(|| DestinationError::NoVariable { name: name.clone() })?
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::diagnostic::rendered;
    use crate::process::Invocation;
    use crate::report::{Lines, Verbosity};
    use crate::source::Source;

    fn git(folder: &Path, arguments: &[&str]) {
        let settings = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
        let git =
            Invocation::new("git").arguments(settings).arguments(arguments).folder(folder).variable("HOME", folder);
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
        assert_eq!(
            tags(r#"tags = ["a{git.short-sha}", "{env.CARGO_PKG_NAME}"]"#),
            [format!("a{sha}"), "oci".to_owned()]
        );
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
}

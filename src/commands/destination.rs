//! Works out where a build is published: its repositories and tags, with values that only git and the environment know.
//! They are asked only for values that a template needs.

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

/// The repositories and tags of one build.
pub(super) struct Destination {
    pub(super) repositories: Vec<Placed<Repository>>,
    /// Each tag once, in the manifest's order.
    pub(super) tags: Vec<Tag>,
}

/// Values that templates may need. Each is asked for once.
pub(super) struct Surroundings<'a> {
    git: Git<'a>,
    reporter: &'a dyn Reporter,
    known: RefCell<BTreeMap<String, String>>,
}

type Problem = At<DestinationError>;

impl<'a> Surroundings<'a> {
    /// The values for a manifest's folder.
    pub(super) fn new(folder: &'a Path, reporter: &'a dyn Reporter) -> Self {
        Self { git: Git::new(folder), reporter, known: RefCell::default() }
    }

    /// The destination of a build. `tags`, if not empty, replace the build's tags, which then are not read.
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
#[cfg(feature = "tools-tests")]
#[path = "../../tests/tools/destination.rs"]
mod tools_tests;

//! git, asked about what is checked out. It takes no locks, so that asking changes nothing, and it starts no program
//! that the repository names.
//!
//! A checkout brings `.git/config`, `.gitattributes` and hooks with it. What git could start because of them while it
//! answers, and what is done about it:
//!
//! | the repository's | could be started by | here |
//! | --- | --- | --- |
//! | `core.fsmonitor`, hooks | `status` | overridden: [`SETTINGS`] |
//! | `filter.*.clean`, `.process` | `status`, for files whose time is new | off, or as the user's own settings have them: [`Git::filters`] |
//! | the settings of submodules | `status` in each of them | git looks at their commits alone; we ask each in this way |
//! | remotes of a partial clone | any question about an object that is not there | no protocol is allowed, and no fetch |
//! | pagers, aliases, external diffs, `ssh` | no question that is asked here | overridden to be sure |

mod changes;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{Finished, Invocation, ProcessError};
use crate::sanitize;

/// How long a question may take. git looks at every tracked file for some of them.
const QUESTION: Duration = Duration::from_secs(60);

/// Settings that the repository's own may not change: those of the command line win over all files.
const SETTINGS: [&str; 13] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.sshCommand=false",
    "core.gitProxy=",
    "core.askPass=",
    "core.alternateRefsCommand=",
    "credential.helper=",
    "diff.external=",
    "protocol.allow=never",
    "color.ui=false",
    "column.ui=never",
    "column.tag=never",
];
/// How deeply nested submodules are looked at.
const MOST_NESTED: usize = 16;

/// The git repository that a folder is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Git<'a> {
    folder: &'a Path,
    /// How many repositories this repository is nested in as a submodule.
    depth: usize,
}

/// Why git has no answer.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum GitError {
    #[error("`git` is not on this machine")]
    #[diagnostic(code(oci::git::missing), help("install the package `git`, or write the value itself"))]
    Missing,
    #[error("`{folder}` is in no git repository")]
    #[diagnostic(code(oci::git::no_repository), help("run `git init` and commit, or write the value itself"))]
    NoRepository { folder: String },
    #[error("the git repository has no commit yet")]
    #[diagnostic(code(oci::git::no_commit), help("commit something: `git commit`"))]
    NoCommit,
    #[error("no branch is checked out")]
    #[diagnostic(
        code(oci::git::no_branch),
        help("check one out with `git switch`, or use `{{env.NAME}}` where a CI system names the branch")
    )]
    NoBranch,
    #[error("the settings of the git repository have a filter that cannot be turned off, `{name}`")]
    #[diagnostic(
        code(oci::git::filter),
        help("git would start its program; remove it with `git config --edit`, or write the value itself")
    )]
    Filter { name: String },
    #[error("could not ask `{question}`")]
    #[diagnostic(code(oci::git::failed))]
    Process { question: String, source: ProcessError },
    #[error("could not ask `{question}`")]
    #[diagnostic(code(oci::git::failed), help("git says: {said}"))]
    Failed { question: String, said: String },
}

impl<'a> Git<'a> {
    pub(crate) fn new(folder: &'a Path) -> Self {
        Self { folder, depth: 0 }
    }

    /// The commit, with `-dirty` behind it if tracked files were changed.
    pub(crate) fn sha(&self) -> Result<String, GitError> {
        self.commit(&["rev-parse", "--verify", "--quiet", "HEAD"])
    }

    /// The commit as [`Git::sha`] gives it, as short as git makes it.
    pub(crate) fn short_sha(&self) -> Result<String, GitError> {
        self.commit(&["rev-parse", "--verify", "--quiet", "--short", "HEAD"])
    }

    /// The branch that is checked out.
    pub(crate) fn branch(&self) -> Result<String, GitError> {
        let finished = self.ask(&["symbolic-ref", "--quiet", "--short", "HEAD"])?;
        match finished.status.code() {
            Some(0) => Ok(line(&finished.stdout)),
            // git documents this answer for a commit that is checked out without a branch.
            Some(1) => Err(GitError::NoBranch),
            _ => Err(self.failed(&["symbolic-ref"], &finished)),
        }
    }

    /// The tag of the commit; of several tags, the highest version.
    pub(crate) fn tag(&self) -> Result<Option<String>, GitError> {
        self.sha()?;
        let arguments = ["tag", "--points-at", "HEAD", "--sort=-version:refname"];
        let finished = self.ask(&arguments)?;
        if !finished.status.success() {
            return Err(self.failed(&arguments, &finished));
        }
        Ok(Some(line(&finished.stdout)).filter(|tag| !tag.is_empty()))
    }

    fn commit(&self, arguments: &[&str]) -> Result<String, GitError> {
        let finished = self.ask(arguments)?;
        if finished.status.code() == Some(1) {
            return Err(GitError::NoCommit);
        }
        if !finished.status.success() {
            return Err(self.failed(arguments, &finished));
        }
        let dirty = if self.is_changed()? { "-dirty" } else { "" };
        Ok(line(&finished.stdout) + dirty)
    }

    /// True if a tracked file differs from the commit, in this repository or in a submodule.
    fn is_changed(&self) -> Result<bool, GitError> {
        let filters = self.filters()?;
        let filters = filters.iter().flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]);
        let question = ["status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty"];
        let status = self.run(filters, &question)?;
        if !status.status.success() {
            return Err(self.failed(&question, &status));
        }
        if !status.stdout.is_empty() {
            return Ok(true);
        }
        for submodule in self.submodules()? {
            let submodule = Git { folder: &submodule, depth: self.depth + 1 };
            if submodule.depth <= MOST_NESTED && submodule.is_changed()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The settings that turn the repository's own filters off: by name, with the value that the user's or the
    /// machine's settings have instead. No filter is started for this question.
    fn filters(&self) -> Result<BTreeMap<String, String>, GitError> {
        let question = ["config", "--list", "--show-scope", "-z"];
        let finished = self.ask(&question)?;
        if !finished.status.success() {
            return Err(self.failed(&question, &finished));
        }
        filters_off(&String::from_utf8_lossy(&finished.stdout))
    }

    /// The folders of the submodules that are there.
    fn submodules(&self) -> Result<Vec<PathBuf>, GitError> {
        let question = ["ls-files", "--stage", "-z", "--full-name", ":/"];
        let listed = self.ask(&question)?;
        if !listed.status.success() {
            return Err(self.failed(&question, &listed));
        }
        let links = listed.stdout.split(|byte| *byte == 0).filter(|entry| entry.starts_with(b"160000 "));
        let paths: Vec<&[u8]> = links.filter_map(|entry| entry.splitn(2, |byte| *byte == b'\t').nth(1)).collect();
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let question = ["rev-parse", "--show-toplevel"];
        let top = self.ask(&question)?;
        if !top.status.success() {
            return Err(self.failed(&question, &top));
        }
        let top = Path::new(OsStr::from_bytes(top.stdout.trim_ascii_end()));
        let folders = paths.into_iter().map(|path| top.join(OsStr::from_bytes(path)));
        // The folder of a submodule that is not checked out is empty, and git would take it for a folder of the
        // repository around it.
        Ok(folders.filter(|folder| folder.join(".git").symlink_metadata().is_ok()).collect())
    }

    fn ask(&self, arguments: &[&str]) -> Result<Finished, GitError> {
        self.run([], arguments)
    }

    fn run(&self, settings: impl IntoIterator<Item = String>, arguments: &[&str]) -> Result<Finished, GitError> {
        let mut invocation = Invocation::new("git")
            .argument("--no-pager")
            .arguments(SETTINGS.iter().flat_map(|setting| ["-c", *setting]))
            .arguments(settings)
            .arguments(arguments)
            .folder(self.folder)
            .inherit(["HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"])
            .variable("GIT_OPTIONAL_LOCKS", "0")
            .variable("GIT_NO_LAZY_FETCH", "1")
            .variable("GIT_ALLOW_PROTOCOL", "none")
            .variable("GIT_TERMINAL_PROMPT", "0")
            .variable("LC_ALL", "C")
            .limit(QUESTION);
        if self.depth == 0 {
            // In a hook these also name the index of the commit that is being made, and where its objects are.
            let index = ["GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"];
            invocation = invocation.inherit(["GIT_DIR", "GIT_WORK_TREE"]).inherit(index);
        }
        invocation.capture().map_err(|source| match source {
            ProcessError::Missing { .. } => GitError::Missing,
            source => GitError::Process { question: question(arguments), source },
        })
    }

    fn failed(&self, arguments: &[&str], finished: &Finished) -> GitError {
        let named = std::env::var_os("GIT_DIR").is_some();
        if !named && !self.folder.ancestors().any(|folder| folder.join(".git").exists()) {
            return GitError::NoRepository { folder: self.folder.display().to_string() };
        }
        let said = String::from_utf8_lossy(&finished.stderr);
        let said = said.lines().next().map(sanitize::name).filter(|said| !said.is_empty());
        GitError::Failed { question: question(arguments), said: said.unwrap_or_else(|| "nothing".to_owned()) }
    }
}

/// What [`Git::filters`] says, from `git config --list --show-scope -z`: scope, name and value of each setting.
fn filters_off(listed: &str) -> Result<BTreeMap<String, String>, GitError> {
    let mut parts = listed.split('\0');
    let (mut theirs, mut trusted) = (Vec::new(), BTreeMap::new());
    while let (Some(scope), Some(entry)) = (parts.next(), parts.next()) {
        let (name, value) = entry.split_once('\n').unwrap_or((entry, "true"));
        match scope {
            _ if !name.starts_with("filter.") => {}
            "system" | "global" => drop(trusted.insert(name.to_owned(), value.to_owned())),
            _ => theirs.push(name.to_owned()),
        }
    }
    let off = theirs.into_iter().map(|name| {
        // On the command line the first `=` ends the name, so a filter with `=` in its name cannot be overridden.
        if name.contains(['=', char::REPLACEMENT_CHARACTER]) {
            return Err(GitError::Filter { name: sanitize::name(&name) });
        }
        let nothing = if name.ends_with(".required") { "false" } else { "" };
        let value = trusted.get(&name).cloned().unwrap_or_else(|| nothing.to_owned());
        Ok((name, value))
    });
    off.collect()
}

fn question(arguments: &[&str]) -> String {
    format!("git {}", arguments.join(" "))
}

fn line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
#[cfg(feature = "tools-tests")]
#[path = "../../tests/tools/git.rs"]
mod tools_tests;

#[cfg(test)]
mod tests {
    use super::*;

    /// git-lfs and similar filters are set up in the user's own settings, which go on to count.
    #[test]
    fn filters_of_the_user_stay() {
        let listed = "system\0filter.a.clean\nold\0global\0filter.a.clean\ngood\0global\0filter.a.required\0\
                      global\0filter.c.clean\nc\0local\0core.bare\nfalse\0local\0filter.a.clean\nevil\0\
                      local\0filter.a.required\nfalse\0worktree\0filter.b.process\nevil\nmore\0local\0filter.b.required\0";
        let off = filters_off(listed).unwrap();
        let expected = [
            ("filter.a.clean", "good"),
            ("filter.a.required", "true"),
            ("filter.b.process", ""),
            ("filter.b.required", "false"),
        ];
        assert_eq!(off, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}

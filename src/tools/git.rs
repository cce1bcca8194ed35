//! git, asked what is checked out. It is told to take no locks, so that asking changes nothing.

use std::path::Path;
use std::time::Duration;

use crate::sanitize;
use crate::tools::process::Finished;
use crate::tools::{Invocation, ProcessError};

/// How long a question may take: it looks at the files that are tracked.
const QUESTION: Duration = Duration::from_secs(60);

/// The git repository that a folder is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Git<'a> {
    folder: &'a Path,
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
    #[error("could not ask `{question}`")]
    #[diagnostic(code(oci::git::failed))]
    Process { question: String, source: ProcessError },
    #[error("could not ask `{question}`")]
    #[diagnostic(code(oci::git::failed), help("git says: {said}"))]
    Failed { question: String, said: String },
}

impl<'a> Git<'a> {
    pub(crate) fn new(folder: &'a Path) -> Self {
        Self { folder }
    }

    /// The commit, with `-dirty` behind it if tracked files were changed.
    pub(crate) fn sha(&self) -> Result<String, GitError> {
        self.commit(&["rev-parse", "--verify", "--quiet", "HEAD"])
    }

    /// As [`Git::sha`], as short as git makes it.
    pub(crate) fn short_sha(&self) -> Result<String, GitError> {
        self.commit(&["rev-parse", "--verify", "--quiet", "--short", "HEAD"])
    }

    /// The branch that is checked out.
    pub(crate) fn branch(&self) -> Result<String, GitError> {
        let finished = self.ask(&["symbolic-ref", "--quiet", "--short", "HEAD"])?;
        match finished.status.code() {
            Some(0) => Ok(line(&finished.stdout)),
            // Git's documented answer for a commit that is checked out by itself.
            Some(1) => Err(GitError::NoBranch),
            _ => Err(self.failed(&["symbolic-ref"], &finished)),
        }
    }

    /// The tag of the commit; of several the highest version.
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
        let changes = ["status", "--porcelain", "--untracked-files=no"];
        let status = self.ask(&changes)?;
        if !status.status.success() {
            return Err(self.failed(&changes, &status));
        }
        let dirty = if status.stdout.is_empty() { "" } else { "-dirty" };
        Ok(line(&finished.stdout) + dirty)
    }

    fn ask(&self, arguments: &[&str]) -> Result<Finished, GitError> {
        let invocation = Invocation::new("git")
            .arguments(arguments)
            .folder(self.folder)
            .inherit(["HOME", "XDG_CONFIG_HOME", "GIT_DIR", "GIT_WORK_TREE", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"])
            .variable("GIT_OPTIONAL_LOCKS", "0")
            .variable("LC_ALL", "C")
            .limit(QUESTION);
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

fn question(arguments: &[&str]) -> String {
    format!("git {}", arguments.join(" "))
}

fn line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs git in a repository of no other's settings.
    fn run(folder: &Path, arguments: &[&str]) {
        let settings = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
        let git =
            Invocation::new("git").arguments(settings).arguments(arguments).folder(folder).variable("HOME", folder);
        let finished = git.capture().unwrap();
        assert!(finished.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&finished.stderr));
    }

    #[test]
    fn says_what_is_checked_out() {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::new(folder.path());
        assert!(matches!(git.sha(), Err(GitError::NoRepository { .. })));
        assert!(matches!(git.branch(), Err(GitError::NoRepository { .. })));
        assert!(matches!(git.tag(), Err(GitError::NoRepository { .. })));
        run(folder.path(), &["init", "--quiet"]);
        assert!(matches!(git.sha(), Err(GitError::NoCommit)));
        std::fs::write(folder.path().join("file"), "one").unwrap();
        run(folder.path(), &["add", "file"]);
        run(folder.path(), &["commit", "--quiet", "-m", "one"]);
        let sha = git.sha().unwrap();
        assert!(sha.len() == 40 && sha.starts_with(&git.short_sha().unwrap()), "{sha}");
        assert_eq!((git.branch().unwrap().as_str(), git.tag().unwrap()), ("main", None));
        for tag in ["v1.9", "v1.10"] {
            run(folder.path(), &["tag", tag]);
        }
        assert_eq!(git.tag().unwrap().as_deref(), Some("v1.10"));
        // What is not tracked changes nothing.
        std::fs::write(folder.path().join("other"), "one").unwrap();
        assert_eq!(git.sha().unwrap(), sha);
        std::fs::write(folder.path().join("file"), "two").unwrap();
        assert_eq!(git.sha().unwrap(), format!("{sha}-dirty"));
        run(folder.path(), &["checkout", "--quiet", "--force", "--detach"]);
        assert!(matches!(git.branch(), Err(GitError::NoBranch)));
        let below = folder.path().join("below");
        std::fs::create_dir(&below).unwrap();
        assert_eq!(Git::new(&below).sha().unwrap(), sha);
    }
}

//! The shortcut: questions that [`registry`](crate::tools::registry) answers in process, if they have a plain answer.

use super::Skopeo;
use super::source::Source;
use crate::model::{Digest, Reference, Repository};
use crate::process::Invocation;
use crate::tools::error::ToolError;
use crate::tools::registry::{Access, Answer, Client};
use crate::tools::{Cause, ToolTask};

impl Skopeo {
    /// True if the first mirror, or else the registry, plainly says that the tag stands for this digest. If it is
    /// false, nothing is known, and [`Skopeo::inspect_raw`] has to ask.
    pub(crate) fn stands_for(&self, reference: &Reference, digest: &Digest, access: &Access) -> bool {
        let source = self.first_source(reference.repository(), access);
        self.is_published(&reference.of(source.repository), digest, &source.access)
    }

    /// True if the registry itself plainly says that the tag stands for this digest. Then nothing has to be pushed.
    pub(crate) fn is_published(&self, reference: &Reference, digest: &Digest, access: &Access) -> bool {
        self.settings.shortcut.as_ref().is_some_and(|client| client.is(reference, digest, access))
    }

    /// The command of a question, to be shown before anything is asked. Most questions are answered without it.
    pub(crate) fn planned(&self, question: &Invocation) -> String {
        match &self.settings.shortcut {
            Some(_) => format!("{question} # only if asking in process gives no plain answer"),
            None => question.to_string(),
        }
    }

    /// Runs a question as [`run_at`](Self::run_at) does, after the shortcut had no plain answer. A fault of the
    /// shortcut counts as the first try. If the registry failed before, there is one try in all, and skopeo makes it.
    pub(super) fn ask_at(
        &self,
        source: &Source,
        task: &ToolTask,
        invocation: &Invocation,
        ask: impl Fn(&Client) -> Answer,
    ) -> Result<Vec<u8>, ToolError> {
        let registry = source.repository.registry();
        let mut shortcut = self.settings.shortcut.as_ref().filter(|_| !self.patience.is_lost(registry));
        let mut call = || match shortcut.take().map(&ask) {
            Some(Answer::Bytes(bytes)) => Ok(bytes),
            Some(Answer::Fault(cause, found)) if !source.is_mirror => {
                Err(ToolError::unanswered(task, invocation, cause, found))
            }
            Some(Answer::Refused(cause)) => Err(refused(task, invocation, cause)),
            _ => {
                self.admit(task, invocation, &source.repository, &source.access)?;
                self.run_once(task, invocation)
            }
        };
        if source.is_mirror { call() } else { self.persist(task, invocation, call) }
    }

    /// An error if skopeo, were it run with this access, would send credentials where they may not go. Where the
    /// registry cannot be asked in process, nothing is known of that.
    pub(super) fn admit(
        &self,
        task: &ToolTask,
        invocation: &Invocation,
        repository: &Repository,
        access: &Access,
    ) -> Result<(), ToolError> {
        let refusal = self.settings.shortcut.as_ref().and_then(|client| client.refusal(repository, access));
        refusal.map_or(Ok(()), |cause| Err(refused(task, invocation, cause)))
    }
}

fn refused(task: &ToolTask, invocation: &Invocation, cause: Cause) -> ToolError {
    let said = "it says so in the header `WWW-Authenticate` of its answer".to_owned();
    ToolError::unanswered(task, invocation, cause, said)
}

//! What a failed tool means to the person: what is wrong, the next command, and the evidence.
//!
//! The evidence is a chain of causes: the tool's own words, how it ended, its command line, and the log with everything
//! that it wrote.

use std::error::Error;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use crate::fs::{self, FileError};
use crate::model::{ByteSize, Digest};
use crate::process::namespace::NamespaceError;
use crate::process::{Finished, Invocation, ProcessError};
use crate::sanitize;
use crate::tools::registry::{KnownCredentials, known_credentials};
use crate::tools::{Cause, Subject, ToolTask, transcript};

/// A tool that failed, or a file of ours that it needed and that could not be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum ToolError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tool(Box<ToolFailure>),
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Namespace(#[from] NamespaceError),
    #[error("stopped before `{subject}` fills the disk of `{}`", folder.display())]
    #[diagnostic(
        code(oci::tools::no_room),
        help(
            "{least} stay free: make room, as by `oci cache prune`, or set `dir` in `[cache]` to a folder on a larger \
             disk; nothing was left behind"
        )
    )]
    NoRoom { subject: String, folder: PathBuf, least: ByteSize },
}

/// How a tool failed. Message, code and help follow from the cause (`explanation.rs`).
#[derive(Debug)]
pub(crate) struct ToolFailure {
    pub(crate) tool: &'static str,
    /// The program that should have been started: a name or a path.
    pub(crate) program: PathBuf,
    pub(crate) stage: &'static str,
    pub(crate) subject: Subject,
    /// The command line, quoted for a shell.
    pub(crate) command: String,
    pub(crate) orders: Orders,
    /// `None` if the tool did not end by itself, or was never started.
    pub(crate) status: Option<ExitStatus>,
    /// The line of the tool's standard error that decides, in plain text.
    pub(crate) said: Option<String>,
    /// The file with all of its standard error.
    pub(crate) log: Option<PathBuf>,
    pub(crate) cause: Cause,
    /// A login for the registry that was not sent, since the tool does not read it: its key, and its file.
    pub(crate) unread: Option<(&'static str, PathBuf)>,
    evidence: Option<Evidence>,
}

/// How a command line says that a registry is to be talked to, told from skopeo's flags for both ends of a copy.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    /// No credentials are to be sent.
    pub(crate) anonymous: bool,
    /// Plain HTTP is allowed.
    pub(crate) plain_http: bool,
    /// The file with logins that counts instead of the usual ones.
    pub(crate) logins: Option<PathBuf>,
}

impl Orders {
    fn of(invocation: &Invocation) -> Self {
        let arguments = invocation.all_arguments();
        let flag = |name: &str| {
            let is_it =
                |argument: &str| ["--", "--src-", "--dest-"].iter().any(|side| argument == format!("{side}{name}"));
            arguments.iter().position(|argument| argument.to_str().is_some_and(is_it))
        };
        Self {
            anonymous: flag("no-creds").is_some(),
            plain_http: flag("tls-verify=false").is_some(),
            logins: flag("authfile").and_then(|at| arguments.get(at + 1)).map(PathBuf::from),
        }
    }
}

impl ToolError {
    /// The failure of a tool whose exit status is not 0.
    pub(crate) fn failed(task: &ToolTask, invocation: &Invocation, finished: &Finished) -> Self {
        let mut failure = ToolFailure::new(task, invocation, Cause::Failed);
        failure.status = Some(finished.status);
        failure.hear(&finished.stderr, task.logs);
        if let Some(said) = &failure.said {
            failure.cause = Cause::classify(said, &failure.subject);
        }
        failure.seal()
    }

    /// The failure of a tool that could not be started, or did not end by itself.
    pub(crate) fn not_finished(task: &ToolTask, invocation: &Invocation, error: ProcessError) -> Self {
        let mut failure = ToolFailure::new(task, invocation, Cause::Failed);
        match error {
            ProcessError::Missing { .. } => failure.cause = Cause::Missing,
            ProcessError::Interrupted => failure.cause = Cause::Interrupted,
            ProcessError::Namespace(error) => return error.into(),
            ProcessError::NoRoom { room } => {
                let subject = sanitize::name(&task.subject.to_string());
                return Self::NoRoom { subject, folder: room.folder().to_owned(), least: ByteSize(room.least()) };
            }
            ProcessError::Start { source, .. } => {
                let command = format!("`{}` could not be started", failure.command);
                failure.evidence = Some(Evidence::chain(vec![command, source.to_string()]));
                return Self::Tool(Box::new(failure));
            }
            ProcessError::TimedOut { limit, stderr } => {
                failure.cause = Cause::TimedOut { limit: Some(limit) };
                failure.hear(&stderr, task.logs);
            }
            ProcessError::Stalled { limit, stderr } => {
                failure.cause = Cause::Stalled { limit };
                failure.hear(&stderr, task.logs);
            }
            ProcessError::TooMuch { stderr } => {
                failure.cause = Cause::TooMuch { layer: None };
                failure.hear(&stderr, task.logs);
            }
        }
        failure.seal()
    }

    /// The failure of a tool whose exit status is 0 and which did not do its work; `found` is the evidence.
    pub(crate) fn untrue(task: &ToolTask, invocation: &Invocation, cause: Cause, found: String) -> Self {
        let mut failure = ToolFailure::new(task, invocation, cause);
        let command = format!("`{}` ended with exit status 0 all the same", failure.command);
        failure.evidence = Some(Evidence::chain(vec![found, command]));
        Self::Tool(Box::new(failure))
    }

    /// The failure of a question that came to nothing before the tool, which this invocation would run, was asked.
    pub(crate) fn unanswered(task: &ToolTask, invocation: &Invocation, cause: Cause, found: String) -> Self {
        let mut failure = ToolFailure::new(task, invocation, cause);
        failure.evidence = Some(Evidence::chain(vec![found]));
        Self::Tool(Box::new(failure))
    }

    /// The cause; `None` if it was a file of ours.
    pub(crate) fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Tool(failure) => Some(&failure.cause),
            Self::File(_) | Self::Namespace(_) | Self::NoRoom { .. } => None,
        }
    }

    /// This failure with another cause, which tells more.
    pub(crate) fn because(mut self, cause: Cause) -> Self {
        if let Self::Tool(failure) = &mut self {
            failure.cause = cause;
        }
        self
    }

    /// This failure, with a note of how many tries there were.
    pub(crate) fn after(self, tries: u32) -> Self {
        if tries > 1 { self.preceded_by(format!("it was tried {tries} times")) } else { self }
    }

    /// This failure. If the registry wanted a login, and there is one that the tool did not send, it is named.
    pub(crate) fn with_unread_login(mut self) -> Self {
        if let Self::Tool(failure) = &mut self
            && failure.cause == Cause::Unauthorised
            && let Some(registry) = failure.subject.registry()
            && let Ok(KnownCredentials::Unread { key, file }) =
                known_credentials(failure.orders.logins.as_deref(), registry)
        {
            failure.unread = Some((key, file));
        }
        self
    }

    /// This failure, with an earlier error that explains it.
    pub(crate) fn preceded_by(mut self, text: String) -> Self {
        if let Self::Tool(failure) = &mut self {
            failure.evidence = Some(Evidence { text, next: failure.evidence.take().map(Box::new) });
        }
        self
    }

    /// This failure, with another subject.
    pub(crate) fn about(mut self, subject: Subject) -> Self {
        if let Self::Tool(failure) = &mut self
            && let Some(said) = &failure.said
        {
            failure.cause = Cause::classify(said, &subject);
            failure.subject = subject;
        }
        self
    }
}

impl ToolFailure {
    fn new(task: &ToolTask, invocation: &Invocation, cause: Cause) -> Self {
        Self {
            tool: task.tool,
            program: invocation.program().to_owned(),
            stage: task.stage,
            subject: task.subject.clone(),
            command: sanitize::name(&invocation.to_string()),
            orders: Orders::of(invocation),
            status: None,
            said: None,
            log: None,
            cause,
            unread: None,
            evidence: None,
        }
    }

    /// Takes in what the tool wrote, and keeps all of it in a log.
    fn hear(&mut self, stderr: &[u8], logs: &Path) {
        let text = transcript::clean(stderr);
        self.said = transcript::deciding_line(&text);
        self.log = self.keep(&text, logs);
    }

    /// Writes the log. If that fails, the tool's failure is reported without it. Equal output goes to one file, so that
    /// logs do not pile up.
    fn keep(&self, text: &str, logs: &Path) -> Option<PathBuf> {
        if text.trim().is_empty() {
            return None;
        }
        let name = Digest::of(self.subject.to_string().as_bytes()).hex();
        let path = logs.join(format!("{}-{}-{}.log", self.tool, self.stage.replace(' ', "-"), &name[..12]));
        fs::create_folder(logs).ok()?;
        fs::write_atomically(&path, format!("$ {}\n{text}", self.command).as_bytes(), 0o600).ok()?;
        Some(path)
    }

    fn seal(mut self) -> ToolError {
        let mut chain = Vec::new();
        if let Some(said) = &self.said {
            chain.push(format!("{} says: {said}", self.tool));
        } else if self.status.is_some() {
            chain.push(format!("{} wrote nothing to say why", self.tool));
        }
        if !matches!(self.cause, Cause::Missing | Cause::Interrupted) {
            chain.push(format!("`{}` {}", self.command, self.end()));
        }
        if let Some(log) = &self.log {
            chain.push(format!("all that it wrote is in {}", log.display()));
        }
        self.evidence = (!chain.is_empty()).then(|| Evidence::chain(chain));
        ToolError::Tool(Box::new(self))
    }

    /// How the tool ended: by itself, by a signal, or by us when its time was over.
    fn end(&self) -> String {
        match self.status.map(|status| (status.code(), status.signal())) {
            Some((Some(code), _)) => format!("ended with exit status {code}"),
            Some((None, signal)) => format!("was ended by signal {}", signal.unwrap_or_default()),
            None => "had to be ended".to_owned(),
        }
    }
}

impl Error for ToolFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.evidence.as_ref().map(|evidence| evidence as _)
    }
}

/// A line in the chain of causes below the message.
#[derive(Debug)]
struct Evidence {
    text: String,
    next: Option<Box<Self>>,
}

impl Evidence {
    fn chain(texts: Vec<String>) -> Self {
        let mut texts = texts.into_iter().rev();
        let last = Self { text: texts.next().unwrap_or_default(), next: None };
        texts.fold(last, |next, text| Self { text, next: Some(Box::new(next)) })
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Error for Evidence {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.next.as_deref().map(|next| next as _)
    }
}

//! What a build puts into its image: the checked form of `packages = […]`.

use crate::manifest::placeholder::PER_PLATFORM;
use crate::model::{ImageName, Platform};
use crate::source::{Place, Placed};

/// One entry of `packages`, checked as far as the manifest alone allows.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// The place of the whole entry, for problems that concern no single key.
    pub(crate) place: Place,
    pub(crate) content: PackageContent,
    /// Owner of every entry. `None` stands for 0:0, or for the owners that an archive or an image has.
    pub(crate) owner: Option<Owner>,
    /// Mode of files (of the folder, for [`PackageContent::Folder`]).
    pub(crate) mode: Option<Mode>,
    /// Mode of folders within the package.
    pub(crate) folder_mode: Option<Mode>,
    /// Globs, relative to the package's folder, or to what `strip` leaves of an archive: only what matches
    /// one goes in. Empty is everything.
    pub(crate) include: Vec<Placed<String>>,
    /// Globs of what stays out; wins over `include`.
    pub(crate) exclude: Vec<Placed<String>>,
    /// Globs of what stays out, relative to the manifest's folder.
    pub(crate) exclude_in_project: Vec<Placed<String>>,
    /// It is no error if the path does not exist.
    pub(crate) optional: bool,
    /// Symbolic links are followed instead of kept.
    pub(crate) follow: bool,
    /// A symbolic link in a folder is kept wherever it leads. Packages of the manifest keep only those that stay in it.
    pub(crate) any_links: bool,
    /// ELF programs for another architecture are no error.
    pub(crate) foreign: bool,
}

impl Package {
    /// A package without any optional setting.
    pub(crate) fn new(place: Place, content: PackageContent) -> Self {
        Self {
            place,
            content,
            owner: None,
            mode: None,
            folder_mode: None,
            include: Vec::new(),
            exclude: Vec::new(),
            exclude_in_project: Vec::new(),
            optional: false,
            follow: false,
            any_links: false,
            foreign: false,
        }
    }
}

/// What a package holds.
#[derive(Clone, Debug)]
pub(crate) enum PackageContent {
    /// A file, a folder or a glob on this machine, relative to the manifest's folder.
    Path {
        /// May hold the placeholders of [`expand`].
        path: Placed<String>,
        /// Absolute and normalised, with its trailing `/` kept; may hold placeholders too.
        to: Option<Placed<String>>,
    },
    /// Files of another image, which is not run.
    Image {
        image: Placed<ImageName>,
        /// A file, a folder or a glob in that image: absolute and normalised, with its trailing `/` kept.
        path: Placed<String>,
        /// Where it goes; `None` stands for `path`.
        to: Option<Placed<String>>,
    },
    /// What a tar on this machine holds, plain or compressed.
    Archive {
        archive: Placed<String>,
        /// Where its root goes.
        to: Placed<String>,
        /// How many leading folders are dropped.
        strip: usize,
    },
    /// A small file written in the manifest.
    Text { text: String, to: Placed<String> },
    /// A symbolic link at `link` with this target.
    Link { link: Placed<String>, target: String },
    /// An empty folder, or the mode and owner of one that others fill.
    Folder { folder: Placed<String> },
    /// What a target of [`Manifest::targets`](crate::manifest::Manifest::targets) makes.
    Target {
        target: Placed<String>,
        /// The number of the output.
        output: usize,
        /// The target and the output, as people read them.
        label: String,
        /// Where it goes; `None` stands for the place that the target itself gives it.
        to: Option<Placed<String>>,
    },
}

/// User and group, as numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A kind of file that says what stays out of folder packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IgnoreFile {
    Docker,
    Git,
}

impl IgnoreFile {
    /// Their names, as the manifest has them.
    pub(crate) const NAMES: [&str; 2] = [Self::Docker.name(), Self::Git.name()];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Docker => ".dockerignore",
            Self::Git => ".gitignore",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Docker, Self::Git].into_iter().find(|kind| kind.name() == name)
    }
}

/// Permission bits with set-uid, set-gid and sticky: at most 0o7777.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mode(pub(crate) u32);

/// Replaces `{os}`, `{arch}`, `{platform}` and `{cpu}` by the platform's; `{{` and `}}` are braces.
///
/// Validation of the manifest has refused every other name, so any other text is kept unchanged.
pub(crate) fn expand(text: &str, platform: &Platform) -> String {
    expand_with(text, &|name| of_platform(name, platform))
}

/// Replaces each name in braces that has a value; `{{` and `}}` are braces. Any other text is kept unchanged.
pub(crate) fn expand_with(text: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        expanded.push_str(&rest[..brace]);
        rest = &rest[brace..];
        if let Some(doubled) = ["{{", "}}"].into_iter().find(|doubled| rest.starts_with(doubled)) {
            expanded.push_str(&doubled[1..]);
            rest = &rest[2..];
            continue;
        }
        let name = rest.strip_prefix('{').and_then(|inner| inner.split_once('}')).map(|(name, _)| name);
        match name.and_then(|name| Some((name, value(name)?))) {
            Some((name, value)) => {
                expanded.push_str(&value);
                rest = &rest[name.len() + 2..];
            }
            None => {
                expanded.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
    }
    expanded.push_str(rest);
    expanded
}

/// The value of a name that the platform decides.
pub(crate) fn of_platform(name: &str, platform: &Platform) -> Option<String> {
    Some(match name {
        "os" => platform.os().to_owned(),
        "arch" => platform.architecture().to_owned(),
        "platform" => platform.dashed(),
        "cpu" => platform.cpu().to_owned(),
        _ => return None,
    })
}

/// True if a text has a name in braces that the platform decides.
pub(crate) fn is_for_each_platform(text: &str) -> bool {
    let found = std::cell::Cell::new(false);
    expand_with(text, &|name| {
        found.set(found.get() || PER_PLATFORM.contains(&name));
        None
    });
    found.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_placeholders() {
        let platform = Platform::parse("linux/arm/v7").unwrap();
        for (text, expanded) in [
            ("a/{arch}/b", "a/arm/b"),
            ("{platform}-{cpu}", "linux-arm-v7-armv7"),
            ("{os}{{arch}}", "linux{arch}"),
            ("x}{y", "x}{y"),
        ] {
            assert_eq!(expand(text, &platform), expanded);
        }
        for (text, is_so) in [("{arch}", true), ("{{arch}}", false), ("{git.sha}{", false), ("a{{{os}", true)] {
            assert_eq!(is_for_each_platform(text), is_so, "{text}");
        }
    }
}

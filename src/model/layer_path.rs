//! A path inside a layer: never mixed up with a path on this machine.

use std::borrow::Borrow;
use std::fmt;

use crate::sanitize;

/// The prefix of the name that deletes a file (OCI image spec, "Whiteouts").
pub(crate) const WHITEOUT: &str = ".wh.";
/// The name that hides everything that lower layers have in its folder (OCI image spec, "Opaque Whiteout").
pub(crate) const OPAQUE: &str = ".wh..wh..opq";

/// An absolute, normalised path in an image, kept without its leading `/`; the root is empty.
///
/// The path is bytes, since file names need not be UTF-8. Paths are ordered by their bytes. So a folder comes before
/// its content, as in a layer's entries.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LayerPath(Box<[u8]>);

/// Why a text is no path in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("a path in an image begins with `/`")]
    Relative,
    #[error("a path in an image has no `..`")]
    Parent,
    #[error("a path in an image has no NUL byte")]
    Nul,
}

impl LayerPath {
    /// The root folder.
    pub(crate) fn root() -> Self {
        Self(Box::default())
    }

    /// Parses an absolute path; empty components, `.` and a trailing `/` are dropped.
    pub(crate) fn parse(path: &[u8]) -> Result<Self, PathError> {
        let relative = path.strip_prefix(b"/").ok_or(PathError::Relative)?;
        let mut normal = Vec::with_capacity(relative.len());
        for component in relative.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => return Err(PathError::Parent),
                _ if component.contains(&0) => return Err(PathError::Nul),
                _ => append(&mut normal, component),
            }
        }
        Ok(Self(normal.into()))
    }

    /// The path of `relative`, one or more plain names, below this folder.
    pub(crate) fn join(&self, relative: &[u8]) -> Self {
        debug_assert!(!relative.is_empty() && !relative.starts_with(b"/"));
        let mut joined = Vec::with_capacity(self.0.len() + 1 + relative.len());
        joined.extend_from_slice(&self.0);
        append(&mut joined, relative);
        Self(joined.into())
    }

    /// The folder that the path is in. Returns `None` for the root.
    pub(crate) fn parent(&self) -> Option<Self> {
        let name = self.name()?.len();
        let rest = &self.0[..self.0.len() - name];
        Some(Self(rest.strip_suffix(b"/").unwrap_or(rest).into()))
    }

    /// The last component. Returns `None` for the root.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    pub(crate) fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|component| !component.is_empty())
    }

    /// The folders above the path, nearest first, without the root.
    pub(crate) fn folders_above(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent).take_while(|path| !path.is_root())
    }

    /// True if `other` is within this folder.
    pub(crate) fn is_above(&self, other: &Self) -> bool {
        self.is_root() || other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.starts_with(b"/"))
    }

    /// True if a name in the path is one by which a layer deletes something.
    pub(crate) fn is_reserved(&self) -> bool {
        self.components().any(|name| name.starts_with(WHITEOUT.as_bytes()))
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path as a tar has it: without a leading `/`.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Bytes are ordered as paths are.
impl Borrow<[u8]> for LayerPath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

fn append(path: &mut Vec<u8>, component: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(component);
}

/// Absolute, and safe to show.
impl fmt::Display for LayerPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "/{}", sanitize::name(&String::from_utf8_lossy(&self.0)))
    }
}

impl fmt::Debug for LayerPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn normalises() {
        for (written, normal) in [("/", "/"), ("//a/./b//", "/a/b"), ("/a", "/a"), ("/..a/b..", "/..a/b..")] {
            assert_eq!(LayerPath::parse(written.as_bytes()).unwrap().to_string(), normal);
        }
        for (written, error) in [
            (&b"a"[..], PathError::Relative),
            (b"", PathError::Relative),
            (b"/a/../b", PathError::Parent),
            (b"/a\0", PathError::Nul),
        ] {
            assert_eq!(LayerPath::parse(written), Err(error));
        }
    }

    #[test]
    fn knows_what_is_above() {
        let path = LayerPath::parse(b"/a/b/c").unwrap();
        let above: Vec<String> = path.folders_above().map(|path| path.to_string()).collect();
        assert_eq!(above, ["/a/b", "/a"]);
        assert_eq!(LayerPath::parse(b"/a").unwrap().parent(), Some(LayerPath::root()));
        assert_eq!(LayerPath::root().parent(), None);
        let is_above =
            |one: &[u8], other: &[u8]| LayerPath::parse(one).unwrap().is_above(&LayerPath::parse(other).unwrap());
        assert!(is_above(b"/", b"/a") && is_above(b"/a", b"/a/b/c"));
        assert!(!is_above(b"/a", b"/a") && !is_above(b"/a", b"/ab") && !is_above(b"/a/b", b"/a"));
    }

    proptest! {
        #[test]
        fn a_parsed_path_parses_to_itself(bytes in proptest::collection::vec(prop_oneof![Just(b'/'), Just(b'.'), any::<u8>()], 0..40)) {
            let mut written = vec![b'/'];
            written.extend(bytes);
            if let Ok(path) = LayerPath::parse(&written) {
                let mut absolute = vec![b'/'];
                absolute.extend(path.as_bytes());
                prop_assert_eq!(LayerPath::parse(&absolute), Ok(path.clone()));
                let rebuilt = path.components().fold(LayerPath::root(), |path, component| path.join(component));
                prop_assert_eq!(&rebuilt, &path);
                if let (Some(parent), Some(name)) = (path.parent(), path.name()) {
                    prop_assert!(parent < path);
                    prop_assert_eq!(parent.join(name), path);
                }
            }
        }
    }
}

//! The names of the extended attributes that overlays use (Linux, "Overlay Filesystem").

use std::ffi::CStr;

/// The prefixes of the names: for an overlay that root mounted, and for one in a user namespace.
const PREFIXES: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

/// True for the name of an attribute that belongs to overlays, in a user namespace or not.
pub(crate) fn is_of_overlay(name: &[u8]) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The name of the attribute that hides what lower layers have in a folder, if its value is `y`.
pub(crate) fn opaque(is_namespaced: bool) -> &'static CStr {
    if is_namespaced { c"user.overlay.opaque" } else { c"trusted.overlay.opaque" }
}

//! What a person sees, with what differs from run to run taken out.

/// Asserts what a run of `oci` returned and printed, against a snapshot beside the test.
macro_rules! assert_outcome {
    ($outcome:expr) => {
        insta::with_settings!(
            { filters => crate::support::snapshot::FILTERS.to_vec(), omit_expression => true },
            { insta::assert_snapshot!($outcome.to_string()) }
        )
    };
}
pub(crate) use assert_outcome;

/// What differs from run to run. Folders are taken out by the context, which knows them.
pub(crate) const FILTERS: &[(&str, &str)] = &[
    (r"127\.0\.0\.1:\d+", "[REGISTRY]"),
    (r"sha256:[0-9a-f]{64}", "sha256:[DIGEST]"),
    (r"sha256:[0-9a-f]{4,63}…?", "sha256:[SHORT]"),
    (r"\b\d+(\.\d+)? ?(ms|s)\b", "[TIME]"),
    (r"\b\d+(\.\d+)? ?(B|[kKM]i?B)\b", "[SIZE]"),
    (r"[\w.-]+\.log\b", "[LOG]"),
    (r"\.(oci-tmp-|tmp)\w{6}", "[TEMPORARY]"),
    // A layer that is brought alone, as some versions of skopeo need it, has a folder more.
    (r"/alone-\w{6}", ""),
    // Releases of a tool word things differently, but `oci` has to explain them in equal words.
    (r"(skopeo|umoci|runc) says: .*", "$1 says: […]"),
    (r"ended with exit status \d+", "ended with exit status [N]"),
];

//! The nearest known name to one that does not exist, for help texts.

/// The candidate that `written` was most likely meant to be, if one is near enough to say so.
pub(crate) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase().replace('_', "-");
    let length = written.chars().count();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let (shorter, length) = (length.min(candidate.chars().count()), length.max(candidate.chars().count()));
            let begins = !written.is_empty() && (candidate.starts_with(written) || written.starts_with(candidate));
            let most = (length / 3).max(1);
            // The distance is no less than the difference in length; most names need no closer look.
            if !begins && length - shorter > most {
                return None;
            }
            let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase().replace('_', "-"));
            // Names of one letter that differ have nothing in common, and all begin with nothing.
            (begins || (distance <= most && distance < length)).then_some((distance, candidate))
        })
        .min_by_key(|(distance, candidate)| (*distance, *candidate))
        .map(|(_, candidate)| candidate)
}

/// The help line for a name that does not exist: it gives the nearest name, or else up to twelve of the
/// known names. Returns `None` if no name is known.
pub(crate) fn help<'a>(what: &str, written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut candidates: Vec<&str> = candidates.into_iter().collect();
    candidates.sort_unstable();
    if let Some(near) = nearest(written, candidates.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let names: Vec<String> = candidates.iter().take(12).map(|name| format!("`{name}`")).collect();
    let more = if candidates.len() > names.len() {
        format!(" and {} more", candidates.len() - names.len())
    } else {
        String::new()
    };
    (!names.is_empty()).then(|| format!("{what}: {}{more}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        for (written, meant) in [
            ("entrypiont", Some("entrypoint")),
            ("stop_signal", Some("stop-signal")),
            ("lables", Some("labels")),
            ("entry", Some("entrypoint")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, ["entrypoint", "labels", "stop-signal", "tag"]), meant, "{written}");
        }
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest("ab", ["ac"]), Some("ac"));
    }

    #[test]
    fn lists_what_there_is_when_nothing_is_near() {
        assert_eq!(help("the bases are", "zzzzz", ["b", "a"]).unwrap(), "the bases are: `a`, `b`");
        assert_eq!(help("the bases are", "zzz", []), None);
    }
}

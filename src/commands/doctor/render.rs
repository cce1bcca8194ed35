//! Findings as text for people, and as JSON (`docs/doctor.md`).

use std::fmt::Write;

use serde_json::json;

use super::finding::{Finding, State};

/// A line for each finding, and a line for what to do about it.
pub(super) fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.topic.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for Finding { topic, state, found, fix } in findings {
        let _ = writeln!(text, "{:7}  {topic:width$}  {found}", state.as_str());
        if let Some(fix) = fix {
            let _ = writeln!(text, "{:7}  {:width$}  to do: {fix}", "", "");
        }
    }
    text
}

pub(super) fn json(findings: &[Finding]) -> String {
    let is_ready = findings.iter().all(|finding| finding.state != State::Missing);
    let findings: Vec<_> = findings
        .iter()
        .map(|Finding { topic, state, found, fix }| {
            json!({ "topic": topic, "state": state.as_str(), "found": found, "fix": fix })
        })
        .collect();
    format!("{}\n", json!({ "ready": is_ready, "findings": findings }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_lines_and_data() {
        let findings = [
            Finding::good("skopeo", "1.9.3, /usr/bin/skopeo"),
            Finding::bad("runc", State::Missing, "not on PATH", "install it: `apt install runc`"),
            Finding::bad("subordinate IDs", State::Warning, "none of \u{1b}[31mbob's", "add some"),
        ];
        insta::assert_snapshot!(format!("{}\n{}\n{}", text(&findings), json(&findings), text(&[])));
    }
}

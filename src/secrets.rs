//! Strikes the credentials that this process knows out of everything that is shown or logged.
//!
//! Without this, a registry that answers with the request's `Authorization` header, or a tool that quotes it, would
//! show a password to everyone who reads a CI job's log. A credential is struck out in each form in which it travels:
//! plain, in base64 with its user, and as URLs and JSON texts write it. Text that looks like the value of such a header
//! is struck out too, since this process never sees the tokens that skopeo was given.

use std::borrow::Cow;
use std::sync::{PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// The text in place of a credential.
pub(crate) const STRUCK_OUT: &str = "***";
/// The fewest bytes that a credential is looked for with: shorter text would be found everywhere.
const SHORTEST: usize = 4;
/// The fewest characters that count as a header's value.
const SHORTEST_TOKEN: usize = 8;

/// The known credentials, the longest first, since one may hold another.
static KNOWN: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Strikes out this password or token from now on.
pub(crate) fn learn(secret: &str) {
    if secret.len() < SHORTEST {
        return;
    }
    let json = serde_json::Value::from(secret).to_string();
    let forms = [
        secret.to_owned(),
        json[1..json.len() - 1].to_owned(),
        percent_encoded(secret, |byte| format!("%{byte:02X}")),
        percent_encoded(secret, |byte| format!("%{byte:02x}")),
        percent_encoded(secret, |byte| if byte == b' ' { "+".to_owned() } else { format!("%{byte:02X}") }),
    ];
    remember(forms);
}

/// As [`learn`], of what `auth` of a credentials file or a header `Basic` holds: user and password in base64.
pub(crate) fn learn_basic(encoded: &str) {
    let encoded = encoded.trim().trim_end_matches('=');
    let Ok(pair) = STANDARD_NO_PAD.decode(encoded) else { return };
    let forms =
        [STANDARD.encode(&pair), STANDARD_NO_PAD.encode(&pair), URL_SAFE.encode(&pair), URL_SAFE_NO_PAD.encode(&pair)];
    remember(forms.into_iter().filter(|form| form.len() >= SHORTEST_TOKEN));
    let pair = String::from_utf8_lossy(&pair);
    if let Some((_, password)) = pair.split_once(':') {
        learn(password.trim_end_matches('\0'));
    }
}

fn remember(forms: impl IntoIterator<Item = String>) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    known.extend(forms);
    known.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    known.dedup();
}

/// The text without known credentials, and without what looks like the value of an `Authorization` header.
pub(crate) fn strike_out(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut clean = Cow::Borrowed(text);
    for secret in known.iter().filter(|secret| *secret != STRUCK_OUT) {
        if clean.contains(secret.as_str()) {
            clean = Cow::Owned(clean.replace(secret.as_str(), STRUCK_OUT));
        }
    }
    match headers_struck_out(&clean) {
        Some(struck_out) => Cow::Owned(struck_out),
        None => clean,
    }
}

/// The text without header values. Returns `None` if it holds none.
fn headers_struck_out(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let mut clean = String::new();
    let mut done = 0;
    for (at, scheme) in lower
        .match_indices("basic ")
        .chain(lower.match_indices("bearer "))
        .collect::<std::collections::BTreeMap<_, _>>()
    {
        let start = at + scheme.len();
        if start < done {
            continue;
        }
        let is_of_token = |letter: char| letter.is_ascii_alphanumeric() || "-._~+/=".contains(letter);
        let length = text[start..].find(|letter| !is_of_token(letter)).unwrap_or(text.len() - start);
        let token = &text[start..start + length];
        // A word of a sentence has neither a digit nor a capital behind its first letter.
        let is_word = !token.chars().skip(1).any(|letter| letter.is_ascii_digit() || letter.is_ascii_uppercase());
        if length >= SHORTEST_TOKEN && !is_word {
            clean.push_str(&text[done..start]);
            clean.push_str(STRUCK_OUT);
            done = start + length;
        }
    }
    (done > 0).then(|| clean + &text[done..])
}

/// As in a URL, with all but the characters that never have a meaning there written as `write` does.
fn percent_encoded(secret: &str, write: impl Fn(u8) -> String) -> String {
    let mut encoded = String::with_capacity(secret.len());
    for byte in secret.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            byte => encoded.push_str(&write(byte)),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_struck_out_in_the_forms_in_which_they_travel() {
        // The values are this test's alone, because all tests of the process share what is known.
        let password = "pa\"ss/wörd 47f1";
        let pair = format!("mona:{password}");
        learn_basic(&STANDARD.encode(&pair));
        let form: String =
            percent_encoded(password, |byte| if byte == b' ' { "+".to_owned() } else { format!("%{byte:02X}") });
        for travelling in [
            password.to_owned(),
            STANDARD.encode(&pair),
            STANDARD_NO_PAD.encode(&pair),
            URL_SAFE.encode(&pair),
            format!("https://mona:{}@registry", percent_encoded(password, |byte| format!("%{byte:02x}"))),
            form,
            serde_json::json!({ "error": password }).to_string(),
        ] {
            let shown = strike_out(&travelling);
            assert!(shown.contains(STRUCK_OUT) && !shown.contains("47f1") && !shown.contains("NDdmM"), "{shown}");
        }
        learn("abc");
        assert_eq!(strike_out("abc stays"), "abc stays");
    }

    #[test]
    fn values_of_headers_are_struck_out_though_they_are_not_known() {
        for (text, shown) in [
            ("got Authorization: Bearer eyJhbGciOiJub25lIn0.e30.", "got Authorization: Bearer ***"),
            ("\"basic dXNlcjpwYXNz\" is wrong, Basic dXNlcjpwYXNz too", "\"basic ***\" is wrong, Basic *** too"),
            ("Bearer realm=\"https://auth.example.com/token\"", "Bearer realm=\"https://auth.example.com/token\""),
            ("unauthorized: basic authentication is required", "unauthorized: basic authentication is required"),
            ("Basic Authentication failed", "Basic Authentication failed"),
        ] {
            assert_eq!(strike_out(text), shown);
        }
    }
}

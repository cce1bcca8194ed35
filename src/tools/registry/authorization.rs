//! The login that a registry wants: a name and password, or a token that another server gives for them
//! (the distribution project's "Token Authentication Specification").

use serde::Deserialize;
use ureq::Agent;
use ureq::http::header;

use super::connection::Trouble;
use super::credentials::Basic;
use crate::secrets;

/// How large the answer with a token may be.
const LARGEST_ANSWER: u64 = 1 << 20;

/// The header `WWW-Authenticate`, as far as it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// `None` if it is of another kind.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (kind, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if kind.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !kind.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameters = parameters(rest)?;
        let value = |name: &str| {
            let found = parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        Some(Self::Bearer { realm: value("realm")?, service: value("service") })
    }
}

/// `name="value", name=value` (RFC 9110, "Authentication Parameters").
fn parameters(mut rest: &str) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(found);
        }
        let (name, behind) = rest.split_once('=')?;
        let (value, behind) = match behind.trim_start().strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = behind.find(',').unwrap_or(behind.len());
                (behind[..end].trim().to_owned(), &behind[end..])
            }
        };
        found.push((name.trim().to_owned(), value));
        rest = behind;
    }
}

/// A value up to its closing quote, and the text behind it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            character => value.push(character),
        }
    }
    None
}

/// Asks for a token with which the repository can be read, or with `pull,push` as `actions` written: the value of a
/// header, and a secret.
pub(super) fn token(
    agent: &Agent,
    realm: &str,
    service: Option<&str>,
    (repository, actions): (&str, &str),
    credentials: Option<Basic>,
) -> Result<String, Trouble> {
    #[derive(Deserialize)]
    struct Granted {
        token: Option<String>,
        access_token: Option<String>,
    }
    let mut message = agent.get(realm).query("scope", format!("repository:{repository}:{actions}"));
    if let Some(service) = service {
        message = message.query("service", service);
    }
    if let Some(credentials) = credentials {
        message = message.header(header::AUTHORIZATION, credentials.into_header());
    }
    // An error here is the token server's, and not the registry's.
    let mut response = message.call().map_err(|_| Trouble::Unclear)?;
    if response.status() != 200 {
        return Err(Trouble::Unclear);
    }
    let body = response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec().map_err(|_| Trouble::Unclear)?;
    let granted: Granted = serde_json::from_slice(&body).map_err(|_| Trouble::Unclear)?;
    let token = granted.token.or(granted.access_token).filter(|token| !token.is_empty()).ok_or(Trouble::Unclear)?;
    secrets::learn(&token);
    Ok(format!("Bearer {token}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_challenges() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        for (header, challenge) in [
            ("Basic realm=\"test\"", Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                "Bearer realm=\"https://auth.example.com/token\",service=\"registry.example.com\",scope=\"repository:a/b:pull,push\"",
                bearer("https://auth.example.com/token", Some("registry.example.com")),
            ),
            ("bearer scope=\"a,b\", realm = \"x\"", bearer("x", None)),
            ("bearer scope=\"a,b\", REALM=\"x\\\"y\"", bearer("x\"y", None)),
            ("Bearer realm=x , service=y", bearer("x", Some("y"))),
            ("Bearer service=\"y\"", None),
            ("Bearer realm=\"x", None),
            ("Bearer realm", None),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(Challenge::parse(header), challenge, "{header}");
        }
    }
}

//! The user and groups of a container's process: an image's `User` by the image's own `/etc/passwd` and `/etc/group`,
//! read as container engines read it.

use std::io;
use std::path::Path;

use crate::process::IdMap;
use crate::sandbox::refusal::{Attempt as _, Refusal};
use crate::sandbox::root::Root;
use crate::sandbox::view::{Holder, View};
use crate::sanitize;

/// The IDs of a process, and where its home is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) supplementary: Vec<u32>,
    pub(super) home: String,
}

/// Looks a user up; an ID that the map does not have is refused.
pub(super) fn resolve(text: Option<&str>, root: &Root, map: &IdMap) -> Result<Account, Refusal> {
    let passwd = read(root, "/etc/passwd")?;
    let group = read(root, "/etc/group")?;
    let mut account = parse(text.unwrap_or_default(), &passwd, &group)?;
    if !map.holds(account.user, account.group) {
        return Err(Refusal::UnmappedUser { user: account.user, group: account.group });
    }
    // A program that gives its group up for another must not lose what is refused to that group.
    if !account.supplementary.contains(&account.group) {
        account.supplementary.insert(0, account.group);
    }
    account.supplementary.retain(|&group| map.holds(0, group));
    Ok(account)
}

/// An account file. One that leads to a folder of the container's own is refused: the runtime reads it too, and
/// would read a device without an end.
fn read(root: &Root, path: &str) -> Result<String, Refusal> {
    let place = View::new(root).find(Path::new(path)).attempt("find", path)?;
    if place.holder == Holder::Runtime {
        let error = io::Error::other(format!("it leads to `{}`", sanitize::name(&place.absolute().to_string_lossy())));
        return Err(Refusal::failed("read", Path::new(path), error));
    }
    root.read_text(path).attempt("read", path)
}

fn parse(text: &str, passwd: &str, groups: &str) -> Result<Account, Refusal> {
    let (user, group) = match text.split_once(':') {
        // Nothing after the colon names no group.
        Some((user, "")) => (user, None),
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    if group.is_some_and(|group| group.contains(':')) {
        return Err(Refusal::InvalidUser { text: sanitize::name(text) });
    }
    let user = if user.is_empty() { "0" } else { user };
    let unknown = |kind: &str, name: &str| Refusal::UnknownUser { kind: kind.to_owned(), name: sanitize::name(name) };

    let entry = User::find(user, passwd);
    let mut account = match (&entry, number(user)) {
        (Some(entry), _) => Account {
            user: entry.user,
            group: entry.group,
            supplementary: Vec::new(),
            home: if entry.home.is_empty() { "/".to_owned() } else { entry.home.to_owned() },
        },
        (None, Some(user)) => Account { user, group: 0, supplementary: Vec::new(), home: "/".to_owned() },
        (None, None) => return Err(unknown("user", user)),
    };
    match group {
        Some(group) => {
            account.group = number(group)
                .or_else(|| Group::all(groups).find(|entry| entry.name == group).map(|entry| entry.group))
                .ok_or_else(|| unknown("group", group))?;
        }
        // A group that is named stands alone.
        None => {
            let name = entry.map(|entry| entry.name);
            let member = |group: &Group<'_>| name.is_some_and(|name| group.members.split(',').any(|one| one == name));
            account.supplementary = Group::all(groups).filter(member).map(|group| group.group).collect();
        }
    }
    Ok(account)
}

/// IDs are numbers up to 2³¹ − 1, as for container engines.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| i32::try_from(*number).is_ok())
}

struct User<'a> {
    name: &'a str,
    user: u32,
    group: u32,
    home: &'a str,
}

impl<'a> User<'a> {
    /// A number is taken as a number, even if a user or group has it for a name.
    fn find(wanted: &str, passwd: &'a str) -> Option<Self> {
        passwd.lines().filter_map(Self::parse).find(|entry| match number(wanted) {
            Some(number) => entry.user == number,
            None => entry.name == wanted,
        })
    }

    fn parse(line: &'a str) -> Option<Self> {
        let fields: Vec<&str> = line.trim_end().split(':').collect();
        let [name, _, user, group, _, home, ..] = fields[..] else { return None };
        Some(Self { name, user: number(user)?, group: number(group)?, home })
    }
}

struct Group<'a> {
    name: &'a str,
    group: u32,
    members: &'a str,
}

impl<'a> Group<'a> {
    fn all(groups: &'a str) -> impl Iterator<Item = Self> {
        groups.lines().filter_map(|line| {
            let fields: Vec<&str> = line.trim_end().split(':').collect();
            let [name, _, group, members, ..] = fields[..] else { return None };
            Some(Self { name, group: number(group)?, members })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# comment\napp:x:1000:1001:,,,:/home/app:/bin/sh\n7:x:70:71::/seven:\nnohome:x:5:5:::\n";
    const GROUP: &str = "root:x:0:\nwheel:x:10:root,app\nstaff:x:50:app\nbroken\n";

    #[test]
    fn reads_a_user_as_engines_do() {
        let account = |user, group, supplementary: &[u32], home: &str| {
            Ok(Account { user, group, supplementary: supplementary.to_vec(), home: home.to_owned() })
        };
        let unknown = |kind: &str, name: &str| Err(Refusal::UnknownUser { kind: kind.into(), name: name.into() });
        for (text, expected) in [
            ("", account(0, 0, &[10], "/root")),
            ("app", account(1000, 1001, &[10, 50], "/home/app")),
            ("1000", account(1000, 1001, &[10, 50], "/home/app")),
            ("app:staff", account(1000, 50, &[], "/home/app")),
            ("app:5", account(1000, 5, &[], "/home/app")),
            (":staff", account(0, 50, &[], "/root")),
            ("7", account(7, 0, &[], "/")),
            ("65532:65532", account(65532, 65532, &[], "/")),
            ("nohome", account(5, 5, &[], "/")),
            ("nobody", unknown("user", "nobody")),
            ("app:none", unknown("group", "none")),
            ("4294967295", unknown("user", "4294967295")),
            ("app:", account(1000, 1001, &[10, 50], "/home/app")),
            ("a:b:c", Err(Refusal::InvalidUser { text: "a:b:c".into() })),
        ] {
            assert_eq!(parse(text, PASSWD, GROUP), expected, "{text}");
        }
    }
}

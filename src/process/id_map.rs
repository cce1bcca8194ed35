//! Finds which IDs of the machine stand for a container's. For root they are equal. An ordinary user needs a user
//! namespace and, for more than one ID, ranges that the machine's administrator gave (`subuid(5)`).

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::process::on_path;

/// How a container's user and group IDs are mapped to the machine's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum IdMap {
    /// No user namespace: this process is root.
    Host,
    /// The container's root is the user, and there is no other ID.
    Single { user: u32, group: u32 },
    /// The container's root is the user, and 1 and above are the user's subordinate IDs.
    Ranges { user: u32, group: u32, users: IdRange, groups: IdRange },
}

/// True if this process sees all IDs of the machine. This tells root of the machine from root of a user namespace
/// around this process, such as a container's.
pub(crate) fn has_all_ids() -> bool {
    read("/proc/self/uid_map").split_whitespace().eq(["0", "0", "4294967295"])
}

/// True if a group exists in the user namespace of this process, which may be another program's and small.
pub(crate) fn has_group(group: u32) -> bool {
    is_inside(&read("/proc/self/gid_map"), group)
}

/// True if a map of the kernel has an ID inside the namespace (`user_namespaces(7)`).
fn is_inside(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let numbers: Vec<u32> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        matches!(numbers[..], [first, _, count] if id.checked_sub(first).is_some_and(|offset| offset < count))
    })
}

/// Consecutive IDs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdRange {
    pub(crate) start: u32,
    pub(crate) count: u32,
}

impl IdMap {
    /// The best map that this user can have on this machine.
    pub(crate) fn detect() -> Self {
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        if user.is_root() {
            return Self::Host;
        }
        let (user, group) = (user.as_raw(), group.as_raw());
        let name = user_name(&read("/etc/passwd"), user).or_else(|| std::env::var("USER").ok()).unwrap_or_default();
        let tools = ["newuidmap", "newgidmap"].iter().all(|tool| on_path(Path::new(tool)).is_some());
        let users = subordinate(&read("/etc/subuid"), &name, user);
        let groups = subordinate(&read("/etc/subgid"), &name, user);
        match (tools, users, groups) {
            (true, Some(users), Some(groups)) => Self::Ranges { user, group, users, groups },
            _ => Self::Single { user, group },
        }
    }

    /// True if the map needs a user namespace.
    pub(crate) fn is_namespaced(&self) -> bool {
        *self != Self::Host
    }

    /// True if a container has these IDs.
    pub(crate) fn holds(&self, user: u32, group: u32) -> bool {
        match self {
            Self::Host => true,
            Self::Single { .. } => user == 0 && group == 0,
            Self::Ranges { users, groups, .. } => user <= users.count && group <= groups.count,
        }
    }
}

/// The map as a part of a file name: trees unpacked under different maps have different owners.
impl fmt::Display for IdMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => formatter.write_str("host"),
            Self::Single { .. } => formatter.write_str("single"),
            Self::Ranges { users, groups, .. } => {
                write!(formatter, "{}+{}-{}+{}", users.start, users.count, groups.start, groups.count)
            }
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn user_name(passwd: &str, user: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    })
}

/// The largest range that the file gives a user, by name or by number.
fn subordinate(text: &str, name: &str, user: u32) -> Option<IdRange> {
    let ranges = text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let start: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        let ours = (!name.is_empty() && owner == name) || owner.parse() == Ok(user);
        (ours && count > 0 && start.checked_add(count).is_some()).then_some(IdRange { start, count })
    });
    ranges.max_by_key(|range| range.count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_the_kernel_tells_which_ids_are_inside() {
        let map = "         0       1003          1\n         1     231072      65536\n";
        for (map, id, there) in [
            (map, 0, true),
            (map, 5, true),
            (map, 65536, true),
            (map, 65537, false),
            ("0 1003 1\n", 5, false),
            ("0 0 4294967295\n", 5, true),
            ("", 0, false),
        ] {
            assert_eq!(is_inside(map, id), there, "{map} {id}");
        }
    }

    #[test]
    fn finds_the_largest_range_by_name_or_number() {
        let text = "# none\nann:100000:1000\nbob:300000:65536\n1001:500000:70000\nann:200000:65536\nann:4294967295:9\n";
        let range = |start, count| Some(IdRange { start, count });
        assert_eq!(subordinate(text, "ann", 1000), range(200_000, 65536));
        assert_eq!(subordinate(text, "bob", 1001), range(500_000, 70000));
        assert_eq!(subordinate(text, "", 1002), None);
        assert_eq!(user_name("root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:\n", 1000), Some("ann".to_owned()));
    }

    #[test]
    fn holds_what_it_maps() {
        let range = IdRange { start: 100_000, count: 65536 };
        let ranges = IdMap::Ranges { user: 1, group: 1, users: range, groups: range };
        let single = IdMap::Single { user: 1, group: 1 };
        let cases = [
            (&IdMap::Host, 4_000_000, true),
            (&single, 0, true),
            (&single, 1, false),
            (&ranges, 65536, true),
            (&ranges, 65537, false),
        ];
        for (map, id, held) in cases {
            assert_eq!((map.holds(id, 0), map.holds(0, id)), (held, held), "{map} {id}");
        }
    }
}

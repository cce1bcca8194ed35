//! The environment variables of a process, which images keep as a list of `NAME=VALUE`.
//!
//! A list may have a name twice. Then the last entry counts, as it does for container runtimes. Here every name stands
//! once, at its first place, with its last value. So a variable is set or removed wholly in a build, a step and a run.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::sanitize;

/// Variables in the order of their first mention.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// The place and the value of each variable, by name.
    variables: BTreeMap<String, (usize, String)>,
    /// The place of the next new variable.
    next: usize,
    invalid: Vec<String>,
}

impl Environment {
    /// Reads a list. An entry without a name or without `=` is no variable and is left out:
    /// [`Environment::note`] names it.
    pub(crate) fn parse<T: AsRef<str>>(list: impl IntoIterator<Item = T>) -> Self {
        let mut environment = Self::default();
        for entry in list {
            match Self::split(entry.as_ref()) {
                Some((name, value)) => environment.set(name, value),
                None => environment.invalid.push(entry.as_ref().to_owned()),
            }
        }
        environment
    }

    /// Name and value of `NAME=VALUE`. Returns `None` if there is no `=`, or no name before it.
    pub(crate) fn split(entry: &str) -> Option<(&str, &str)> {
        entry.split_once('=').filter(|(name, _)| !name.is_empty())
    }

    /// A note that the list of the image `name` has entries that are no variables. Returns `None` if it has none.
    pub(crate) fn note(&self, name: &str) -> Option<String> {
        let invalid: Vec<String> = self.invalid.iter().map(|entry| format!("`{}`", sanitize::name(entry))).collect();
        let invalid = invalid.join(", ");
        let note = || format!("the environment of `{name}` has entries that are no `NAME=VALUE`, left out: {invalid}");
        (!invalid.is_empty()).then(note)
    }

    /// The value of a variable. Returns `None` if there is no such variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|(_, value)| value.as_str())
    }

    /// Sets a variable. It keeps its place; a new one stands behind all others.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        match self.variables.entry(name.to_owned()) {
            Entry::Occupied(mut known) => value.clone_into(&mut known.get_mut().1),
            Entry::Vacant(new) => {
                new.insert((self.next, value.to_owned()));
                self.next += 1;
            }
        }
    }

    /// Sets a variable unless it is set.
    pub(crate) fn set_default(&mut self, name: &str, value: &str) {
        if self.get(name).is_none() {
            self.set(name, value);
        }
    }

    /// Removes a variable, if it is there.
    pub(crate) fn remove(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// Names and values, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut variables: Vec<_> = self.variables.iter().collect();
        variables.sort_unstable_by_key(|(_, (place, _))| *place);
        variables.into_iter().map(|(name, (_, value))| (name.as_str(), value.as_str()))
    }

    /// The list, `NAME=VALUE` each.
    pub(crate) fn to_list(&self) -> Vec<String> {
        self.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_entry_of_a_name_counts_and_stands_where_the_first_stood() {
        let environment = Environment::parse(["A=1", "B=x=y", "A=2", "C="]);
        assert_eq!(environment.to_list(), ["A=2", "B=x=y", "C="]);
        assert_eq!(["A", "B", "C", "D"].map(|name| environment.get(name)), [Some("2"), Some("x=y"), Some(""), None]);
    }

    #[test]
    fn a_variable_is_set_and_removed_wholly() {
        let mut environment = Environment::parse(["A=1", "B=1", "A=2"]);
        environment.set("A", "3");
        environment.set("C", "1");
        environment.set_default("C", "2");
        assert_eq!(environment.to_list(), ["A=3", "B=1", "C=1"]);
        environment.remove("A");
        environment.remove("D");
        environment.set("A", "4");
        assert_eq!(environment.to_list(), ["B=1", "C=1", "A=4"]);
    }

    #[test]
    fn what_is_no_variable_is_left_out() {
        let environment = Environment::parse(["A", "", "=x", "B=1"]);
        assert_eq!(environment.to_list(), ["B=1"]);
        let note = "the environment of `app` has entries that are no `NAME=VALUE`, left out: `A`, ``, `=x`";
        assert_eq!(environment.note("app").as_deref(), Some(note));
        assert_eq!(Environment::parse(["B=1"]).note("app"), None);
    }
}

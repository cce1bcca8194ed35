//! Reads values from a table whose shape was checked. A value of another shape has been reported by that check, and is
//! read as `None`.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::source::{Place, Placed, Source};

/// A table, its place, and the text it is in.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    pub(super) source: &'a Source,
    table: &'a DeTable<'a>,
    /// The table that gives the value of a key that `table` lacks.
    defaults: Option<&'a DeTable<'a>>,
}

/// A value, to be read as what it is.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    source: &'a Source,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Table<'a> {
    pub(super) fn new(source: &'a Source, table: &'a DeTable<'a>) -> Self {
        Self { source, table, defaults: None }
    }

    /// This table, laid over another: tables in both are merged, any other value is replaced.
    pub(super) fn above(self, defaults: Option<Table<'a>>) -> Self {
        Self { defaults: defaults.map(|defaults| defaults.table), ..self }
    }

    /// The entries of these keys alone, to be read through [`Table::with`].
    pub(super) fn only(&self, keys: &[&str]) -> DeTable<'a> {
        let entries = self.table.iter().filter(|(name, _)| keys.contains(&name.get_ref().as_ref()));
        entries.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Another table of the same text.
    pub(super) fn with<'b>(&'b self, table: &'b DeTable<'a>) -> Table<'b> {
        Table { source: self.source, table, defaults: None }
    }

    pub(super) fn get(&self, key: &str) -> Option<Value<'a>> {
        let value = self.table.get(key).or_else(|| self.defaults?.get(key));
        value.map(|value| Value { source: self.source, value })
    }

    pub(super) fn text(&self, key: &str) -> Option<Placed<String>> {
        self.get(key)?.text()
    }

    pub(super) fn boolean(&self, key: &str) -> Option<Placed<bool>> {
        let value = self.get(key)?;
        Some(Placed::new(value.value.get_ref().as_bool()?, value.place()))
    }

    pub(super) fn integer(&self, key: &str) -> Option<Placed<Option<i64>>> {
        let value = self.get(key)?;
        let integer = value.value.get_ref().as_integer()?;
        Some(Placed::new(i64::from_str_radix(integer.as_str(), integer.radix()).ok(), value.place()))
    }

    /// The strings of a list. Returns `None` if the key is absent.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<Placed<String>>> {
        Some(self.get(key)?.list()?.into_iter().filter_map(|value| value.text()).collect())
    }

    pub(super) fn table(&self, key: &str) -> Option<Table<'a>> {
        let own = self.table.get(key).and_then(|value| value.get_ref().as_table());
        let default = self.defaults.and_then(|table| table.get(key)).and_then(|value| value.get_ref().as_table());
        let (table, defaults) = match own {
            Some(own) => (own, default),
            None => (default.filter(|_| !self.table.contains_key(key))?, None),
        };
        Some(Table { source: self.source, table, defaults })
    }

    /// The entries of a table whose keys a person chose, with the place of each key, sorted by key.
    pub(super) fn entries(&self) -> Vec<(Placed<String>, Value<'a>)> {
        let inherited =
            self.defaults.into_iter().flatten().filter(|(name, _)| !self.table.contains_key(name.get_ref().as_ref()));
        let entries = self.table.iter().chain(inherited).map(|(name, value)| {
            let name = Placed::new(name.get_ref().as_ref().to_owned(), self.source.place(name.span()));
            (name, Value { source: self.source, value })
        });
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by(|(left, _), (right, _)| left.value.cmp(&right.value));
        entries
    }

    /// The place of a key itself.
    pub(super) fn key_place(&self, key: &str) -> Option<Place> {
        let entry = self.table.get_key_value(key).or_else(|| self.defaults?.get_key_value(key));
        entry.map(|(name, _)| self.source.place(name.span()))
    }
}

impl<'a> Value<'a> {
    pub(super) fn place(&self) -> Place {
        self.source.place(self.value.span())
    }

    pub(super) fn text(&self) -> Option<Placed<String>> {
        Some(Placed::new(self.value.get_ref().as_str()?.to_owned(), self.place()))
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        self.value.get_ref().as_bool()
    }

    pub(super) fn integer(&self) -> Option<i64> {
        let integer = self.value.get_ref().as_integer()?;
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    pub(super) fn list(&self) -> Option<Vec<Value<'a>>> {
        let array = self.value.get_ref().as_array()?;
        Some(array.iter().map(|value| Value { source: self.source, value }).collect())
    }

    pub(super) fn is_empty_list(&self) -> bool {
        self.value.get_ref().as_array().is_some_and(|array| array.is_empty())
    }

    pub(super) fn table(&self) -> Option<Table<'a>> {
        Some(Table { source: self.source, table: self.value.get_ref().as_table()?, defaults: None })
    }
}

//! The user's own settings: what belongs to a machine, and not to a repository.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;

use crate::manifest::read::Table;
use crate::manifest::validate::registry::WrittenRegistry;
use crate::manifest::validate::{Checker, policy, registry, syntax, tools};
use crate::manifest::{Cache, Tools, schema, shape};
use crate::problem::{Problem, Problems};
use crate::source::Source;

/// `[cache]`, `[tools]` and `[registry.*]` of the user's own file.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserSettings {
    pub(crate) cache: Cache,
    pub(crate) tools: Tools,
    pub(super) registries: BTreeMap<String, WrittenRegistry>,
}

impl UserSettings {
    /// Parses and checks the file. `folder` is what its paths are relative to.
    pub(crate) fn parse(source: &Source, folder: &Path) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let (document, errors) = DeTable::parse_recoverable(source.text());
        if !errors.is_empty() {
            return Err(syntax::problems(source, errors));
        }
        shape::check_table(source, document.get_ref(), schema::USER, &[], &mut problems);
        let root = Table::new(source, document.get_ref());
        let mut checker = Checker::new(problems, None);
        let settings = Self {
            cache: policy::cache(root, folder, None, &mut checker),
            tools: tools::of_user(root, folder, &mut checker),
            registries: registry::registries(root, folder, &mut checker),
        };
        let problems = checker.problems;
        if problems.is_empty() { Ok(settings) } else { Err(problems.into_sorted()) }
    }
}

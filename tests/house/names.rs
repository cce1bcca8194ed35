//! The rule that no two types which the whole crate sees have one name.

use std::collections::BTreeMap;

use crate::file::File;

/// A complaint for each name that several files give to a type of `pub(crate)`.
pub(crate) fn shared_names(files: &[File]) -> Vec<String> {
    let mut given: BTreeMap<String, Vec<&File>> = BTreeMap::new();
    for file in files {
        for name in file.code().lines().filter_map(type_name) {
            given.entry(name.to_owned()).or_default().push(file);
        }
    }
    let complain = |(name, files): (String, Vec<&File>)| {
        let (first, others) = files.split_first()?;
        let others: Vec<&str> = others.iter().map(|file| file.path.as_str()).collect();
        (!others.is_empty()).then(|| first.complain(format!("`{name}` is also the name of a type in {others:?}")))
    };
    given.into_iter().filter_map(complain).collect()
}

/// The name of the type that a line declares for the whole crate.
fn type_name(line: &str) -> Option<&str> {
    let declared = line.strip_prefix("pub(crate) ")?;
    let named = ["struct ", "enum ", "trait ", "type "].iter().find_map(|kind| declared.strip_prefix(kind))?;
    named.split(|character: char| !character.is_alphanumeric()).next()
}

#[test]
fn the_rule_of_names_can_fail() {
    let found = |texts: [&str; 2]| {
        let [a, b] = texts;
        shared_names(&[File::new("src/a.rs", a), File::new("src/b.rs", b)])
    };
    let twice = found(["pub(crate) struct Found<'a> {", "pub(crate) enum Found {"]);
    assert_eq!(twice, ["src/a.rs: `Found` is also the name of a type in [\"src/b.rs\"]"]);
    for fine in [
        ["pub(crate) struct Found;", "pub(super) struct Found;"],
        ["pub(crate) struct Found;", "pub(crate) struct FoundMember;"],
        ["pub(crate) struct Found;", "// pub(crate) struct Found;\n    pub(crate) struct Found;"],
        ["pub(crate) type Found = A;", "#[cfg(test)]\nmod tests {\npub(crate) struct Found;\n}"],
    ] {
        assert_eq!(found(fine), Vec::<String>::new(), "{fine:?}");
    }
}

//! The examples that people copy from.

use std::collections::BTreeSet;

use toml::de::{DeTable, DeValue};

use super::good;
use crate::manifest::schema::{Key, MANIFEST, Shape, State};

const EXAMPLE: &str = include_str!("../../../oci.toml.example");

#[test]
fn the_example_is_right() {
    let manifest = good(EXAMPLE);
    assert_eq!(
        manifest.pins().into_keys().collect::<Vec<_>>(),
        ["debian", "distroless", "local", "python#alpine", "python#buster", "python#slim"]
    );
    assert_eq!(manifest.builds.len(), 4);
    assert_eq!(manifest.builds["worker"].packages.len(), 10);
    let platforms = manifest.platforms(&manifest.builds["console"]);
    assert_eq!(platforms.iter().map(ToString::to_string).collect::<Vec<_>>(), ["linux/amd64"], "those of its base");
}

#[test]
fn the_example_has_every_key() {
    fn known(shape: &Shape, path: &str, keys: &mut BTreeSet<String>) {
        match shape {
            Shape::Table(table, _) => table_keys(table, path, keys),
            Shape::List(inner) | Shape::Map(inner) | Shape::Named(inner) => known(inner, path, keys),
            Shape::Either(shapes) => shapes.iter().for_each(|shape| known(shape, path, keys)),
            Shape::Text | Shape::Boolean | Shape::False | Shape::Integer | Shape::OneOf(_) => {}
        }
    }
    fn table_keys(table: &[Key], path: &str, keys: &mut BTreeSet<String>) {
        for key in table {
            if let State::Known(shape) = key.state {
                let path = format!("{path}.{}", key.name);
                known(shape, &path, keys);
                keys.insert(path);
            }
        }
    }
    /// As `known`, of what is written: a name that a person chose has no part in a path.
    fn written(value: &DeValue<'_>, shape: &Shape, path: &str, keys: &mut BTreeSet<String>) {
        match (value, shape) {
            (_, Shape::Either(shapes)) => shapes.iter().for_each(|shape| written(value, shape, path, keys)),
            (DeValue::Array(array), Shape::List(inner)) => {
                array.iter().for_each(|value| written(value.get_ref(), inner, path, keys));
            }
            (DeValue::Table(table), Shape::Map(inner) | Shape::Named(inner)) => {
                table.values().for_each(|value| written(value.get_ref(), inner, path, keys));
            }
            (DeValue::Table(table), Shape::Table(shapes, _)) => written_table(table, shapes, path, keys),
            _ => {}
        }
    }
    fn written_table(table: &DeTable<'_>, shapes: &[Key], path: &str, keys: &mut BTreeSet<String>) {
        for (name, value) in table {
            let path = format!("{path}.{}", name.get_ref());
            if let Some(Key { state: State::Known(shape), .. }) =
                shapes.iter().find(|key| key.name == name.get_ref().as_ref())
            {
                written(value.get_ref(), shape, &path, keys);
            }
            keys.insert(path);
        }
    }
    // One way to say a thing is enough for an example.
    let left_out = [".base.sha", ".base.variants.digest", ".base.variants.sha", ".build.tag"].map(str::to_owned).into();
    let (mut all, mut shown) = (BTreeSet::new(), BTreeSet::new());
    table_keys(MANIFEST, "", &mut all);
    written_table(DeTable::parse(EXAMPLE).unwrap().get_ref(), MANIFEST, "", &mut shown);
    // One table may stand in several places, and is shown in one.
    let once = |keys: BTreeSet<String>| -> BTreeSet<String> {
        let places = [
            (".defaults.", ".build."),
            (".layer.packages", ".build.packages"),
            (".stage.", ".build."),
            (".package.secrets.", ".build.steps.secrets."),
        ];
        let moved = |key: String| places.iter().fold(key, |key, (place, home)| key.replace(place, home));
        keys.into_iter().map(moved).collect()
    };
    let (all, shown) = (once(all), once(shown));
    assert_eq!(all.difference(&shown).cloned().collect::<BTreeSet<_>>(), left_out);
}

/// The example of the format's description.
const AHEAD: &str = include_str!("ahead.toml");

#[test]
fn the_example_of_the_format_is_good() {
    let manifest = good(AHEAD);
    let needed: Vec<&str> =
        manifest.targets_needed(&manifest.builds["my-server"]).map(|name| name.value.as_str()).collect();
    assert_eq!((needed, manifest.targets_needed(&manifest.builds["worker"]).count()), (vec!["server"], 0));
}

//! The shape of `oci.toml` as a JSON Schema, for editors.

use serde_json::{Map, Value, json};

use super::{Key, MANIFEST, Rule, Shape, State};

/// [`crate::model::image_name::check`], as a pattern.
const NAME: &str = "^[a-z0-9]+([._-][a-z0-9]+)*$";
const NAME_LENGTH: usize = 100;

/// The JSON Schema (2020-12) of the whole file. It covers names, types and choices. Only the program checks what a
/// value means.
pub(crate) fn json_schema() -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("oci.toml"));
    schema.insert("description".to_owned(), json!("What a project's OCI images are made of."));
    schema.extend(table(MANIFEST, &[]));
    Value::Object(schema)
}

fn of(shape: &Shape) -> Map<String, Value> {
    match shape {
        Shape::Text => object([("type", json!("string"))]),
        Shape::Boolean => object([("type", json!("boolean"))]),
        Shape::False => object([("const", json!(false))]),
        Shape::Integer => object([("type", json!("integer"))]),
        Shape::OneOf(names) => object([("enum", json!(names))]),
        Shape::List(inner) => object([("type", json!("array")), ("items", of(inner).into())]),
        Shape::Map(inner) => object([("type", json!("object")), ("additionalProperties", of(inner).into())]),
        Shape::Named(inner) => object([
            ("type", json!("object")),
            ("propertyNames", json!({ "pattern": NAME, "maxLength": NAME_LENGTH })),
            ("additionalProperties", of(inner).into()),
        ]),
        Shape::Table(keys, rules) => table(keys, rules),
        Shape::Either(shapes) => object([("anyOf", shapes.iter().map(of).collect())]),
    }
}

/// The JSON Schema of a table. Keys that this release refuses are left out, so editors report
/// them as unknown.
fn table(keys: &[Key], rules: &[Rule]) -> Map<String, Value> {
    let mut properties = Map::new();
    for key in keys {
        if let State::Known(shape) = key.state {
            let mut property = object([("description", json!(key.doc))]);
            property.extend(of(shape));
            properties.insert(key.name.to_owned(), property.into());
        }
    }
    let mut schema =
        object([("type", json!("object")), ("properties", properties.into()), ("additionalProperties", json!(false))]);
    if !rules.is_empty() {
        schema.insert("allOf".to_owned(), rules.iter().map(of_rule).collect());
    }
    schema
}

fn of_rule(rule: &Rule) -> Value {
    let one = |names: &[&str]| -> Value { names.iter().map(|name| json!({ "required": [name] })).collect() };
    match rule {
        Rule::One([name]) => json!({ "required": [name] }),
        Rule::One(names) => json!({ "oneOf": one(names) }),
        Rule::AtMostOne(names) => json!({ "anyOf": [{ "oneOf": one(names) }, { "not": { "anyOf": one(names) } }] }),
        Rule::With(name, needed) => json!({ "dependentRequired": { *name: [needed] } }),
    }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::LazyLock;

    use toml::de::{DeTable, DeValue};

    use super::*;
    use crate::model::image_name;
    use crate::source::Source;

    /// A TOML text as JSON, as editors see it.
    fn json_of(text: &str) -> Value {
        fn value(found: &DeValue<'_>) -> Value {
            match found {
                DeValue::String(text) => json!(text),
                DeValue::Integer(integer) => {
                    json!(i64::from_str_radix(integer.as_str(), integer.radix()).unwrap())
                }
                DeValue::Float(float) => json!(float.as_str().parse::<f64>().unwrap()),
                DeValue::Boolean(boolean) => json!(boolean),
                DeValue::Datetime(date) => json!(date.to_string()),
                DeValue::Array(array) => array.iter().map(|element| value(element.get_ref())).collect(),
                DeValue::Table(table) => object_of(table),
            }
        }
        fn object_of(table: &DeTable<'_>) -> Value {
            let members = table.iter().map(|(name, found)| (name.get_ref().to_string(), value(found.get_ref())));
            Value::Object(members.collect())
        }
        object_of(DeTable::parse(text).unwrap().get_ref())
    }

    /// The errors that the schema reports for a TOML text.
    pub(crate) fn objections(text: &str) -> Vec<String> {
        static SCHEMA: LazyLock<jsonschema::Validator> =
            LazyLock::new(|| jsonschema::validator_for(&json_schema()).unwrap());
        SCHEMA.iter_errors(&json_of(text)).map(|error| error.to_string()).collect()
    }

    /// Asserts that both the schema and the program refuse a text.
    fn assert_refused(text: &str) {
        assert_ne!(objections(text), Vec::<String>::new(), "{text}");
        let source = Source::new("oci.toml", text);
        assert!(crate::manifest::parse(&source, std::path::Path::new(".")).is_err(), "{text}");
    }

    #[test]
    fn it_is_a_schema_of_its_draft() {
        assert!(jsonschema::draft202012::meta::is_valid(&json_schema()));
    }

    #[test]
    fn it_accepts_what_people_copy_from() {
        let readme = include_str!("../../../README.md");
        let example = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        for text in [include_str!("../../../oci.toml.example"), include_str!("../tests/ahead.toml"), example, ""] {
            assert_eq!(objections(text), Vec::<String>::new());
        }
    }

    #[test]
    fn names_are_those_of_the_program() {
        let long = "a".repeat(NAME_LENGTH);
        let longer = format!("{long}a");
        for name in
            ["a", "a-b_c.d9", "0", &long, &longer, "", "-a", "a-", "a--b", "a.-b", "A", "ä", "a b", "a#b", "a/b"]
        {
            let text = format!("[layer.\"{name}\"]\n");
            assert_eq!(objections(&text).is_empty(), image_name::check(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn it_refuses_what_it_can_express() {
        for lines in [
            "entrypiont = [\"/app\"]",
            "healthcheck = \"curl localhost\"",
            "env = { PORT = 8080 }",
            "env = { DEBUG = true }",
            "labels = { a = true }",
            "ports = [8080]",
            "platforms = \"linux/amd64\"",
            "compression = \"brotli\"",
            "compression = { kind = \"zstd\", level = \"9\" }",
            "packages = [{ pth = \"dist\" }]",
            "packages = [1]",
            "packages = [{ to = \"/app\" }]",
            "packages = [{ path = \"a\", text = \"b\", to = \"/app\" }]",
            "packages = [{ link = \"/a\" }]",
            "packages = [{ text = \"a\" }]",
            "packages = [{ image = \"a\" }]",
            "steps = [{ user = \"root\" }]",
            "steps = [{ run = \"true\", secrets = [{ file = \"a\" }] }]",
            "steps = [{ run = \"true\", mounts = [{ path = \"a\", tmpfs = \"/a\", to = \"/b\" }] }]",
            "compression = { level = 3 }",
            "steps = [{ run = \"true\", network = \"bridge\" }]",
            "terminal = \"yes\"",
        ] {
            assert_refused(&format!("[build.app]\nbase = \"scratch\"\n{lines}\n"));
        }
        for text in [
            "[biuld.app]\n",
            "[build.app]\n",
            "[build.App]\nbase = \"scratch\"\n",
            "[build.app]\nbase = \"scratch\"\ntag = \"1\"\ntags = [\"2\"]\n",
            "[stage.app]\nworkdir = \"/\"\n",
            "[base.a]\ntag = \"1\"\n",
            "[base.a]\nrepository = \"r.example/a\"\nlayout = \"vendor/a\"\n",
            "[base.a]\nrepository = \"r.example/a\"\n[base.a.variants]\n\"a b\" = \"1\"\n",
            "[package.a]\noutput = \"a\"\n",
            "[package.a]\ncommand = [\"make\"]\noutput = \"a\"\noutputs = [\"a\"]\n",
            "[mirror.a]\nsource = \"a\"\n",
            "base = \"scratch\"\n",
            "[project]\nname = 1\n",
            "[project]\nsource-date-epoch = \"0\"\n",
            "[defaults]\nbase = \"scratch\"\n",
            "[stage.a]\nterminal = true\n",
            "[stage.a]\nplatform = \"target\"\n",
            "[vars]\na = 1\n",
            "[registry.\"ghcr.io\"]\ninsecure = \"yes\"\n",
        ] {
            assert_refused(text);
        }
    }
}

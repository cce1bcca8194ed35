//! Which names a manifest has, however wrong the rest of it is: what a shell completes.

use toml::de::DeTable;

use super::read::Table;
use crate::model::ImageName;
use crate::source::Source;

/// The names of a manifest, each of them well-formed, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) builds: Vec<String>,
    pub(crate) stages: Vec<String>,
    /// Bases that have variants.
    pub(crate) families: Vec<String>,
    /// Bases without variants, and variants.
    pub(crate) pins: Vec<String>,
}

impl Outline {
    /// Reads the names that can be read. Whatever is wrong is left out, and not reported.
    pub(crate) fn read(source: &Source) -> Self {
        let (document, _) = DeTable::parse_recoverable(source.text());
        let root = Table::new(source, document.get_ref());
        let mut outline = Self { builds: names(root, "build"), stages: names(root, "stage"), ..Self::default() };
        for base in names(root, "base") {
            let table = root.table("base").and_then(|bases| bases.table(&base));
            match table.and_then(|table| table.table("variants")) {
                Some(variants) => {
                    let variants = variants.entries().into_iter();
                    outline.pins.extend(variants.map(|(variant, _)| format!("{base}#{}", *variant)).filter(is_name));
                    outline.families.push(base);
                }
                None => outline.pins.push(base),
            }
        }
        outline
    }
}

fn names(root: Table<'_>, key: &str) -> Vec<String> {
    let entries = root.table(key).map(|table| table.entries()).unwrap_or_default();
    entries.into_iter().map(|(name, _)| name.value).filter(is_name).collect()
}

/// True for a plain name. Only plain names are given to a shell: shells split words, and some run what is in them.
fn is_name(name: &String) -> bool {
    ImageName::parse(name).is_ok_and(|parsed| parsed.to_string() == *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> [Vec<String>; 4] {
        let Outline { builds, stages, families, pins } = Outline::read(&Source::new("oci.toml", text));
        [builds, stages, families, pins]
    }

    #[test]
    fn has_the_names_of_every_kind() {
        let text = "[build.web]\n[build.api]\n[stage.venv]\n[base.debian]\ntag = \"12\"\n\
                    [base.python.variants]\nslim = \"3\"\nalpine = { tag = \"4\" }\n";
        let expected =
            [vec!["api", "web"], vec!["venv"], vec!["python"], vec!["debian", "python#alpine", "python#slim"]];
        assert_eq!(outline(text), expected);
    }

    #[test]
    fn leaves_out_what_is_wrong() {
        let nothing: [Vec<String>; 4] = Default::default();
        for text in
            ["", "build = 1", "[build]\n\"$(reboot)\" = 1\n\"a b\" = 1\n\":a\" = 1\n\"\" = 1", "\u{0}", "base = []"]
        {
            assert_eq!(outline(text), nothing, "{text}");
        }
        let [builds, _, _, pins] =
            outline("[build.web]\nbase = \n[base.a]\nnonsense = 1\n[base.b.variants]\n\"é\" = 1");
        assert_eq!(builds, ["web"]);
        assert_eq!(pins, ["a"]);
    }
}

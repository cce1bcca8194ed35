//! `[base.NAME]`.

use std::collections::BTreeMap;

use crate::manifest::read::{Table, Value};
use crate::manifest::validate::{Checker, value};
use crate::manifest::{Base, Pin};
use crate::model::Origin;
use crate::problem::Problem;
use crate::source::{Place, Placed};

pub(super) fn bases(root: Table<'_>, checker: &mut Checker) -> BTreeMap<String, Base> {
    let mut bases = BTreeMap::new();
    for (name, table) in root.table("base").map(|table| table.entries()).unwrap_or_default() {
        value::table_name(&name, checker);
        if let Some(base) = table.table().and_then(|table| base(&name, table, checker)) {
            bases.insert(name.value, base);
        }
    }
    bases
}

fn base(name: &Placed<String>, table: Table<'_>, checker: &mut Checker) -> Option<Base> {
    if table.get("layout").is_some() {
        return layout(name, table, checker);
    }
    let written = table.text("repository");
    if written.is_none() && table.get("repository").is_none() {
        checker.push(
            Problem::new(
                "oci::manifest::missing_key",
                format!("`[base.{}]` has no `repository`", **name),
                &name.place,
                "",
            )
            .help("say where the image is, such as `repository = \"docker.io/library/python\"`".to_owned()),
        );
    }
    let repository = written.and_then(|text| value::repository(&text, checker));
    let pins = pins(name, table, checker);
    Some(Base {
        origin: repository?.map(Origin::Registry),
        anonymous: table.boolean("anonymous").is_some_and(|anonymous| *anonymous),
        pins,
    })
}

/// A base from a layout. A layout replaces the repository, and holds one image.
fn layout(name: &str, table: Table<'_>, checker: &mut Checker) -> Option<Base> {
    for key in ["repository", "tag", "variants", "anonymous"] {
        if let (Some(other), Some(layout)) = (table.key_place(key), table.key_place("layout")) {
            checker.push(
                Problem::new(
                    "oci::manifest::clash",
                    format!("`[base.{name}]` has both `{key}` and `layout`"),
                    &other,
                    "this is about a registry",
                )
                .also(&layout, "this is not in one")
                .help("keep one of them; a tag stands behind the layout's path: `layout = \"dir:tag\"`".to_owned()),
            );
        }
    }
    let written = table.text("layout")?;
    let pinned = table.get("digest").is_some() || table.get("sha").is_some();
    let digest = if pinned { pin(table, &written.place, name, checker)?.digest } else { None };
    let origin = value::layout(&written, checker)?;
    let pin = Pin { place: written.place, tag: None, digest };
    Some(Base { origin: origin.map(Origin::Layout), anonymous: false, pins: BTreeMap::from([(None, pin)]) })
}

fn pins(name: &Placed<String>, table: Table<'_>, checker: &mut Checker) -> BTreeMap<Option<String>, Pin> {
    let Some(variants) = table.table("variants") else {
        let pin = pin(table, &name.place, &format!("`[base.{}]`", **name), checker);
        return pin.into_iter().map(|pin| (None, pin)).collect();
    };
    for key in ["tag", "digest", "sha"] {
        if let (Some(other), Some(variants)) = (table.key_place(key), table.key_place("variants")) {
            checker.push(
                Problem::new(
                    "oci::manifest::clash",
                    format!("`[base.{}]` has both `{key}` and `variants`", **name),
                    &other,
                    "this pins one image",
                )
                .also(&variants, "these pin several")
                .help(format!("move the `{key}` into `variants` under a name of its own")),
            );
        }
    }
    let entries = variants.entries();
    if entries.is_empty() {
        let place = table.key_place("variants").unwrap_or_else(|| name.place.clone());
        checker.push(
            Problem::new("oci::manifest::missing_key", "`variants` names none", &place, "")
                .help("name one, such as `slim = \"3.12-slim\"`".to_owned()),
        );
    }
    let mut pins = BTreeMap::new();
    for (variant, value) in entries {
        value::variant_name(&variant, checker);
        if let Some(pin) = variant_pin(name, &variant, value, checker) {
            pins.insert(Some(variant.value), pin);
        }
    }
    pins
}

/// A variant is a tag, a digest, 64 hex digits, or a table.
fn variant_pin(base: &str, variant: &Placed<String>, value: Value<'_>, checker: &mut Checker) -> Option<Pin> {
    if let Some(table) = value.table() {
        return pin(table, &variant.place, &format!("variant `{base}#{}`", **variant), checker);
    }
    let written = value.text()?;
    let text = checker.expanded(&written)?;
    let place = text.place.clone();
    let hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex || text.contains(':') {
        let digest = value::digest(&text, hex, checker)?;
        return Some(Pin { place, tag: None, digest: Some(digest) });
    }
    Some(Pin { place, tag: Some(value::tag(&checker.expanded_tag(&written)?, checker)?), digest: None })
}

/// The `tag`, `digest` and `sha` of a table.
fn pin(table: Table<'_>, owner: &Place, what: &str, checker: &mut Checker) -> Option<Pin> {
    let tag = table.text("tag");
    let (digest, sha) = (table.text("digest"), table.text("sha"));
    if let (Some(digest), Some(sha)) = (&digest, &sha) {
        checker.push(
            Problem::new("oci::manifest::clash", "`digest` and `sha` say the same thing", &sha.place, "this one")
                .also(&digest.place, "and this one")
                .help("keep `digest`".to_owned()),
        );
    }
    let place = [&tag, &digest, &sha].into_iter().flatten().map(|text| text.place.clone()).next();
    let Some(place) = place else {
        if ["tag", "digest", "sha"].iter().all(|key| table.get(key).is_none()) {
            checker.push(
                Problem::new("oci::manifest::missing_key", format!("{what} does not say which image it is"), owner, "")
                    .help("give it a `tag` (pinned by `oci lock`), a `digest`, or `variants`".to_owned()),
            );
        }
        return None;
    };
    let parsed_digest = match (&digest, &sha) {
        (Some(text), _) => Some(value::digest(&checker.expanded(text)?, false, checker)?),
        (None, Some(text)) => Some(value::digest(&checker.expanded(text)?, true, checker)?),
        (None, None) => None,
    };
    let parsed_tag = match &tag {
        Some(text) => Some(value::tag(&checker.expanded_tag(text)?, checker)?),
        None => None,
    };
    Some(Pin { place, tag: parsed_tag, digest: parsed_digest })
}

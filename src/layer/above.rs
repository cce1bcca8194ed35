//! Gives folders above a package's files the mode and owner that they have in the image below.
//!
//! Such a folder needs an entry in the layer. Its mode and owner are looked up where every machine finds them: in the
//! layers that were made here, then in the image that the files come from, and below [`PLACES`] also in the base from
//! elsewhere, whose layers are fetched for this. Any other folder gets the default
//! ([`folder_mode`](super::tree::folder_mode)): what a store happens to hold must not decide a digest.

use std::collections::BTreeMap;

use crate::contents::BaseLinks;
use crate::contents::links::PLACES;
use crate::layer::Tree;
use crate::layer::tree::{Claim, Kind};
use crate::manifest::package::{Mode, Owner};
use crate::model::LayerPath;

/// What is known of the image below.
#[derive(Debug, Default)]
pub(crate) struct Below {
    /// All of its layers, if the base from elsewhere was looked into; else those that were made here.
    pub(crate) all: BaseLinks,
    /// The layers that were made here.
    pub(crate) made: BaseLinks,
}

/// How much has to be known of the image below before packages have their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Look {
    /// Nothing.
    Nowhere,
    /// The layers that are made here.
    Made,
    /// The layers of the base from elsewhere, too.
    Everywhere,
}

impl Look {
    /// What the layers of one build need.
    pub(crate) fn of<'a>(trees: impl Iterator<Item = &'a Tree> + Clone) -> Self {
        if trees.clone().any(Tree::needs_base) {
            return Self::Everywhere;
        }
        let unsaid = unsaid(trees);
        match unsaid.iter().any(|(path, claim)| asks_the_base(path, *claim)) {
            true => Self::Everywhere,
            false if unsaid.is_empty() => Self::Nowhere,
            false => Self::Made,
        }
    }
}

/// Gives folders that no package declares the mode and owner that they have below.
pub(crate) fn inherit(trees: &mut [&mut Tree], below: &Below) {
    let unsaid: BTreeMap<LayerPath, Claim> =
        unsaid(trees.iter().map(|tree| &**tree)).into_iter().map(|(path, claim)| (path.clone(), claim)).collect();
    for entry in trees.iter_mut().flat_map(|tree| &mut tree.entries).filter(|entry| entry.claim().is_some()) {
        let Some(claim) = unsaid.get(&entry.path) else { continue };
        let image = if asks_the_base(&entry.path, *claim) { &below.all } else { &below.made };
        let Some(rights) = image.rights(&entry.path) else { continue };
        if let (Ok(uid), Ok(gid)) = (u32::try_from(rights.uid), u32::try_from(rights.gid)) {
            (entry.mode, entry.owner) = (Mode(rights.mode), Owner { uid, gid });
        }
    }
}

/// The folders of these trees that are there only because something is below them, each with its claim.
fn unsaid<'a>(trees: impl Iterator<Item = &'a Tree> + Clone) -> BTreeMap<&'a LayerPath, Claim> {
    let mut claims: BTreeMap<&LayerPath, Claim> = BTreeMap::new();
    for entry in trees.flat_map(|tree| &tree.entries) {
        if let Kind::Folder(claim) = entry.kind {
            let greatest = claims.entry(&entry.path).or_insert(claim);
            *greatest = claim.max(*greatest);
        }
    }
    claims.retain(|_, claim| *claim <= Claim::AsThere);
    claims
}

/// True if the base from elsewhere decides mode and owner of a folder: it is in one of [`PLACES`], and no image that
/// files come from has it.
fn asks_the_base(folder: &LayerPath, claim: Claim) -> bool {
    claim == Claim::Implied && is_in_places(folder)
}

/// Whether the folder is in one of [`PLACES`], at any depth.
fn is_in_places(folder: &LayerPath) -> bool {
    let mut names = folder.components();
    names.next().is_some_and(|first| PLACES.contains(&first)) && names.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::LayerLinks;
    use crate::contents::blob::blob_of;
    use crate::layer::reconcile;
    use crate::manifest::Package;
    use crate::model::document::media_type;
    use crate::pack::testing::{Project, folder, link, listing, path_to, tarred, text};

    fn links(folders: &[(&str, u32, u64)]) -> LayerLinks {
        LayerLinks::read(blob_of(&tarred(folders)), media_type::LAYER).unwrap()
    }

    #[test]
    fn folders_are_as_below_where_every_machine_knows() {
        let base = links(&[
            ("home/nonroot", 0o700, 65532),
            ("var/lib/postgresql/data", 0o750, 999),
            ("var/www", 0o2775, 33),
            ("opt/app", 0o700, 5),
            ("srv/web", 0o700, 6),
        ]);
        let made = links(&[("srv/web", 0o711, 7), ("app/deep/er", 0o750, 8), ("var/www", 0o1777, 9)]);
        let project = Project::new(&["x"]);
        let packages = [
            text("t", "/home/nonroot/app/t"),
            text("t", "/var/lib/postgresql/data/t"),
            text("t", "/opt/app/t"),
            text("t", "/srv/web/t"),
            text("t", "/app/deep/er/t"),
            text("t", "/var/www/t"),
        ];
        let below = Below { all: BaseLinks::stack([&base, &made]), made: BaseLinks::stack([&made]) };
        let mut trees: Vec<Tree> =
            packages.iter().map(|package| project.scan(std::slice::from_ref(package)).unwrap()).collect();
        assert_eq!(Look::of(trees.iter()), Look::Everywhere);
        inherit(&mut trees.iter_mut().collect::<Vec<_>>(), &below);
        let mut listed: Vec<String> = trees.iter().flat_map(listing).filter(|line| line.ends_with("implied")).collect();
        listed.sort();
        let expected = [
            "/app 755 0:0 implied",
            "/app/deep 755 0:0 implied",
            "/app/deep/er 750 8:8 implied",
            "/home 755 0:0 implied",
            "/home/nonroot 700 65532:65532 implied",
            "/home/nonroot/app 755 0:0 implied",
            "/opt 755 0:0 implied",
            "/opt/app 755 0:0 implied",
            "/srv 755 0:0 implied",
            "/srv/web 711 7:7 implied",
            "/var 755 0:0 implied",
            "/var 755 0:0 implied",
            "/var/lib 755 0:0 implied",
            "/var/lib/postgresql 755 0:0 implied",
            "/var/lib/postgresql/data 750 999:999 implied",
            "/var/www 1777 9:9 implied",
        ];
        assert_eq!(listed, expected);
    }

    #[test]
    fn what_a_package_says_counts_more() {
        let below = Below { all: BaseLinks::stack([&links(&[("var/www", 0o700, 5)])]), made: BaseLinks::default() };
        let project = Project::new(&["web/x"]);
        let scan = |package: &Package| project.scan(std::slice::from_ref(package)).unwrap();
        for said in [folder("/var/www").owned(1, 1), path_to("web", "/var/www").owned(1, 1)] {
            let mut trees = [scan(&text("t", "/var/www/t")), scan(&said)];
            assert!(reconcile(&mut trees.each_mut()).is_empty());
            inherit(&mut trees.each_mut(), &below);
            assert!(listing(&trees[0]).contains(&"/var/www 755 1:1 implied".to_owned()), "{:?}", listing(&trees[0]));
        }
    }

    #[test]
    fn a_base_is_looked_into_only_where_that_decides_something() {
        let project = Project::new(&["web/x"]);
        for (packages, look) in [
            (vec![path_to("web", "/app")], Look::Nowhere),
            (vec![text("t", "/t"), link("/l", "t")], Look::Nowhere),
            (vec![text("t", "/app/t")], Look::Made),
            (vec![text("t", "/app/t"), folder("/app")], Look::Nowhere),
            (vec![text("t", "/var/t")], Look::Made),
            (vec![text("t", "/home/t/t")], Look::Everywhere),
            (vec![text("t", "/run/t/t/t")], Look::Everywhere),
            (vec![path_to("web", "/var/www")], Look::Made),
            (vec![path_to("web", "/var/www/html")], Look::Everywhere),
            (vec![path_to("web/x", "/bin/x")], Look::Everywhere),
        ] {
            assert_eq!(Look::of([project.scan(&packages).unwrap()].iter()), look, "{packages:?}");
        }
    }
}

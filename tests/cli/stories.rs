//! What people do with a project, from one end to the other: each story is told whole in its snapshot.

use crate::support::Registry;
use crate::support::images::{self, Base};
use crate::support::snapshot::assert_outcome;
use crate::support::story::Story;

const SITE: &str = r#"
[build.site]
base = "scratch"
packages = [{ path = "site", to = "/srv" }]
"#;

#[test]
fn a_folder_becomes_an_image_and_an_edit_changes_it() {
    assert_outcome!(
        Story::of(SITE)
            .with("site/index.html", "hello\n")
            .with("site/style.css", "body {}\n")
            .types("oci check", 0)
            .types("oci build --dry-run", 0)
            .types("oci build", 0)
            .types("oci build", 0)
            .with("site/index.html", "hello, world\n")
            .without("site/style.css")
            .types("oci build --dry-run", 0)
            .types("oci build", 0)
    );
}

#[test]
fn a_mistake_is_told_at_its_line_until_it_is_mended() {
    assert_outcome!(
        Story::of(&SITE.replace("packages", "pakages"))
            .types("oci check", 2)
            .types("oci build", 2)
            .with("oci.toml", SITE)
            .types("oci build", 1)
            .with("site/index.html", "hello\n")
            .types("oci build seite", 2)
            .types("oci build site", 0)
    );
}

#[test]
fn a_base_is_pinned_and_moves_only_when_it_is_told_to() {
    let registry = Registry::start();
    images::push(&registry, Base::Busybox, "library/tools", "1");
    let manifest = format!(
        "[base.tools]\nrepository = \"{}\"\ntag = \"1\"\n\n[build.app]\nbase = \"tools\"\n\
         packages = [{{ text = \"hello\", to = \"/hello\" }}]\nentrypoint = [\"/bin/busybox\", \"cat\", \"/hello\"]\n",
        registry.repository("library/tools")
    );
    assert_outcome!(
        Story::of(&manifest)
            .types("oci build --locked", 1)
            .types("oci lock", 0)
            .types("oci run app", 0)
            .meanwhile("the tag moves", || {
                images::push(&registry, Base::Merged, "library/tools", "1");
            })
            .types("oci build --locked", 0)
            .types("oci outdated", 0)
            .types("oci update", 0)
            .types("oci build --dry-run", 0)
            .types("oci build", 0)
    );
}

#[test]
fn an_image_is_published_and_published_again() {
    let registry = Registry::start();
    let manifest = format!("{SITE}repository = \"{}\"\n", registry.repository("acme/site"));
    assert_outcome!(
        Story::of(&manifest)
            .with("site/index.html", "hello\n")
            .types("oci publish site", 0)
            .types("oci publish site", 0)
            .with("site/index.html", "hello, world\n")
            .types("oci publish site", 0)
    );
}

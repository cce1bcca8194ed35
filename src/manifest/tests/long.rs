//! Long manifests. Code that recurses, or whose work grows much faster than the manifest, would not finish these tests.

use std::fmt::Write;

use super::{good, messages};

const LENGTH: usize = 10_000;

/// A build on each number's base.
fn builds(base: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0..LENGTH {
        let _ = writeln!(text, "[build.b{number}]\nbase = \"{}\"", base(number));
    }
    text
}

#[test]
fn a_chain_of_builds() {
    let last = LENGTH - 1;
    for text in [
        builds(|number| if number == 0 { "scratch".to_owned() } else { format!("b{}", number - 1) }),
        builds(|number| if number == last { "scratch".to_owned() } else { format!("b{}", number + 1) }),
    ] {
        assert_eq!(good(&text).builds.len(), LENGTH);
    }
}

#[test]
fn a_long_cycle_is_told_once_and_in_short() {
    let told = messages(&builds(|number| format!("b{}", (number + 1) % LENGTH)));
    let first = "an image needs itself: b0 → b1 → b2 → b3 → b4 → b5 → b6 → b7 → b8 → b9 → 9990 more → b0";
    assert_eq!(told, [first]);
}

#[test]
fn names_that_are_unknown() {
    let told = messages(&builds(|number| format!("nothing{number}")));
    assert_eq!((told.len(), told[0].as_str()), (crate::problem::MOST, "there is no base `nothing0`"));
}

/// Cycles that share an image are each reported.
#[test]
fn cycles_that_overlap() {
    let build = |name: &str, base: &str, from: &[&str]| {
        let packages: Vec<String> =
            from.iter().map(|image| format!("{{ image = \"{image}\", path = \"/a\" }}")).collect();
        format!("[build.{name}]\nbase = \"{base}\"\npackages = [{}]\n", packages.join(", "))
    };
    let text =
        [build("a", "b", &[]), build("b", "a", &["c", "b"]), build("c", "b", &["d"]), build("d", "scratch", &[])];
    let told = messages(&text.concat());
    assert_eq!(told, ["an image needs itself: a → b → a", "an image needs itself: b → b"]);
}

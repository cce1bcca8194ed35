//! Finds images that need themselves, directly or through others.
//!
//! The work grows with the number of images and of what they need: an image is visited once for each cycle that
//! is reported ([`MOST`] at most), and nothing recurses, however long a chain is.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::validate::Checker;
use crate::manifest::validate::names::Images;
use crate::model::ImageName;
use crate::problem::Problem;
use crate::source::Placed;

/// How many cycles are reported.
const MOST: usize = 100;
/// How many images of a cycle are named.
const SHOWN: usize = 10;

/// An image, and where it names one that it needs.
type Edge<'a> = (&'a str, &'a Placed<ImageName>);

/// For each image, the images made here that it needs, its base first.
type Needs<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a Placed<ImageName>)>>;

/// Reports every image that needs itself. A cycle is reported once, at its first image by name.
pub(super) fn check(images: &Images<'_>, checker: &mut Checker) {
    let needs = needs(images);
    let mut pending = components(&needs, needs.keys().copied().collect());
    let mut reported = 0;
    while let Some(component) = pending.pop() {
        let Some(start) = component.first().copied().filter(|_| reported < MOST) else { continue };
        if let Some(path) = way_back(start, &component, &needs) {
            checker.push(problem(&path));
            reported += 1;
        }
        // The component may hold another cycle that does not pass through its first image.
        let rest: BTreeSet<&str> = component.into_iter().skip(1).collect();
        pending.extend(components(&needs, rest));
    }
}

fn needs<'a>(images: &Images<'a>) -> Needs<'a> {
    let made = images.stages.iter().chain(images.builds);
    let of_image = made.map(|(name, build)| {
        let layers = build.layers.iter().filter_map(|layer| images.layers.get(&layer.value));
        let shared = layers.flat_map(|layer| &layer.needs.images);
        let needed = std::iter::once(&build.base).chain(&build.needs.images).chain(shared);
        let needed = needed.filter_map(|image| match &image.value {
            ImageName::Plain(name) => Some((name.as_str(), image)),
            _ => None,
        });
        (name.as_str(), needed.collect())
    });
    of_image.collect()
}

/// The sets of images among these that all need each other, as far as they hold a cycle (the strongly connected
/// components, by Tarjan's algorithm with a stack of its own).
fn components<'a>(needs: &Needs<'a>, among: BTreeSet<&'a str>) -> Vec<BTreeSet<&'a str>> {
    let mut found = Vec::new();
    // By image: when it was first visited, and the earliest visit that it leads back to; `None` once its
    // component is known.
    let mut visits: BTreeMap<&str, (usize, Option<usize>)> = BTreeMap::new();
    let mut open: Vec<&str> = Vec::new();
    for root in &among {
        if visits.contains_key(root) {
            continue;
        }
        let mut path: Vec<(&str, usize)> = Vec::new();
        let mut next = Some(*root);
        loop {
            if let Some(name) = next.take() {
                visits.insert(name, (visits.len(), Some(visits.len())));
                open.push(name);
                path.push((name, 0));
            }
            let Some((name, edge)) = path.last_mut() else { break };
            let name = *name;
            let needed = needs.get(name).and_then(|needed| needed.get(*edge));
            *edge += 1;
            let lowest = match needed {
                Some((needed, _)) if !among.contains(needed) => continue,
                Some((needed, _)) => match visits.get(needed) {
                    None => {
                        next = Some(needed);
                        continue;
                    }
                    // The needed image is still open, so it belongs to the component of this one.
                    Some((visit, Some(_))) => Some(*visit),
                    Some((_, None)) => continue,
                },
                None => None,
            };
            if let Some(lowest) = lowest {
                lower(&mut visits, name, lowest);
                continue;
            }
            path.pop();
            let (visit, low) = visits[name];
            if let (Some(low), Some((above, _))) = (low, path.last()) {
                lower(&mut visits, above, low);
            }
            if low == Some(visit) {
                let start = open.iter().rposition(|known| *known == name).unwrap_or(0);
                let component: BTreeSet<&str> = open.drain(start..).collect();
                for name in &component {
                    if let Some((_, low)) = visits.get_mut(name) {
                        *low = None;
                    }
                }
                let needs_itself = || needs.get(name).is_some_and(|needed| needed.iter().any(|(it, _)| *it == name));
                if component.len() > 1 || needs_itself() {
                    found.push(component);
                }
            }
        }
    }
    found.reverse();
    found
}

fn lower(visits: &mut BTreeMap<&str, (usize, Option<usize>)>, name: &str, to: usize) {
    if let Some((_, Some(low))) = visits.get_mut(name) {
        *low = to.min(*low);
    }
}

/// A shortest way from `start` back to it, among these images.
fn way_back<'a>(start: &'a str, among: &BTreeSet<&'a str>, needs: &Needs<'a>) -> Option<Vec<Edge<'a>>> {
    // For each image, the image from which it was first reached, and the mention that led to it.
    let mut reached: BTreeMap<&str, Edge<'a>> = BTreeMap::new();
    let mut pending = std::collections::VecDeque::from([start]);
    while let Some(name) = pending.pop_front().filter(|_| !reached.contains_key(start)) {
        for (needed, mention) in needs.get(name).into_iter().flatten().filter(|(needed, _)| among.contains(needed)) {
            if !reached.contains_key(needed) {
                reached.insert(needed, (name, mention));
                pending.push_back(needed);
            }
        }
    }
    let mut path = vec![*reached.get(start)?];
    while let Some((name, _)) = path.last().filter(|(name, _)| *name != start) {
        path.push(*reached.get(name)?);
    }
    path.reverse();
    Some(path)
}

/// The problem for a cycle. `path` has every image of the cycle, beginning with the first by name.
fn problem(path: &[Edge<'_>]) -> Problem {
    let names: Vec<&str> = path.iter().take(SHOWN).map(|(name, _)| *name).collect();
    let more = match path.len() - names.len() {
        0 => String::new(),
        more => format!("{more} more → "),
    };
    let message = format!("an image needs itself: {} → {more}{}", names.join(" → "), names[0]);
    let label = |(name, needed): &Edge<'_>| format!("`{name}` needs `{}`", needed.value);
    let problem = Problem::new("oci::manifest::cycle", message, &path[0].1.place, label(&path[0]));
    path[1..].iter().take(SHOWN - 1).fold(problem, |problem, edge| problem.also(&edge.1.place, label(edge)))
}

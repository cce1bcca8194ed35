//! Makes the layers of one build agree with each other.

use crate::layer::conflict::Conflicts;
use crate::layer::tree::Claim;
use crate::layer::{LayerError, Tree};
use crate::model::LayerPath;
use crate::source::At;

/// Makes the layers of one build agree, lowest first.
///
/// A folder gets the mode and owner that the greatest claim to it gives, in every layer, so that no
/// layer takes back what another says. Paths that two layers write differently are the errors.
pub(crate) fn reconcile(trees: &mut [&mut Tree]) -> Vec<At<LayerError>> {
    if trees.len() < 2 {
        return Vec::new();
    }
    let mut all: Vec<(&LayerPath, usize, usize)> = Vec::new();
    for (tree, entries) in trees.iter().enumerate() {
        all.extend(entries.entries.iter().enumerate().map(|(index, entry)| (&entry.path, tree, index)));
    }
    // The sort is stable, and quick since each tree is sorted already.
    all.sort_by(|one, other| one.0.cmp(other.0));
    let mut conflicts = Conflicts::default();
    let mut changes = Vec::new();
    for group in all.chunk_by(|one, other| one.0 == other.0).filter(|group| group.len() > 1) {
        let entry = |(_, tree, index): &(&LayerPath, usize, usize)| &trees[*tree].entries[*index];
        let place = |at: &(&LayerPath, usize, usize)| &trees[at.1].origins[entry(at).origin].place;
        // The winner is the first entry with the greatest claim. Anything but a folder has the greatest of all.
        let Some(winner) = group.iter().rev().max_by_key(|at| entry(at).claim().map_or(Claim::Declared, |claim| claim))
        else {
            continue;
        };
        for at in group {
            if entry(winner).contradicts(entry(at)) {
                let (first, second) = if at.1 < winner.1 { (at, winner) } else { (winner, at) };
                conflicts.add(winner.0, place(first), place(second));
            } else if entry(at).claim() < entry(winner).claim() || !entry(at).writes_the_same(entry(winner)) {
                changes.push((at.1, at.2, entry(winner).clone()));
            }
        }
    }
    for (tree, index, winner) in changes {
        let entry = &mut trees[tree].entries[index];
        (entry.mode, entry.owner, entry.attributes) = (winner.mode, winner.owner, winner.attributes);
    }
    conflicts.into_errors()
}

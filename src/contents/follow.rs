//! Follows the symbolic links of an image, as within the image: no link leads out of it.

use crate::fs::host::MOST_LINKS;
use crate::model::LayerPath;

/// The longest path that Linux takes.
const LONGEST: usize = 4096;

/// Links that lead back to themselves, or further than anything can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Endless;

/// Where a path leads.
///
/// `look` is asked of each path on the way whether a link there is to be followed, and of the last one with `true`: it
/// gives the link's target, or `None` to go on there, or an error that ends it.
pub(crate) fn follow<'a, E: From<Endless>>(
    path: &LayerPath,
    mut look: impl FnMut(&LayerPath, bool) -> Result<Option<&'a [u8]>, E>,
) -> Result<LayerPath, E> {
    let mut rest: Vec<Vec<u8>> = path.components().rev().map(<[u8]>::to_vec).collect();
    let mut reached = LayerPath::root();
    let mut followed = 0;
    while let Some(name) = rest.pop() {
        match &name[..] {
            b"" | b"." => continue,
            b".." => {
                reached = reached.parent().unwrap_or_else(LayerPath::root);
                continue;
            }
            _ => {}
        }
        let next = reached.join(&name);
        if next.as_bytes().len() > LONGEST {
            return Err(Endless.into());
        }
        match look(&next, rest.is_empty())? {
            Some(target) => {
                followed += 1;
                if followed > MOST_LINKS {
                    return Err(Endless.into());
                }
                if target.starts_with(b"/") {
                    reached = LayerPath::root();
                }
                rest.extend(target.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
            }
            None => reached = next,
        }
    }
    Ok(reached)
}

//! What the commands of a target left, as layers.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::contents::image::ImageTree;
use crate::fs::FileError;
use crate::image::{Image, Layer};
use crate::manifest::Package;
use crate::manifest::step::Secret;
use crate::model::{Compression, Descriptor};
use crate::pack::{MadeLayer, MadeOutput, MadeTarget, Provides};
use crate::printed::SHORTEST;
use crate::source::At;
use crate::targets::TargetError;
use crate::targets::kind::{Gathered, Making};
use crate::targets::trees::LeftOut;

/// What is recorded of a target that was made. Each layer has a few words for people.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Recorded {
    pub(super) outputs: Vec<RecordedOutput>,
    provides: Provides,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RecordedOutput {
    path: String,
    pub(super) layers: Vec<(String, Layer)>,
}

/// Puts each layer of each output into the store.
pub(super) fn take(making: &Making<'_>, gathered: Gathered) -> Result<Recorded, At<TargetError>> {
    let outputs = gathered.outputs.into_iter().map(|output| {
        let layers = output.layers.into_iter().map(|(title, packages)| Ok((title, layer(making, &packages)?)));
        Ok(RecordedOutput { path: output.path, layers: layers.collect::<Result<_, At<TargetError>>>()? })
    });
    Ok(Recorded { outputs: outputs.collect::<Result<_, At<TargetError>>>()?, provides: gathered.provides })
}

fn layer(making: &Making<'_>, packages: &[Package]) -> Result<Layer, At<TargetError>> {
    let place = packages.first().map_or(&making.request.target.place, |package| &package.place);
    let blame = |error: TargetError| At::new(error, place, "");
    let store = making.targets.store;
    // What a package leaves out of a folder is nothing to what was made.
    let tree = making.scan(packages, LeftOut::default());
    let tree = tree.map_err(|problems| TargetError::first(problems, place, TargetError::output))?;
    // What was written a moment ago may still be the same by its stat when it is changed once more.
    let _ = tree.settle();
    let mut blob = store.start_blob().map_err(|error| blame(error.into()))?;
    let written = making.write(&tree, &mut blob, TargetError::output)?;
    if let Some(name) =
        making.secret_in(blob.path()).map_err(|error| blame(FileError::new("read", blob.path(), error).into()))?
    {
        return Err(blame(TargetError::SecretInOutput { name }));
    }
    store.commit_blob(blob, &written.digest).map_err(|error| blame(error.into()))?;
    let descriptor = Descriptor::new(Compression::None.media_type(), written.digest, written.size);
    Ok(Layer { descriptor, diff_id: written.diff_id })
}

impl Making<'_> {
    /// The name of a secret of the target whose value a file holds, if it holds one.
    fn secret_in(&self, path: &Path) -> io::Result<Option<String>> {
        let secrets = self.request.target.secrets.iter().filter_map(|secret| {
            let Secret::Variable(name) = &secret.value.secret else { return None };
            let value = std::env::var(name).ok()?.trim().as_bytes().to_vec();
            (value.len() >= SHORTEST).then(|| (name.clone(), value))
        });
        let secrets: Vec<(String, Vec<u8>)> = secrets.collect();
        let Some(longest) = secrets.iter().map(|(_, value)| value.len()).max() else { return Ok(None) };
        let mut file = File::open(path)?;
        let mut seen = Vec::new();
        loop {
            // What may be the beginning of a secret stays before the bytes that follow.
            seen.drain(..seen.len().saturating_sub(longest - 1));
            if file.by_ref().take(CHUNK).read_to_end(&mut seen)? == 0 {
                return Ok(None);
            }
            if let Some((name, _)) = secrets.iter().find(|(_, value)| memchr::memmem::find(&seen, value).is_some()) {
                return Ok(Some(name.clone()));
            }
        }
    }
}

/// How many bytes of an output are looked through at once.
const CHUNK: u64 = 1 << 20;

/// The content of a target whose layers are in the store.
pub(super) fn made(making: &Making<'_>, recorded: &Recorded) -> Result<MadeTarget, At<TargetError>> {
    let name = format!(":{}", making.request.name);
    let tree = |layer: &Layer| {
        let image = Image { layers: vec![layer.clone()], ..Image::scratch(making.request.platform) };
        let tree = match ImageTree::recall(&name, &image, making.targets.store) {
            Ok(None) => ImageTree::read(&name, &image, making.targets.store),
            Ok(Some(tree)) => Ok(tree),
            Err(error) => Err(error),
        };
        tree.map_err(|error| making.blame(TargetError::Layer(error.into())))
    };
    let outputs = recorded.outputs.iter().map(|output| {
        let layers =
            output.layers.iter().map(|(title, layer)| Ok(MadeLayer { title: title.clone(), tree: tree(layer)? }));
        Ok(MadeOutput { path: output.path.clone(), layers: layers.collect::<Result<_, At<TargetError>>>()? })
    });
    Ok(MadeTarget { outputs: outputs.collect::<Result<_, At<TargetError>>>()?, provides: recorded.provides.clone() })
}

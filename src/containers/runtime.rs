//! Which program starts containers: asked once, and remembered until its file is another.
//!
//! ```text
//! <cache>/records/runtime/<key>   runc or crun; the key is of the program's file
//! ```

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::fs::FileError;
use crate::model::{Digest, canonical_json};
use crate::process::on_path;
use crate::store::{Shelf, Store};
use crate::tools::runc::Runtime;

const RECORDS: Shelf<Runtime> = Shelf::new("runtime", 1);

/// What kind of runtime a program is. One that is not there is what its absence will say.
pub(crate) fn kind(store: &Store, program: &Path) -> Result<Runtime, FileError> {
    let Some(metadata) = on_path(program).and_then(|path| path.metadata().ok()) else { return Ok(Runtime::Runc) };
    let file = (metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    let key = Digest::of(&canonical_json(&file));
    if let Some(known) = RECORDS.recall(store, &key)? {
        return Ok(known);
    }
    let kind = Runtime::ask(program);
    RECORDS.note(store, &key, &kind)?;
    Ok(kind)
}

//! Has skopeo judge an image by the [policy](super::trust).
//!
//! Acceptance is recorded, so that skopeo is asked once for each platform's image. The record's key covers the policy,
//! the keys that it names, the repository and the digest: if one of them changes, skopeo is asked again. An image that
//! was accepted stays accepted if only its signature is removed later.
//!
//! ```text
//! records/trust/KEY     the image's reference
//! ```

use crate::bases::{BaseError, Bases};
use crate::model::{ImageManifest, Reference};
use crate::source::{At, Place};
use crate::store::Shelf;
use crate::tools::skopeo::Access;

/// The references of accepted images.
const RECORDS: Shelf<String> = Shelf::new("trust", 1);

impl Bases<'_> {
    /// On `Ok` there is no policy, or it accepts the image, now or when skopeo was asked before.
    pub(super) fn judge(&self, image: &Reference, access: &Access, manifest: &ImageManifest) -> Result<(), BaseError> {
        let Some(trust) = self.trust else { return Ok(()) };
        let key = trust.key(image);
        if RECORDS.recall(self.store, &key)?.is_some() {
            return Ok(());
        }
        if self.offline {
            return Err(BaseError::NotJudged { reference: image.to_string() });
        }
        let scratch = self.store.scratch()?;
        let layers = manifest.layers.iter().map(|layer| layer.digest);
        self.skopeo.verify(image, layers, trust.policy(), scratch.path(), access)?;
        RECORDS.record(self.store, &key, &image.to_string())?;
        Ok(())
    }

    /// Adds the place to an error: the line of the policy if the policy does not accept the image.
    pub(crate) fn blame(&self, error: BaseError, place: &Place) -> At<BaseError> {
        match self.trust.filter(|_| error.is_about_policy()) {
            Some(trust) => At::new(error, &trust.place, "by this policy").also(place, "the base"),
            None => At::new(error, place, ""),
        }
    }
}

//! The JSON documents of an image: descriptors, manifests and indexes (OCI image spec), and their
//! Docker schema 2 cousins, which differ in media types alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::null::null_is_empty;
use crate::model::platform::DescriptorPlatform;
use crate::model::{Digest, Platform};

/// The media types that are read or written.
pub(crate) mod media_type {
    pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    pub(crate) const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    pub(crate) const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
    pub(crate) const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    pub(crate) const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";
    pub(crate) const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

    /// True if the media type of a layer must not be trusted before the layer's first bytes are looked at.
    ///
    /// Docker's engines look at the bytes of a layer, whatever its media type says, so nobody notices a compressed
    /// layer that is labelled `…diff.tar`. Engines trust OCI's media types. `…tar.gzip`, which nearly every Docker
    /// image has, is trusted here, too, so that builds do not depend on which layers are in the store.
    pub(crate) fn is_doubtful(media_type: &str) -> bool {
        let is_dockers = media_type.starts_with("application/vnd.docker.") && !media_type.contains(".foreign.");
        is_dockers && !matches!(media_type, DOCKER_LAYER_GZIP | DOCKER_LAYER_ZSTD)
    }

    /// The OCI media type of a layer that a Docker manifest describes. OCI's own media types are not changed.
    pub(crate) fn oci_layer(media_type: &str) -> &str {
        match media_type {
            DOCKER_LAYER => LAYER,
            DOCKER_LAYER_GZIP => LAYER_GZIP,
            DOCKER_LAYER_ZSTD => LAYER_ZSTD,
            DOCKER_FOREIGN_LAYER => "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            other => other,
        }
    }
}

/// A blob by digest and size (OCI image spec, "Content Descriptors").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    /// The size in bytes.
    pub(crate) size: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) platform: Option<DescriptorPlatform>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default, deserialize_with = "null_is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
    /// Fields that this program does not read, such as `urls` and `data`.
    #[serde(flatten, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) rest: BTreeMap<String, serde_json::Value>,
}

impl Descriptor {
    /// The descriptor of these bytes.
    pub(crate) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    pub(crate) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        let (media_type, annotations, rest) = (media_type.to_owned(), BTreeMap::new(), BTreeMap::new());
        Self { media_type, digest, size, platform: None, annotations, rest }
    }

    /// True for a foreign layer: it names other places for its bytes (`urls`), and registries need not have them.
    pub(crate) fn is_foreign(&self) -> bool {
        self.rest.get("urls").and_then(serde_json::Value::as_array).is_some_and(|urls| !urls.is_empty())
    }
}

/// An image manifest (OCI image spec, "Image Manifest").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageManifest {
    pub(crate) schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) media_type: Option<String>,
    pub(crate) config: Descriptor,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default, deserialize_with = "null_is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl ImageManifest {
    /// An OCI manifest of these parts.
    pub(crate) fn new(config: Descriptor, layers: Vec<Descriptor>, annotations: BTreeMap<String, String>) -> Self {
        Self { schema_version: 2, media_type: Some(media_type::MANIFEST.to_owned()), config, layers, annotations }
    }
}

/// An image index (OCI image spec, "Image Index").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) media_type: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(crate) manifests: Vec<Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default, deserialize_with = "null_is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Index {
    /// An OCI index of these manifests.
    pub(crate) fn new(manifests: Vec<Descriptor>, annotations: BTreeMap<String, String>) -> Self {
        Self { schema_version: 2, media_type: Some(media_type::INDEX.to_owned()), manifests, annotations }
    }

    /// The platform and the descriptor of every image in the index. Attestations (`unknown/unknown`) are left out. Of
    /// two images for one platform the first counts, as it does for every engine. A descriptor may be of another index.
    pub(crate) fn platforms(&self) -> BTreeMap<Platform, &Descriptor> {
        let mut platforms = BTreeMap::new();
        for manifest in &self.manifests {
            if let Some(platform) = manifest.platform.as_ref().map(Platform::from)
                && !platform.is_unknown()
            {
                platforms.entry(platform).or_insert(manifest);
            }
        }
        platforms
    }
}

/// A document that a tag or digest in a registry may stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    Index(Index),
    Manifest(ImageManifest),
}

/// Why bytes are no such document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error("it is not JSON")]
    Json(#[source] serde_json::Error),
    #[error("it is not as the specification says")]
    Shape(#[source] serde_json::Error),
    #[error("it is a `{0}`, which is neither an image nor an index of images")]
    MediaType(String),
    #[error("it is a Docker schema 1 image, a format that was given up in 2017")]
    Schema1,
    #[error("it has neither `manifests` nor `layers`")]
    Neither,
    #[error("there are indexes in its indexes, more than {0} deep")]
    Depth(usize),
}

impl Document {
    /// Parses an index or a manifest, OCI or Docker schema 2, with or without a `mediaType` of its own.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Kind {
            schema_version: Option<u32>,
            media_type: Option<String>,
            manifests: Option<serde::de::IgnoredAny>,
            layers: Option<serde::de::IgnoredAny>,
            config: Option<serde::de::IgnoredAny>,
        }
        let kind: Kind = serde_json::from_slice(bytes).map_err(unreadable)?;
        if kind.schema_version == Some(1) {
            return Err(DocumentError::Schema1);
        }
        match kind.media_type.as_deref() {
            Some(media_type::INDEX | media_type::DOCKER_LIST) => Self::index(bytes),
            Some(media_type::MANIFEST | media_type::DOCKER_MANIFEST) => Self::manifest(bytes),
            Some(other) => Err(DocumentError::MediaType(other.to_owned())),
            None if kind.manifests.is_some() => Self::index(bytes),
            None if kind.layers.is_some() || kind.config.is_some() => Self::manifest(bytes),
            None => Err(DocumentError::Neither),
        }
    }

    /// Parses an index. An entry with a digest that is not SHA-256, or is malformed, is left out, unless there is no
    /// other entry: one odd entry does not hide the others, for any engine.
    fn index(bytes: &[u8]) -> Result<Self, DocumentError> {
        let mut document: serde_json::Value = serde_json::from_slice(bytes).map_err(unreadable)?;
        if let Some(entries) = document.get_mut("manifests").and_then(serde_json::Value::as_array_mut) {
            let is_one = |entry: &serde_json::Value| Descriptor::deserialize(entry).is_ok();
            if entries.iter().any(is_one) {
                entries.retain(is_one);
            }
        }
        serde_json::from_value(document).map(Self::Index).map_err(DocumentError::Shape)
    }

    fn manifest(bytes: &[u8]) -> Result<Self, DocumentError> {
        serde_json::from_slice(bytes).map(Self::Manifest).map_err(unreadable)
    }

    /// The media type of the document. It follows from the other fields if the document does not name it.
    pub(crate) fn media_type(&self) -> &str {
        match self {
            Self::Index(index) => index.media_type.as_deref().unwrap_or(media_type::INDEX),
            Self::Manifest(manifest) => manifest.media_type.as_deref().unwrap_or(media_type::MANIFEST),
        }
    }
}

/// Bytes that are no JSON, and JSON of another shape, are different mistakes.
fn unreadable(error: serde_json::Error) -> DocumentError {
    if error.is_data() { DocumentError::Shape(error) } else { DocumentError::Json(error) }
}

/// Serialises a document, in the one form that this program writes: compact JSON, fields in the order of the spec, maps
/// sorted.
///
/// Equal values give equal bytes on every machine and in every version of this program.
pub(crate) fn canonical_json(document: &impl Serialize) -> Vec<u8> {
    // Serialising these types fails only for maps whose keys are no strings, which none of them has.
    serde_json::to_vec(document).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_kinds_apart() {
        let digest = Digest::of(b"");
        let entry = format!(r#"{{"mediaType":"x","digest":"{digest}","size":0}}"#);
        let manifest = format!(r#"{{"schemaVersion":2,"config":{entry},"layers":[]}}"#);
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#);
        assert!(matches!(Document::parse(manifest.as_bytes()), Ok(Document::Manifest(_))));
        assert!(matches!(Document::parse(index.as_bytes()), Ok(Document::Index(_))));
        assert!(matches!(Document::parse(b"<html>"), Err(DocumentError::Json(_))));
        assert!(matches!(Document::parse(b"{}"), Err(DocumentError::Neither)));
        assert!(matches!(Document::parse(br#"{"schemaVersion":1}"#), Err(DocumentError::Schema1)));
        assert!(matches!(
            Document::parse(br#"{"schemaVersion":2,"mediaType":"text/x"}"#),
            Err(DocumentError::MediaType(_))
        ));
        let null = Document::parse(
            br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":null}"#,
        );
        assert!(matches!(null, Ok(Document::Index(index)) if index.manifests.is_empty()));
    }

    #[test]
    fn what_is_null_is_empty() {
        let digest = Digest::of(b"");
        let entry = format!(r#"{{"mediaType":"x","digest":"{digest}","size":0,"annotations":null,"platform":null}}"#);
        let manifest = format!(r#"{{"schemaVersion":2,"config":{entry},"layers":null,"annotations":null}}"#);
        assert!(
            matches!(Document::parse(manifest.as_bytes()), Ok(Document::Manifest(found)) if found.layers.is_empty())
        );
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{entry}],"annotations":null}}"#);
        assert!(matches!(Document::parse(index.as_bytes()), Ok(Document::Index(_))));
    }

    #[test]
    fn an_odd_entry_takes_no_other_away() {
        let good = format!(
            r#"{{"mediaType":"x","digest":"{}","size":0,"platform":{{"os":"linux","architecture":"arm64"}}}}"#,
            Digest::of(b"")
        );
        let odd = [
            format!(r#"{{"mediaType":"x","digest":"sha512:{}","size":0}}"#, "0".repeat(128)),
            good.replace(r#"{"os":"linux","architecture":"arm64"}"#, "{}"),
            good.replace(r#""os":"linux","#, r#""os":null,"#),
            good.replace(r#""linux""#, "1"),
            "1".to_owned(),
        ];
        let parse =
            |entries: &str| Document::parse(format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#).as_bytes());
        for odd in odd {
            let Ok(Document::Index(index)) = parse(&format!("{odd},{good}")) else { panic!("{odd}") };
            assert_eq!(index.platforms().len(), 1, "{odd}");
        }
        let only = format!(r#"{{"mediaType":"x","digest":"sha512:{}","size":0}}"#, "0".repeat(128));
        assert!(matches!(parse(&only), Err(DocumentError::Shape(_))));
    }

    #[test]
    fn leaves_attestations_out() {
        let entry = |os: &str, architecture: &str, content: &[u8]| Descriptor {
            platform: Some(DescriptorPlatform::from(&Platform::new(os, architecture, None))),
            ..Descriptor::of(media_type::MANIFEST, content)
        };
        let index = Index::new(
            vec![
                entry("linux", "arm64", b"1"),
                entry("unknown", "unknown", b"2"),
                entry("linux", "amd64", b"3"),
                entry("linux", "amd64", b"4"),
            ],
            BTreeMap::new(),
        );
        let platforms: Vec<_> =
            index.platforms().into_iter().map(|(name, image)| (name.to_string(), image.digest)).collect();
        assert_eq!(
            platforms,
            [("linux/amd64".to_owned(), Digest::of(b"3")), ("linux/arm64".to_owned(), Digest::of(b"1"))]
        );
    }
}

//! An image's configuration (OCI image spec, "Image Configuration"), edited as the JSON it is so that
//! fields of a base that this program does not know survive.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::model::platform::DescriptorPlatform;
use crate::model::{DiffId, Environment, Platform, canonical_json};

/// A parsed configuration: the raw document, known to have the shape that the spec asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ImageConfig {
    document: Map<String, Value>,
}

/// The parts of a configuration that are read, to check a document's shape once.
#[derive(Deserialize)]
#[expect(dead_code, reason = "parsing it is the check")]
struct Shape {
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    os: Option<String>,
    #[serde(default)]
    variant: Option<String>,
    rootfs: RootFs,
    #[serde(default)]
    config: Option<Execution>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsing it is the check")]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<DiffId>>,
}

/// How a container of the image is started (the spec's `config`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Execution {
    pub(crate) user: Option<String>,
    pub(crate) env: Option<Vec<String>>,
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) cmd: Option<Vec<String>>,
    pub(crate) working_dir: Option<String>,
    pub(crate) labels: Option<BTreeMap<String, String>>,
    pub(crate) stop_signal: Option<String>,
}

/// A configuration that is not as the spec asks.
#[derive(Debug, thiserror::Error)]
#[error("it is no image configuration")]
pub(crate) struct ConfigError(#[source] serde_json::Error);

impl ImageConfig {
    /// Parses a configuration and checks all of it that is ever read.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let _: Shape = serde_json::from_slice(bytes).map_err(ConfigError)?;
        let document = serde_json::from_slice(bytes).map_err(ConfigError)?;
        Ok(Self { document })
    }

    /// The configuration of the empty image for a platform.
    pub(crate) fn scratch(platform: &Platform) -> Self {
        let mut document = Map::new();
        document.insert("architecture".into(), platform.architecture().into());
        document.insert("os".into(), platform.os().into());
        if let Some(variant) = platform.variant() {
            document.insert("variant".into(), variant.into());
        }
        document.insert("config".into(), json!({}));
        document.insert("rootfs".into(), json!({ "type": "layers", "diff_ids": [] }));
        document.insert("history".into(), json!([]));
        Self { document }
    }

    /// The platform that the config names. It is [unknown](Platform::is_unknown) if the config names none.
    pub(crate) fn platform(&self) -> Platform {
        let text = |key: &str| self.document.get(key).and_then(Value::as_str);
        Platform::new(text("os").unwrap_or_default(), text("architecture").unwrap_or_default(), text("variant"))
    }

    /// Sets the platform that the config names.
    pub(crate) fn set_platform(&mut self, platform: &Platform) {
        self.document.insert("architecture".into(), platform.architecture().into());
        self.document.insert("os".into(), platform.os().into());
        match platform.variant() {
            Some(variant) => drop(self.document.insert("variant".into(), variant.into())),
            None => drop(self.document.shift_remove("variant")),
        }
    }

    /// The `platform` of a descriptor in an index that names the image: what the configuration says, normalised
    /// but for the variant.
    pub(crate) fn descriptor_platform(&self) -> DescriptorPlatform {
        let platform = self.platform();
        // A configuration and a descriptor write the platform in fields of equal names.
        match DescriptorPlatform::deserialize(Value::Object(self.document.clone())) {
            Ok(written) => DescriptorPlatform::of(&platform, written),
            Err(_) => DescriptorPlatform::from(&platform),
        }
    }

    /// The layers' uncompressed digests, lowest first.
    pub(crate) fn diff_ids(&self) -> Vec<DiffId> {
        let ids = self.document.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids"));
        ids.and_then(|ids| serde_json::from_value(ids.clone()).ok()).unwrap_or_default()
    }

    /// How a container of the image is started, as engines read the config: an entrypoint of one empty word counts as
    /// none, and so does a variable without a name or a value.
    pub(crate) fn execution(&self) -> Execution {
        let execution = self.document.get("config").cloned();
        let mut execution: Execution =
            execution.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
        execution.entrypoint = execution.entrypoint.filter(|words| *words != [""]);
        if let Some(variables) = &mut execution.env {
            variables.retain(|variable| variable.find('=').is_some_and(|at| at > 0));
        }
        execution
    }

    /// Sets or removes (`None`) one field of the spec's `config`, such as `WorkingDir`.
    pub(crate) fn set(&mut self, field: &str, value: Option<Value>) {
        let execution = self.document.entry("config").or_insert_with(|| json!({}));
        if !execution.is_object() {
            *execution = json!({});
        }
        if let Some(fields) = execution.as_object_mut() {
            match value {
                Some(value) => drop(fields.insert(field.to_owned(), value)),
                None => drop(fields.shift_remove(field)),
            }
        }
    }

    /// The raw value of one field of the spec's `config`.
    pub(crate) fn get(&self, field: &str) -> Option<&Value> {
        self.document.get("config")?.get(field)
    }

    /// The time that the image says it was made at (RFC 3339).
    pub(crate) fn created(&self) -> Option<&str> {
        self.document.get("created")?.as_str()
    }

    /// Sets the time that the image says it was made at (RFC 3339).
    pub(crate) fn set_created(&mut self, created: &str) {
        self.document.insert("created".into(), created.into());
    }

    /// Replaces the layers' uncompressed digests.
    ///
    /// For a stack of the image's own layers; [`ImageConfig::append_layer`] is the way to add one.
    pub(crate) fn set_diff_ids(&mut self, diff_ids: &[DiffId]) {
        self.document.insert("rootfs".into(), json!({ "type": "layers", "diff_ids": diff_ids }));
    }

    /// Adds a layer and the history entry that says what made it.
    pub(crate) fn append_layer(&mut self, diff_id: DiffId, created: &str, created_by: &str) {
        let mut diff_ids = self.diff_ids();
        diff_ids.push(diff_id);
        self.set_diff_ids(&diff_ids);
        self.append_history(json!({ "created": created, "created_by": created_by }));
    }

    /// The environment of a container of the image.
    pub(crate) fn environment(&self) -> Environment {
        // Entries of the list that are no variables are left out; `Environment::note` names them.
        let list = self.get("Env").and_then(Value::as_array);
        Environment::parse(list.into_iter().flatten().filter_map(Value::as_str))
    }

    /// Gives every layer that has no history entry an empty one, as tools that show both expect.
    pub(crate) fn complete_history(&mut self) {
        let entries = self.document.get("history").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let with_layer = entries.iter().filter(|entry| entry.get("empty_layer") != Some(&Value::Bool(true))).count();
        for _ in with_layer..self.diff_ids().len() {
            self.append_history(json!({}));
        }
    }

    fn append_history(&mut self, entry: Value) {
        let history = self.document.entry("history").or_insert_with(|| json!([]));
        match history.as_array_mut() {
            Some(entries) => entries.push(entry),
            None => *history = json!([entry]),
        }
    }

    /// The bytes of the configuration blob.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        canonical_json(&self.document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    #[test]
    fn keeps_what_it_does_not_know() {
        let text = br#"{"architecture":"arm64","variant":"v8","os":"linux","x-own":{"b":1,"a":2},"config":{"Healthcheck":{"Test":["NONE"]},"Env":null},"rootfs":{"type":"layers","diff_ids":null}}"#;
        let mut config = ImageConfig::parse(text).unwrap();
        assert_eq!(config.platform().to_string(), "linux/arm64");
        config.set("User", Some("7".into()));
        config.append_layer(DiffId(Digest::of(b"")), "1970-01-01T00:00:00Z", "test");
        let written = String::from_utf8(config.to_bytes()).unwrap();
        assert!(written.contains(r#""x-own":{"b":1,"a":2}"#), "{written}");
        assert!(written.contains(r#""Healthcheck":{"Test":["NONE"]},"Env":null,"User":"7""#), "{written}");
        assert_eq!(config.diff_ids().len(), 1);
        assert_eq!(config.execution().user.as_deref(), Some("7"));
    }

    #[test]
    fn what_means_nothing_to_engines_is_left_out() {
        let text = br#"{"architecture":"arm64","os":"linux","rootfs":{},"config":{"Entrypoint":[""],"Cmd":["a"],"Env":["A=1","B","=2","C="]}}"#;
        let config = ImageConfig::parse(text).unwrap();
        let Execution { entrypoint, cmd, env, .. } = config.execution();
        assert_eq!((entrypoint, cmd), (None, Some(vec!["a".to_owned()])));
        assert_eq!(env, Some(vec!["A=1".to_owned(), "C=".to_owned()]));
        // What is built on it says it as before.
        assert!(String::from_utf8(config.to_bytes()).unwrap().contains(r#""Env":["A=1","B","=2","C="]"#));
    }

    #[test]
    fn an_index_says_of_an_image_what_it_says_itself() {
        let text = br#"{"architecture":"aarch64","os":"windows","os.version":"10.0.1","os.features":["win32k"],"variant":"v8","rootfs":{}}"#;
        let platform = ImageConfig::parse(text).unwrap().descriptor_platform();
        let json = serde_json::to_string(&platform).unwrap();
        let expected =
            r#"{"architecture":"arm64","os":"windows","os.version":"10.0.1","os.features":["win32k"],"variant":"v8"}"#;
        assert_eq!(json, expected);
        assert_eq!(Platform::from(&platform), Platform::parse("windows/arm64").unwrap());
    }

    #[test]
    fn refuses_another_shape() {
        for text in ["{}", "[]", r#"{"architecture":1,"os":"linux","rootfs":{}}"#] {
            assert!(ImageConfig::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}

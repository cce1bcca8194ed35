//! A registry in this process that is as odd as a test wants it: it has the documents and blobs that it was given,
//! whatever they are, takes what is pushed, and a test may answer any request in its stead.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::images::{architecture, hex};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }

    pub(crate) fn authorization(&self) -> &str {
        self.headers.get("authorization").map_or("", String::as_str)
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// The body is followed by this, again and again, for as long as somebody reads it.
    endless: Option<Vec<u8>>,
}

impl Answer {
    pub(crate) fn new(status: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), endless: None }
    }

    pub(crate) fn json(status: &'static str, body: &Value) -> Self {
        Self::new(status, body.to_string()).header("Content-Type", "application/json")
    }

    /// A refusal in the words of the distribution spec.
    pub(crate) fn error(status: &'static str, code: &str) -> Self {
        Self::json(status, &json!({ "errors": [{ "code": code, "message": "the registry's own words" }] }))
    }

    pub(crate) fn endless(body: impl Into<Vec<u8>>, more: impl Into<Vec<u8>>) -> Self {
        Self { endless: Some(more.into()), ..Self::new("200 OK", body) }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

pub(crate) fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

type Hook = Box<dyn Fn(&Request) -> Option<Answer> + Send>;

#[derive(Default)]
struct State {
    hook: Option<Hook>,
    /// By `REPOSITORY/blobs/DIGEST`, and by `REPOSITORY/manifests/TAG-OR-DIGEST` with the media type.
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, (String, Vec<u8>)>,
    uploads: BTreeMap<String, Vec<u8>>,
    requests: Vec<Request>,
}

pub(crate) struct OddRegistry {
    host: String,
    state: Arc<Mutex<State>>,
}

impl OddRegistry {
    pub(crate) fn start() -> Self {
        Self::at("127.0.0.1:0")
    }

    /// One at an address, of which the port is for the kernel to pick.
    pub(crate) fn at(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let served = Arc::clone(&state);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), state) = (stream, Arc::clone(&served)) else { return };
                std::thread::spawn(move || serve(&stream, &state));
            }
        });
        Self { host, state }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.host)
    }

    /// From now on is asked first; where it answers nothing, the registry does.
    pub(crate) fn answer(&self, hook: impl Fn(&Request) -> Option<Answer> + Send + 'static) {
        self.state().hook = Some(Box::new(hook));
    }

    /// Everything that was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// Has a blob from now on, and gives its digest.
    pub(crate) fn blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = digest_of(bytes);
        self.state().blobs.insert(format!("{repository}/blobs/{digest}"), bytes.to_vec());
        digest
    }

    /// A blob that is there.
    pub(crate) fn bytes(&self, repository: &str, digest: &str) -> Vec<u8> {
        self.state().blobs[&format!("{repository}/blobs/{digest}")].clone()
    }

    /// Loses a blob, as a clean-up may.
    pub(crate) fn remove_blob(&self, repository: &str, digest: &str) {
        self.state().blobs.remove(&format!("{repository}/blobs/{digest}")).unwrap();
    }

    /// The document under a tag or digest, which must be there.
    pub(crate) fn document(&self, repository: &str, name: &str) -> Value {
        serde_json::from_slice(&self.state().manifests[&format!("{repository}/manifests/{name}")].1).unwrap()
    }

    /// Has a document under its digest and, if there is one, under a tag; it is served as the media type that it has. Gives
    /// its descriptor.
    pub(crate) fn put(&self, repository: &str, tag: &str, document: &Value) -> Value {
        let media_type = document["mediaType"].as_str().unwrap_or(MANIFEST);
        let bytes = document.to_string().into_bytes();
        let digest = digest_of(&bytes);
        let mut state = self.state();
        for name in [tag, &digest].into_iter().filter(|name| !name.is_empty()) {
            let value = (media_type.to_owned(), bytes.clone());
            state.manifests.insert(format!("{repository}/manifests/{name}"), value);
        }
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Has the parts of an image for this machine with these layers, plain tars, and gives its manifest, which is for [`put`](Self::put).
    pub(crate) fn image(&self, repository: &str, layers: &[&[u8]]) -> Value {
        let digests: Vec<String> = layers.iter().map(|layer| self.blob(repository, layer)).collect();
        let config = json!({
            "architecture": architecture(), "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": digests },
        });
        self.image_of(repository, layers, &config)
    }

    /// The same with a config that may be odd.
    pub(crate) fn image_of(&self, repository: &str, layers: &[&[u8]], config: &Value) -> Value {
        let config = config.to_string();
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| json!({ "mediaType": LAYER, "digest": self.blob(repository, layer), "size": layer.len() }))
            .collect();
        let digest = self.blob(repository, config.as_bytes());
        let config = json!({ "mediaType": CONFIG, "digest": digest, "size": config.len() });
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = read(&mut reader) {
        let answer = {
            let mut state = lock(state);
            state.requests.push(request.clone());
            let hooked = state.hook.as_ref().and_then(|hook| hook(&request));
            hooked.unwrap_or_else(|| state.answer(&request))
        };
        if write(stream, &request, &answer).is_err() {
            return;
        }
    }
}

/// `None` at the end, or where it is no request.
fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let (method, rest) = first.split_once(' ')?;
    let path = rest.split(' ').next()?.to_owned();
    let mut headers = BTreeMap::new();
    while let Some(header) = line().filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once(':')?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|encoding| encoding.contains("chunked")) {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = u64::from_str_radix(size.trim(), 16).ok()?;
            reader.take(size).read_to_end(&mut body).ok()?;
            reader.read_line(&mut String::new()).ok()?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = headers.get("content-length") {
        reader.take(length.parse().ok()?).read_to_end(&mut body).ok()?;
    }
    Some(Request { method: method.to_owned(), path, headers, body })
}

fn write(mut stream: &TcpStream, request: &Request, answer: &Answer) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {}\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    match &answer.endless {
        None => head += &format!("Content-Length: {}\r\n\r\n", answer.body.len()),
        Some(_) => head += "Transfer-Encoding: chunked\r\n\r\n",
    }
    stream.write_all(head.as_bytes())?;
    match &answer.endless {
        _ if request.method == "HEAD" => Ok(()),
        None => stream.write_all(&answer.body),
        Some(more) => {
            let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
            if !answer.body.is_empty() {
                stream.write_all(&chunk(&answer.body))?;
            }
            let more = chunk(more);
            loop {
                stream.write_all(&more)?;
            }
        }
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Answer {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let Some(name) = path.strip_prefix("/v2/") else { return Answer::error("404 Not Found", "UNSUPPORTED") };
        if name.is_empty() {
            return Answer::json("200 OK", &json!({}));
        }
        if let Some((repository, upload)) = name.split_once("/blobs/uploads/") {
            return self.upload(repository, upload, query, request);
        }
        if let Some((repository, "")) = name.split_once("/tags/list") {
            let before = format!("{repository}/manifests/");
            let names = self.manifests.keys().filter_map(|name| name.strip_prefix(&before));
            let tags: Vec<&str> = names.filter(|name| !name.contains(':')).collect();
            return Answer::json("200 OK", &json!({ "name": repository, "tags": tags }));
        }
        if let Some(bytes) = self.blobs.get(name) {
            return Answer::new("200 OK", bytes.clone()).header("Content-Type", "application/octet-stream");
        }
        if let Some((repository, _)) = name.split_once("/manifests/") {
            if request.method == "PUT" {
                return self.take(repository, name, request);
            }
            if let Some((media_type, bytes)) = self.manifests.get(name) {
                let digest = digest_of(bytes);
                return Answer::new("200 OK", bytes.clone())
                    .header("Content-Type", media_type)
                    .header("Docker-Content-Digest", digest);
            }
            return Answer::error("404 Not Found", "MANIFEST_UNKNOWN");
        }
        Answer::error("404 Not Found", "BLOB_UNKNOWN")
    }

    /// A document that is pushed. What it names has to be there.
    fn take(&mut self, repository: &str, name: &str, request: &Request) -> Answer {
        let document: Value = serde_json::from_slice(&request.body).unwrap();
        let list = |name: &str| document[name].as_array().cloned().unwrap_or_default();
        let blobs = list("layers").into_iter().chain(document.get("config").cloned());
        let is_there = |kind: &str, descriptor: &Value| {
            let name = format!("{repository}/{kind}/{}", descriptor["digest"].as_str().unwrap());
            self.blobs.contains_key(&name) || self.manifests.contains_key(&name) || descriptor.get("urls").is_some()
        };
        let is_whole = blobs.into_iter().all(|blob| is_there("blobs", &blob))
            && list("manifests").iter().all(|manifest| is_there("manifests", manifest));
        if !is_whole {
            return Answer::error("400 Bad Request", "MANIFEST_BLOB_UNKNOWN");
        }
        let digest = digest_of(&request.body);
        let media_type = request.headers.get("content-type").cloned().unwrap_or_default();
        for name in [name.to_owned(), format!("{repository}/manifests/{digest}")] {
            self.manifests.insert(name, (media_type.clone(), request.body.clone()));
        }
        Answer::new("201 Created", "")
            .header("Location", format!("/v2/{repository}/manifests/{digest}"))
            .header("Docker-Content-Digest", digest)
    }

    fn upload(&mut self, repository: &str, upload: &str, query: &str, request: &Request) -> Answer {
        if request.method == "POST" {
            let upload = format!("upload-{}", self.uploads.len());
            self.uploads.insert(upload.clone(), Vec::new());
            return Answer::new("202 Accepted", "")
                .header("Location", format!("/v2/{repository}/blobs/uploads/{upload}"))
                .header("Range", "0-0");
        }
        let Some(bytes) = self.uploads.get_mut(upload) else {
            return Answer::error("404 Not Found", "BLOB_UPLOAD_UNKNOWN");
        };
        bytes.extend_from_slice(&request.body);
        if request.method == "PATCH" {
            return Answer::new("202 Accepted", "")
                .header("Location", format!("/v2/{repository}/blobs/uploads/{upload}"))
                .header("Range", format!("0-{}", bytes.len().saturating_sub(1)));
        }
        let digest = query.split('&').find_map(|pair| pair.strip_prefix("digest=")).unwrap().replace("%3A", ":");
        let bytes = bytes.clone();
        self.blobs.insert(format!("{repository}/blobs/{digest}"), bytes);
        Answer::new("201 Created", "").header("Location", format!("/v2/{repository}/blobs/{digest}"))
    }
}

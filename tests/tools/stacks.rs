//! Random stacks of layers mean one thing: what a package takes of the image, and what a run of it sees, are the
//! same files. `STACKS=20000` in the environment tries more of them than usual, `STACKS_FROM` begins at another.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::compress::Compressors;
use crate::containers::rootfs::dates::Dates;
use crate::containers::rootfs::unpack::Unpacking;
use crate::containers::rootfs::{LayerBlob, RootfsRequest, TREE};
use crate::contents::image::ImageTree;
use crate::image::{Image, Layer};
use crate::layer::{Tree, WriteOptions};
use crate::model::document::media_type;
use crate::model::{Compression, Descriptor, DiffId, Digest, ImageName, Platform};
use crate::pack::ScanRequest;
use crate::pack::testing::{RawMember, image};
use crate::process::IdMap;
use crate::report::{Lines, Verbosity};
use crate::sandbox::Overlays;
use crate::store::Store;
use crate::tools::Umoci;

/// How many stacks are tried.
const STACKS: u64 = 1_000;

/// A member of a layer: kind, name, what it links to or holds.
type Part = (u8, String, String);

/// Numbers that a seed decides (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn one_of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn path(&mut self) -> String {
        let depth = 1 + self.below(3);
        (0..depth).map(|_| self.one_of(&["a", "b", "l"])).collect::<Vec<_>>().join("/")
    }

    fn layer(&mut self, number: usize, files: &mut Vec<String>) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        // Most tools write folders before what is in them, and some of their layers have to be among these.
        let has_parents = self.below(2) == 0;
        for index in 0..1 + self.below(7) {
            let path = self.path();
            if has_parents {
                for (end, _) in path.match_indices('/') {
                    let folder = (b'5', path[..end].to_owned(), String::new());
                    if !parts.contains(&folder) {
                        parts.push(folder);
                    }
                }
            }
            let (folder, name) = path.rsplit_once('/').map_or(("", &path[..]), |(folder, name)| (folder, name));
            let slash = if folder.is_empty() { "" } else { "/" };
            let prefix = self.one_of(&["", "", "", "./", "/"]);
            let file = match files.len() {
                0 => self.path(),
                count if self.below(10) > 0 => files[self.below(count)].clone(),
                _ => self.path(),
            };
            parts.push(match self.below(12) {
                0..3 => (b'5', format!("{prefix}{path}/"), String::new()),
                3..6 => {
                    files.push(path.clone());
                    (b'0', format!("{prefix}{path}"), format!("{number}.{index}"))
                }
                6..8 => {
                    let target = self.one_of(&["a", "b", "/a", "../b", "a/l", "/b/a", ".", "none", "..", "l"]);
                    (b'2', format!("{prefix}{path}"), target.to_owned())
                }
                8 => (b'1', format!("{prefix}{path}"), file),
                9..11 => (b'0', format!("{prefix}{folder}{slash}.wh.{name}"), String::new()),
                _ => (b'0', format!("{prefix}{folder}{slash}.wh..wh..opq"), String::new()),
            });
        }
        parts
    }
}

fn tar(parts: &[Part], number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, name, rest) in parts {
        let (link, content) = if *kind == b'0' { ("", &rest[..]) } else { (&rest[..], "") };
        let member = RawMember {
            kind: *kind,
            name: name.as_bytes(),
            link: link.as_bytes(),
            content: content.as_bytes(),
            mode: if *kind == b'5' { 0o700 + number } else { 0o600 + number },
            owner: (10 + u64::from(number), 20 + u64::from(number)),
            time: 1_000_000_000,
        };
        member.append_to(&mut bytes);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// What is at each path, in words; two names of one file say so.
type Seen = BTreeMap<String, String>;

/// What a package takes of the image.
fn packed(image_of: &Image, store: &Store, folder: &Path) -> Result<Seen, String> {
    let tree = ImageTree::read("there", image_of, store).map_err(|error| error.to_string())?;
    let images = BTreeMap::from([(ImageName::parse("there").unwrap(), Arc::new(tree))]);
    let platform = Platform::host();
    let packages = [image("there", "/", None)];
    let request = ScanRequest {
        packages: &packages,
        folder,
        exclude: &[],
        ignore: &[],
        platform: &platform,
        store,
        records: false,
        images: &images,
        targets: &BTreeMap::new(),
        layer: None,
    };
    let tree = Tree::scan(&request).map_err(|problems| format!("{problems:?}"))?;
    let compressors = Compressors::new(1);
    let options = WriteOptions { epoch: 0, compression: Compression::None, compressors: &compressors, earlier: None };
    let mut layer = Vec::new();
    tree.write(&options, &mut layer).map_err(|error| format!("{error:?}"))?;
    let mut seen = Seen::new();
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in tar::Archive::new(&layer[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap().trim_end_matches('/').to_owned();
        let link = entry.link_name_bytes().map(|name| String::from_utf8(name.into_owned()).unwrap());
        let header = entry.header().clone();
        let owner = format!("{}:{}", header.uid().unwrap(), header.gid().unwrap());
        let what = match header.entry_type() {
            tar::EntryType::Directory => format!("folder {:o} {owner}", header.mode().unwrap()),
            tar::EntryType::Symlink => format!("link {} {owner}", link.unwrap()),
            tar::EntryType::Link => {
                let first = link.unwrap();
                groups.entry(first.clone()).or_insert_with(|| vec![first.clone()]).push(path.clone());
                seen[&first].clone()
            }
            _ => {
                let mut content = String::new();
                std::io::Read::read_to_string(&mut entry, &mut content).unwrap();
                format!("file {:o} {owner} {content}", header.mode().unwrap())
            }
        };
        seen.insert(path, what);
    }
    say_names(&mut seen, groups.into_values());
    Ok(seen)
}

/// Adds to every path which other names its file has.
fn say_names(seen: &mut Seen, groups: impl Iterator<Item = Vec<String>>) {
    for mut group in groups.filter(|group| group.len() > 1) {
        group.sort();
        for path in &group {
            seen.get_mut(path).unwrap().push_str(&format!(" = {}", group.join(", ")));
        }
    }
}

/// What is on the disk.
fn on_disk(root: &Path) -> Seen {
    let (mut seen, mut inodes) = (Seen::new(), BTreeMap::<u64, Vec<String>>::new());
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stat = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let owner = format!("{}:{}", stat.uid(), stat.gid());
            let mode = stat.mode() & 0o7777;
            let what = if stat.is_dir() {
                folders.push(path.clone());
                format!("folder {mode:o} {owner}")
            } else if stat.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                format!("link {} {owner}", String::from_utf8_lossy(target.as_os_str().as_bytes()))
            } else {
                inodes.entry(stat.ino()).or_default().push(name.clone());
                format!("file {mode:o} {owner} {}", fs::read_to_string(&path).unwrap())
            };
            seen.insert(name, what);
        }
    }
    say_names(&mut seen, inodes.into_values());
    seen
}

/// What a run of the image sees.
fn run(layers: &[LayerBlob], half: &Path) -> Result<Seen, String> {
    let request = RootfsRequest {
        base: layers,
        own: &[],
        dates: Dates { created: None, epoch: 0 },
        cache: half,
        map: &IdMap::Host,
        overlays: Overlays::OnDisk,
        umoci: &Umoci::new("umoci", half.join("logs")),
        verify: &|_| Ok(true),
        reporter: &Lines::new(Verbosity::Quiet),
        subject: "image",
    };
    let unpacking = Unpacking { layers, half, request: &request, subject: "image".to_owned() };
    unpacking.run().map_err(|error| format!("{:?}", miette::Report::new(error)))?;
    Ok(on_disk(&half.join(TREE)))
}

/// The stack of a seed, read in both ways; what differs.
fn differs(seed: u64, home: &Path) -> Option<String> {
    let mut random = Random(seed);
    let mut files = Vec::new();
    let stack: Vec<Vec<Part>> = (0..1 + random.below(4)).map(|number| random.layer(number, &mut files)).collect();
    let folder = tempfile::tempdir_in(home).unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let mut there = Image::scratch(&Platform::host());
    let mut blobs: Vec<LayerBlob> = Vec::new();
    for (number, parts) in stack.iter().enumerate() {
        let tar = tar(parts, u32::try_from(number).unwrap());
        let diff_id = DiffId(Digest::of(&tar));
        // One in eight is compressed with what umoci does not know.
        let blob = if random.below(8) == 0 { zstd::encode_all(&tar[..], 1).unwrap() } else { tar };
        store.put(&blob).unwrap();
        let descriptor = Descriptor::of(media_type::LAYER, &blob);
        let path: PathBuf = store.blob_path(&descriptor.digest);
        there.layers.push(Layer { descriptor: descriptor.clone(), diff_id });
        blobs.push(LayerBlob { descriptor, diff_id, path });
    }
    let half = folder.path().join("half");
    fs::create_dir(&half).unwrap();
    let (packed, run) = (packed(&there, &store, folder.path()), run(&blobs, &half));
    match (&packed, &run) {
        (Ok(packed), Ok(run)) if packed == run => None,
        (Err(_), Err(_)) => None,
        _ => Some(format!("{seed}: {stack:#?}\npacked: {packed:#?}\nrun: {run:#?}")),
    }
}

/// Owners of files are as the layers say only to root, whose IDs are not mapped.
fn needs_root() {
    assert!(rustix::process::getuid().is_root(), "only root can unpack for the machine's own users: run scripts/test");
}

#[test]
fn only_root_a_package_takes_what_a_run_sees() {
    needs_root();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (first, count) = (number("STACKS_FROM").unwrap_or(0), number("STACKS").unwrap_or(STACKS));
    let next = AtomicU64::new(first);
    let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let wrong = std::thread::scope(|scope| {
        let search = || {
            let mut wrong = Vec::new();
            while let seed = next.fetch_add(1, Ordering::Relaxed)
                && seed < first + count
            {
                wrong.extend(differs(seed, home.path()));
            }
            wrong
        };
        let searches: Vec<_> = (0..4).map(|_| scope.spawn(search)).collect();
        searches.into_iter().flat_map(|search| search.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{} of {count}, such as {}", wrong.len(), wrong[0]);
}

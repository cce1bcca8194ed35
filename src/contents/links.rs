//! The symbolic links of an image, at the paths where packages may have to follow them, and its folders.
//!
//! Many bases make `/bin` a link to `usr/bin`. A layer that holds `bin/tool` would make engines replace that link by a
//! folder. So each layer of a base is read once. What it says of the few paths that matter is its [`LayerLinks`], small
//! enough to be recorded by the layer's digest. Stacked, they are the image's [`BaseLinks`]. These also have mode and
//! owner of every folder: folders above a package's files are made like them ([`crate::layer::inherit`]), and a package
//! that changes one gets a warning ([`crate::layer::Difference`]).

use std::collections::BTreeMap;
use std::fs::File;

use serde::{Deserialize, Serialize};

use crate::contents::blob::{BaseLayerError, each_member_of_base};
use crate::contents::follow::{Endless, follow};
use crate::model::LayerPath;
use crate::model::layer_path::{OPAQUE, WHITEOUT};
use crate::tar::{FoundMember, MemberKind};

/// Folders in which bases have folders of users and services. Below these the base is asked for mode and owner.
pub(crate) const PLACES: [&[u8]; 3] = [b"home", b"run", b"var"];

/// What one layer says of the paths that matter: all folders, and whatever is of the first level, of the second one in
/// `/usr`, or of the second or third one in [`PLACES`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerLinks {
    entries: BTreeMap<String, Said>,
    /// Folders in which nothing of lower layers is left; the root is the empty path.
    opaque: Vec<String>,
}

/// What a layer says of one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Said {
    /// It is a symbolic link to this.
    Link(String),
    Folder(Rights),
    /// It is something else, or deleted: no link, and nothing is in it.
    Other,
}

/// Owner, group and mode of a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u64, u64)", into = "(u32, u64, u64)")]
pub(crate) struct Rights {
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
}

impl From<(u32, u64, u64)> for Rights {
    fn from((mode, uid, gid): (u32, u64, u64)) -> Self {
        Self { mode, uid, gid }
    }
}

/// The record is a list of numbers: a layer has many folders, so the record has to be short.
impl From<Rights> for (u32, u64, u64) {
    fn from(Rights { mode, uid, gid }: Rights) -> Self {
        (mode, uid, gid)
    }
}

impl LayerLinks {
    /// Reads a layer's blob, keeping no more than what matters.
    pub(crate) fn read(blob: File, media_type: &str) -> Result<Self, BaseLayerError> {
        let mut links = Self::default();
        each_member_of_base(blob, media_type, &mut |_, FoundMember { member, .. }| {
            // The names that matter are ASCII.
            let Ok(path) = std::str::from_utf8(&member.name.0) else { return Ok(()) };
            links.add(path, || match &member.kind {
                MemberKind::Folder => Said::Folder(Rights { mode: member.mode, uid: member.uid, gid: member.gid }),
                MemberKind::Link(target) => String::from_utf8(target.0.to_vec()).map_or(Said::Other, Said::Link),
                _ => Said::Other,
            });
            Ok(())
        })?;
        Ok(links)
    }

    fn add(&mut self, path: &str, said: impl FnOnce() -> Said) {
        let names: Vec<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
        let Some((name, folders)) = names.split_last().filter(|_| !names.contains(&"..")) else { return };
        let below = |name: &str| [folders, &[name]].concat().join("/");
        if *name == OPAQUE {
            self.opaque.push(folders.join("/"));
        } else if let Some(deleted) = name.strip_prefix(WHITEOUT) {
            // An entry that this layer has for the path stays, whether it comes before or after the whiteout.
            let deleted = below(deleted);
            self.opaque.push(deleted.clone());
            self.entries.entry(deleted).or_insert(Said::Other);
        } else {
            let said = said();
            // An entry that replaces a link has to be known, too, so both are kept down to one depth.
            let matters = match folders {
                [] | ["usr"] => true,
                [first] | [first, _] if PLACES.contains(&first.as_bytes()) => true,
                _ => matches!(said, Said::Folder(_)),
            };
            if matters {
                self.entries.insert(below(name), said);
            }
        }
    }
}

/// The links of an image, where packages may have to follow them, and what is known of its folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BaseLinks {
    links: BTreeMap<String, String>,
    folders: BTreeMap<String, Rights>,
}

impl BaseLinks {
    /// Stacks layers, lowest first.
    pub(crate) fn stack<'a>(layers: impl IntoIterator<Item = &'a LayerLinks>) -> Self {
        let mut image = Self::default();
        for layer in layers {
            for folder in &layer.opaque {
                image.forget_within(folder);
            }
            for (path, said) in &layer.entries {
                image.links.remove(path);
                image.folders.remove(path);
                match said {
                    Said::Folder(rights) => drop(image.folders.insert(path.clone(), *rights)),
                    Said::Link(_) | Said::Other => image.forget_within(path),
                }
            }
            for (path, said) in &layer.entries {
                if let Said::Link(target) = said {
                    image.links.insert(path.clone(), target.clone());
                }
            }
        }
        image
    }

    fn forget_within(&mut self, folder: &str) {
        forget_within(&mut self.links, folder);
        forget_within(&mut self.folders, folder);
    }

    /// Mode and owner of a folder of the image; `None` if it is no folder, or is not known.
    pub(crate) fn rights(&self, path: &LayerPath) -> Option<Rights> {
        self.folders.get(std::str::from_utf8(path.as_bytes()).ok()?).copied()
    }

    /// Where the path leads once links are followed: links above it and, if `follows_last`, a link at its end.
    ///
    /// Returns `None` if links lead back to themselves.
    pub(crate) fn follow(&self, path: &LayerPath, follows_last: bool) -> Option<LayerPath> {
        let target = |next: &LayerPath, is_last: bool| {
            let target = std::str::from_utf8(next.as_bytes()).ok().and_then(|next| self.links.get(next));
            Ok::<_, Endless>(target.filter(|_| follows_last || !is_last).map(|target| target.as_bytes()))
        };
        follow(path, target).ok()
    }
}

/// Removes all paths below a folder.
fn forget_within<T>(paths: &mut BTreeMap<String, T>, folder: &str) {
    if folder.is_empty() {
        paths.clear();
        return;
    }
    // `0` follows `/`, so that this is all that begins with the folder and a slash.
    let mut within = paths.split_off(&format!("{folder}/"));
    paths.append(&mut within.split_off(&format!("{folder}0")));
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::*;
    use crate::contents::blob::blob_of;
    use crate::model::document::media_type;

    /// A tar of these names: `a/` is a folder, `a -> b` a link, anything else a file.
    fn tar(names: &[&str]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for name in names {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_mode(0o755);
            header.set_uid(0);
            header.set_gid(0);
            match name.split_once(" -> ") {
                Some((name, target)) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    builder.append_link(&mut header, name, target).unwrap();
                }
                None => {
                    if name.ends_with('/') {
                        header.set_entry_type(tar::EntryType::Directory);
                    }
                    builder.append_data(&mut header, name, io::empty()).unwrap();
                }
            }
        }
        builder.into_inner().unwrap()
    }

    fn links(names: &[&str]) -> LayerLinks {
        LayerLinks::read(blob_of(&tar(names)), media_type::LAYER).unwrap()
    }

    fn followed(links: &BaseLinks, path: &str, follows_last: bool) -> Option<String> {
        links.follow(&LayerPath::parse(path.as_bytes()).unwrap(), follows_last).map(|path| path.to_string())
    }

    #[test]
    fn every_compression_reads_the_same() {
        let deep = format!("opt/{}", "long/".repeat(60));
        let plain = tar(&["./bin -> usr/bin", "usr/", "usr/lib64 -> lib", "etc/rc -> x", &deep, "usr/bin/a -> b"]);
        let expected = LayerLinks::read(blob_of(&plain), media_type::DOCKER_LAYER).unwrap();
        assert_eq!(expected.entries.len(), 4, "{expected:?}");
        let gzip = |bytes: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let (one, two) = plain.split_at(700);
        let members = [gzip(one), gzip(two)].concat();
        for kind in [media_type::LAYER_GZIP, media_type::DOCKER_LAYER_GZIP, media_type::DOCKER_FOREIGN_LAYER] {
            assert_eq!(LayerLinks::read(blob_of(&members), kind).unwrap(), expected);
        }
        let frames = [zstd::encode_all(one, 1).unwrap(), zstd::encode_all(two, 1).unwrap()].concat();
        assert_eq!(LayerLinks::read(blob_of(&frames), media_type::LAYER_ZSTD).unwrap(), expected);
        let json = serde_json::to_string(&expected).unwrap();
        assert_eq!(serde_json::from_str::<LayerLinks>(&json).unwrap(), expected);
        assert!(matches!(LayerLinks::read(blob_of(&plain), "text/plain"), Err(BaseLayerError::MediaType(_))));
        assert!(matches!(
            LayerLinks::read(blob_of(&members[..40]), media_type::LAYER_GZIP),
            Err(BaseLayerError::Read(_))
        ));
        assert!(matches!(LayerLinks::read(blob_of(b"no gzip"), media_type::LAYER_GZIP), Err(BaseLayerError::Read(_))));
    }

    #[test]
    fn layers_stack() {
        let base = links(&["bin -> usr/bin", "lib -> usr/lib", "var/run -> /run", "usr/", "usr/lib64 -> lib"]);
        let of = |layer: &[&str]| BaseLinks::stack([&base, &links(layer)]).links.into_keys().collect::<Vec<_>>();
        let all = ["bin", "lib", "usr/lib64", "var/run"];
        for (layer, left) in [
            (&["usr/", "usr/bin/a", "bin/x"][..], &all[..]),
            (&["bin/"], &["lib", "usr/lib64", "var/run"]),
            (&["bin"], &["lib", "usr/lib64", "var/run"]),
            (&[".wh.bin"], &["lib", "usr/lib64", "var/run"]),
            (&[".wh.bin", "bin -> usr/bin"], &all),
            (&["bin -> usr/bin", ".wh.bin"], &all),
            (&[".wh.usr"], &["bin", "lib", "var/run"]),
            (&["usr -> elsewhere"], &["bin", "lib", "usr", "var/run"]),
            (&["usr/", ".wh.usr"], &["bin", "lib", "var/run"]),
            (&["usr/.wh..wh..opq"], &["bin", "lib", "var/run"]),
            (&["usr/.wh.lib64", "var/.wh.run"], &["bin", "lib"]),
            (
                &["home/app -> a", "var/lib/app -> /srv/app"],
                &["bin", "home/app", "lib", "usr/lib64", "var/lib/app", "var/run"],
            ),
            (&["opt/app -> a", "var/lib/app/deep -> x"], &all),
            (&[".wh..wh..opq", "lib -> x"], &["lib"]),
        ] {
            assert_eq!(of(layer), left, "{layer:?}");
        }
    }

    #[test]
    fn folders_stack_with_their_rights() {
        let base = links(&["usr/", "usr/lib/", "tmp/", "var/", "var/log/", "deep/er/"]);
        let of = |layer: &[&str]| BaseLinks::stack([&base, &links(layer)]).folders.into_keys().collect::<Vec<_>>();
        for (layer, left) in [
            (&[][..], &["deep/er", "tmp", "usr", "usr/lib", "var", "var/log"][..]),
            (&["srv/", "tmp"], &["deep/er", "srv", "usr", "usr/lib", "var", "var/log"]),
            (&[".wh.usr", "var -> x", ".wh.deep"], &["tmp"]),
            (&["usr/.wh..wh..opq", "usr/bin/"], &["deep/er", "tmp", "usr", "usr/bin", "var", "var/log"]),
            (
                &["deep/.wh.er", "deep/er0/", "deep/er/x/"],
                &["deep/er/x", "deep/er0", "tmp", "usr", "usr/lib", "var", "var/log"],
            ),
        ] {
            assert_eq!(of(layer), left, "{layer:?}");
        }
        let path = LayerPath::parse(b"/usr/lib").unwrap();
        assert_eq!(BaseLinks::stack([&base]).rights(&path), Some(Rights { mode: 0o755, uid: 0, gid: 0 }));
    }

    #[test]
    fn links_are_followed_as_in_the_image() {
        let links = BaseLinks::stack([&links(&[
            "bin -> usr/bin",
            "sbin -> /usr/sbin",
            "usr/sbin -> bin",
            "lib -> ../../usr/./lib",
            "var/run -> /run",
            "a -> b",
            "b -> a",
            "top -> /",
        ])]);
        for (path, last, target) in [
            ("/bin/x", false, Some("/usr/bin/x")),
            ("/bin", false, Some("/bin")),
            ("/bin", true, Some("/usr/bin")),
            ("/sbin/x/y", false, Some("/usr/bin/x/y")),
            ("/lib/x", false, Some("/usr/lib/x")),
            ("/var/run/x", false, Some("/run/x")),
            ("/etc/x", true, Some("/etc/x")),
            ("/a/x", false, None),
            ("/a", false, Some("/a")),
            ("/top", true, Some("/")),
        ] {
            assert_eq!(followed(&links, path, last).as_deref(), target, "{path}");
        }
    }
}

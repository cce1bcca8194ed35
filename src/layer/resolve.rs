//! Puts a tree's entries where the base's links lead, so that no link of the base is ever replaced.

use crate::contents::BaseLinks;
use crate::layer::tree::{Entry, Kind};
use crate::layer::{LayerError, Tree};
use crate::model::LayerPath;
use crate::source::At;

impl Tree {
    /// True if an entry is at or below a folder that many bases make a link.
    pub(crate) fn needs_base(&self) -> bool {
        self.entries.iter().any(|entry| may_stand_on_a_link(&entry.path))
    }

    /// This tree, with its entries where they go on an image with these links.
    ///
    /// An entry below a link goes below the path that the link leads to. A folder at the path of a link stands for the
    /// folder that the link leads to. Entries that meet there and contradict each other are errors.
    pub(crate) fn resolve(self, links: &BaseLinks) -> Result<Self, Vec<At<LayerError>>> {
        let Self { entries, origins, platform, folder } = self;
        let mut problems = Vec::new();
        let mut resolved = Vec::with_capacity(entries.len());
        for mut entry in entries {
            let is_folder = matches!(entry.kind, Kind::Folder(_));
            let (Some(path), Some(above)) = (links.follow(&entry.path, is_folder), links.follow(&entry.path, false))
            else {
                let place = &origins[entry.origin].place;
                problems.push(At::new(LayerError::BaseLinkLoop { path: entry.path }, place, ""));
                continue;
            };
            // Anything but a folder would replace the link itself.
            let is_below = matches!(entry.kind, Kind::Folder(_) | Kind::Link(_)) || !may_stand_on_a_link(&entry.path);
            if !is_below && links.follow(&entry.path, true).is_some_and(|end| end != above) {
                let place = &origins[entry.origin].place;
                problems.push(At::new(LayerError::ReplacesBaseLink { path: entry.path }, place, ""));
                continue;
            }
            if path == entry.path {
                resolved.push(entry);
                continue;
            }
            resolved.extend(path.folders_above().map(|path| Entry::implied(path, entry.origin)));
            if path == above {
                entry.path = path;
                resolved.push(entry);
            } else if !path.is_root() {
                // The entry stands at a link, so the folder that the link leads to only has to be there.
                resolved.push(Entry::implied(path, entry.origin));
            }
        }
        let (tree, conflicts) = Self { entries: resolved, origins, platform, folder }.assemble();
        problems.extend(conflicts);
        if problems.is_empty() { Ok(tree) } else { Err(problems) }
    }
}

fn may_stand_on_a_link(path: &LayerPath) -> bool {
    let mut names = path.components();
    match names.next() {
        Some(b"bin" | b"sbin") => true,
        Some(b"var") => matches!(names.next(), Some(b"run" | b"lock")),
        Some(name) => name.starts_with(b"lib"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::LayerLinks;
    use crate::contents::blob::blob_of;
    use crate::manifest::Package;
    use crate::model::document::media_type;
    use crate::pack::testing::{Project, folder, link, listing, path_to, text};

    fn merged_usr() -> BaseLinks {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, target) in [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "lib64"), ("var/run", "/run")] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            builder.append_link(&mut header, name, target).unwrap();
        }
        let tar = builder.into_inner().unwrap();
        BaseLinks::stack([&LayerLinks::read(blob_of(&tar), media_type::LAYER).unwrap()])
    }

    #[test]
    fn nothing_replaces_a_link() {
        let project = Project::new(&["root/bin/tool", "root/lib/sub/a", "root/etc/b", "root/var/run/pid"]);
        let tree = project.scan(&[path_to("root", "/").owned(1, 1)]).unwrap();
        assert!(tree.needs_base());
        let expected = [
            "/etc 755 1:1 folder",
            "/etc/b 644 1:1 file b",
            "/run 755 0:0 implied",
            "/run/pid 644 1:1 file pid",
            "/usr 755 0:0 implied",
            "/usr/bin 755 0:0 implied",
            "/usr/bin/tool 644 1:1 file tool",
            "/usr/lib 755 0:0 implied",
            "/usr/lib/sub 755 1:1 folder",
            "/usr/lib/sub/a 644 1:1 file a",
            "/var 755 1:1 folder",
        ];
        assert_eq!(listing(&tree.clone().resolve(&merged_usr()).unwrap()), expected);
        assert_eq!(listing(&tree.clone().resolve(&BaseLinks::default()).unwrap()), listing(&tree));
        let tool = project.scan(&[path_to("root/bin/tool", "/bin/").with_mode(0o755)]).unwrap();
        assert_eq!(tool.resolve(&merged_usr()).unwrap().entrypoint().unwrap(), "/usr/bin/tool");
    }

    #[test]
    fn a_file_replaces_no_link_either() {
        let project = Project::new(&["tool"]);
        for package in [path_to("tool", "/bin"), text("1", "/var/run"), text("1", "/lib")] {
            let tree = project.scan(&[package]).unwrap();
            let problems = tree.clone().resolve(&merged_usr()).unwrap_err();
            assert!(matches!(problems[0].error(), LayerError::ReplacesBaseLink { .. }));
            assert!(tree.resolve(&BaseLinks::default()).is_ok());
        }
        // A link says by itself what it is for.
        assert_eq!(
            listing(&project.scan(&[link("/bin", "usr/bin")]).unwrap().resolve(&merged_usr()).unwrap()).len(),
            1
        );
    }

    #[test]
    fn what_meets_behind_a_link_must_agree() {
        let project = Project::new(&[]);
        let resolve = |packages: &[Package]| project.scan(packages).unwrap().resolve(&merged_usr());
        let problems = resolve(&[text("1", "/bin/x"), text("2", "/usr/bin/x")]).unwrap_err();
        assert!(matches!(problems[0].error(), LayerError::Conflict { .. }));
        assert!(resolve(&[text("1", "/bin/x"), text("1", "/usr/bin/x")]).is_ok());
        let problems = resolve(&[text("1", "/lib64/x")]).unwrap_err();
        assert!(matches!(problems[0].error(), LayerError::BaseLinkLoop { .. }));
    }

    #[test]
    fn knows_where_links_are_common() {
        let project = Project::new(&[]);
        for (path, needs) in [
            ("/bin", true),
            ("/sbin/x", true),
            ("/lib64/x", true),
            ("/libx32", true),
            ("/var/run", true),
            ("/var/lock/x", true),
            ("/var/log", false),
            ("/usr/bin", false),
            ("/binary", false),
        ] {
            assert_eq!(project.scan(&[folder(path)]).unwrap().needs_base(), needs, "{path}");
        }
    }
}

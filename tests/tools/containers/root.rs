//! Root filesystems: unpacked once, stacked, never changed.

use super::*;
use crate::containers::rootfs::seal_for_test;

#[test]
fn many_at_once_change_no_layer() {
    for lab in labs() {
        lab.run(&lab.shell("true"));
        let trees = lab.cache().join("rootfs");
        let before = listing(&trees);
        let script = "rm /bin/ls; chmod 700 /etc; echo x >> /etc/passwd; touch /etc/new; mkdir() { :; }; exit 5";
        let children: Vec<Child> = (0..10).map(|_| lab.command(&lab.shell(script)).spawn().unwrap()).collect();
        for child in children {
            let (status, _, stderr) = text(&child.wait_with_output().unwrap());
            assert_eq!(status, Some(5), "{stderr}");
        }
        assert!(lab.is_clean());
        assert_eq!(listing(&trees), before);
    }
}

#[test]
fn layers_are_stacked_and_unpacked_once() {
    for lab in labs() {
        let own: Vec<PathBuf> = ["one", "two"]
            .iter()
            .map(|name| {
                let tree = tempfile::tempdir().unwrap();
                std::fs::set_permissions(tree.path(), PermissionsExt::from_mode(0o755)).unwrap();
                std::fs::create_dir(tree.path().join("app")).unwrap();
                std::fs::write(tree.path().join("app/same"), name).unwrap();
                std::fs::write(tree.path().join("app").join(name), name).unwrap();
                let archive = lab.folder.path().join(format!("{name}.tar"));
                pack(tree.path(), &archive);
                archive
            })
            .collect();
        let request = Request { own: own.clone(), ..lab.shell("ls /app; cat /app/same") };
        assert_eq!(text(&lab.run(&request)).1, "one\nsame\ntwo\ntwo");
        let trees = listing(&lab.cache().join("rootfs"));
        let request = Request { own: own[..1].to_vec(), ..lab.shell("ls /app; cat /app/same") };
        assert_eq!(text(&lab.run(&request)).1, "one\nsame\none");
        assert_eq!(listing(&lab.cache().join("rootfs")), trees);
        // One of them twice, and the base above itself.
        let twice = [&own[..], &own[..1], std::slice::from_ref(&lab.image)].concat();
        let request = Request { own: twice, ..lab.shell("ls /app; cat /app/same") };
        assert_eq!(text(&lab.run(&request)).1, "one\nsame\ntwo\none");
        // Layers alone, without a base.
        let alone = Request { layers: vec![], own: vec![lab.image.clone()], ..lab.shell("echo alone") };
        assert_eq!(text(&lab.run(&alone)).1, "alone\n");
        let nothing = Request { layers: vec![], ..lab.shell("true") };
        assert_eq!(lab.run(&nothing).status.code(), Some(127));
    }
}

#[test]
fn there_may_be_more_layers_than_paths_fit_in_a_page() {
    const LAYERS: usize = 300;
    let lab = Lab::new();
    let rootfs = lab.cache().join("rootfs");
    lab.run(&lab.shell("true"));
    let mut bases = std::fs::read_dir(&rootfs).unwrap().map(|entry| entry.unwrap().path().join("fs"));
    let start = DATES.start(newest(&bases.find(|tree| tree.is_dir()).unwrap()));
    // As if they had been unpacked before: umoci would take its time.
    let own = (0..LAYERS).map(|number| {
        let name = number.to_string();
        let file = lab.folder.path().join(&name);
        std::fs::write(&file, &name).unwrap();
        let tree = rootfs
            .join(format!("layer-{}-{}-{}", Digest::of(name.as_bytes()).hex(), time_of(start, number), IdMap::detect()))
            .join("fs/many");
        std::fs::create_dir_all(&tree).unwrap();
        std::fs::write(tree.join(&name), &name).unwrap();
        seal_for_test(tree.parent().and_then(Path::parent).unwrap(), &IdMap::detect()).unwrap();
        file
    });
    let request = Request { own: own.collect(), ..lab.shell("ls /many | wc -l; cat /many/299") };
    assert_eq!(text(&lab.run(&request)).1.trim(), format!("{LAYERS}\n299"));
}

#[test]
fn a_failed_or_killed_unpack_leaves_nothing() {
    let lab = Lab::new();
    let cache = lab.cache();
    let layers = |media_type: &str| {
        let mut layers = blobs(std::slice::from_ref(&lab.image));
        media_type.clone_into(&mut layers[0].descriptor.media_type);
        layers
    };
    let umoci = Umoci::new("umoci", cache.join("logs"));
    let unpack_if = |base: &[LayerBlob], cache: &Path, verified: bool| {
        prepare(&RootfsRequest {
            base,
            own: &[],
            dates: DATES,
            cache,
            map: &IdMap::detect(),
            overlays: Overlays::OnDisk,
            umoci: &umoci,
            verify: &|_| Ok(verified),
            reporter: &Lines::new(Verbosity::Quiet),
            subject: "image",
        })
    };
    let unpack = |base: &[LayerBlob], cache: &Path| unpack_if(base, cache, true);
    let damaged = unpack_if(&layers(media_type::LAYER), &cache, false);
    assert!(matches!(damaged, Err(RootfsError::Damaged { .. })), "{damaged:?}");
    let mut wrong = layers(media_type::LAYER);
    wrong[0].diff_id = DiffId(Digest::of(b"other"));
    let error = unpack(&wrong, &cache).unwrap_err();
    assert!(matches!(error, RootfsError::Tool(ToolError::Tool(_))), "{error:?}");
    let entries = |cache: &Path| {
        let names = std::fs::read_dir(cache.join("rootfs")).unwrap().map(|entry| entry.unwrap().file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| !name.ends_with(".lock"))
            .collect::<Vec<_>>()
    };
    assert_eq!(entries(&cache), Vec::<String>::new());
    assert!(matches!(unpack(&wrong, Path::new("/a:b")), Err(RootfsError::Colon { .. })));

    let half = cache.join(format!("rootfs/.oci-tmp-{}-host-x1", "0".repeat(64)));
    std::fs::create_dir_all(half.join("fs/a")).unwrap();
    trees::sweep(&cache, &IdMap::detect()).unwrap();
    assert_eq!(entries(&cache), Vec::<String>::new());
    unpack(&layers(media_type::DOCKER_LAYER), &cache).unwrap();
    trees::sweep(&cache, &IdMap::detect()).unwrap();
    assert_eq!(entries(&cache).len(), 1);
}

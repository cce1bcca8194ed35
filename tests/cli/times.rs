//! Times: one for all that an image holds, and below steps and runs an order in which later layers are newer, so
//! that programs that compare times never take what is old for what is new.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::images::{self, Base, blob, descriptor, read_json};
use crate::support::ordinary::{Ids, is_root_or_was, needs_root};
use crate::support::tools::{find, mounts_of, succeed, tool};
use crate::support::{Outcome, TestContext};

/// The busybox base's files are of this time, and it says that it was made then: 2024-01-01.
const BASE: i64 = 1_704_067_200;

/// A project on a busybox base that is on the disk, with these tables.
fn project(tables: &str) -> TestContext {
    let context = TestContext::with_manifest(&format!("[base.busybox]\nlayout = \"img:b\"\n{tables}"));
    images::save(Base::Busybox, &format!("oci:{}:b", context.project().join("img").display()));
    context
}

/// What steps printed.
fn printed(told: &Outcome) -> Vec<String> {
    let text = told.stderr();
    text.lines().filter_map(|line| line.strip_prefix("app | ").map(str::to_owned)).collect()
}

/// What a shell of a built image prints.
fn in_image(context: &TestContext, script: &str) -> String {
    let arguments = ["run", "-q", "app", "--network", "none", "--entrypoint", "/bin/sh", "--", "-c", script];
    context.finish(context.oci().args(arguments)).success().stdout()
}

fn digests(context: &TestContext) -> Vec<PathBuf> {
    let manifest = read_json(&blob(&context.layout(), &descriptor(&context.layout(), "app")));
    manifest["layers"].as_array().unwrap().iter().map(|layer| blob(&context.layout(), layer)).collect()
}

/// Paths and times of all but what containers have mounted, to the nanosecond.
const TIMES: &str = "busybox find / \\( -path /proc -o -path /sys -o -path /dev \\) -prune -o -print | busybox sort | \
                     while read -r path; do echo \"$path $(busybox stat -c '%Y %y' \"$path\")\"; done";

/// A base whose times are odd: later than it, of parts of a second, from before 1970, and of a folder that no layer
/// has.
fn odd(tables: &str) -> TestContext {
    let context = project(tables);
    let image = format!("{}:b", context.project().join("img").display());
    let tree = context.root().join("odd");
    fs::create_dir_all(tree.join("implied")).unwrap();
    for (name, time) in [("later", "@4000000000"), ("part", "@1600000000.25"), ("old", "@1000"), ("older", "@-1000")] {
        fs::write(tree.join(name), name).unwrap();
        succeed(tool("touch").args(["-d", time]).arg(tree.join(name)));
    }
    fs::write(tree.join("implied/file"), "").unwrap();
    succeed(tool("touch").args(["-d", "@1600000000"]).arg(tree.join("implied/file")));
    let tar = context.root().join("odd.tar");
    let named = "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime";
    let pack = ["--format=pax", named, "--owner=0", "--group=0", "-cf"];
    let names = ["later", "part", "old", "older", "implied/file"];
    succeed(tool("tar").args(pack).arg(&tar).arg("-C").arg(&tree).args(names));
    succeed(tool("umoci").args(["raw", "add-layer", "--no-history", "--image", &image]).arg(&tar));
    context
}

#[test]
fn only_root_a_step_sees_the_same_times_everywhere() {
    needs_root();
    let tables = format!(
        "[stage.below]\nbase = \"busybox\"\npackages = [{{ text = \"1\", to = \"/own/one\" }}]\n\
         steps = [\"echo 2 > /own/two; touch -d '2001-01-01 00:00:00' /own/past; touch /own/one; busybox ln -s two /own/link; rm /old\"]\n\
         [build.app]\nbase = \"below\"\npackages = [{{ text = \"3\", to = \"/own/three\" }}]\n\
         [[build.app.steps]]\nrun = \"\"\"{TIMES}\"\"\"\nworkdir = \"/own/made/here\"\n"
    )
    .replace("\\(", "\\\\(")
    .replace("\\)", "\\\\)");
    let usual = odd(&tables);
    let seen = printed(&usual.run(["build"]).success());
    let at = |path: &str| {
        let line = seen.iter().find_map(|line| line.strip_prefix(&format!("{path} ")));
        line.unwrap_or_else(|| panic!("no {path} in {seen:#?}")).to_owned()
    };
    for (path, time) in [
        ("/later", BASE),
        ("/old", 0),
        ("/older", -1000),
        ("/implied/file", 1_600_000_000),
        ("/implied", BASE),
        ("/bin/busybox", BASE),
        ("/own/one", BASE + 1),
        ("/own/two", BASE + 2),
        ("/own/past", BASE + 2),
        ("/own/link", BASE + 2),
        ("/own/three", BASE + 3),
        ("/own", BASE + 3),
        ("/own/made/here", BASE + 3),
        ("/", BASE + 3),
    ] {
        match path {
            "/old" => assert!(!seen.iter().any(|line| line.starts_with("/old ")), "it was removed"),
            _ => assert!(at(path).starts_with(&format!("{time} ")), "{path}: {}", at(path)),
        }
    }
    assert!(at("/part").contains(".250000000"), "{}", at("/part"));
    // In the layers all is as old as ever.
    for layer in digests(&usual).iter().skip(2) {
        let listing = succeed(tool("tar").args(["--utc", "--full-time", "-tvzf"]).arg(layer));
        assert!(
            listing.lines().all(|line| line.contains("2023-11-14 22:13:20") || line.contains("2001-01-01")),
            "{listing}"
        );
    }
    let in_run = |context: &TestContext| in_image(context, TIMES).lines().map(str::to_owned).collect::<Vec<_>>();
    // The step changed nothing, and so a run sees what it saw, but for the folder that was made for it.
    let expected: Vec<String> = seen.iter().filter(|line| !line.starts_with("/own/made")).cloned().collect();
    assert_eq!(in_run(&usual), expected);
    // From blobs alone, as on another machine.
    fs::remove_dir_all(usual.root().join("cache/oci/rootfs")).unwrap();
    assert_eq!(in_run(&usual), expected);

    for (depth, ids) in
        [(1, None), (2, None), (0, Some(Ids::Subordinate)), (2, Some(Ids::Subordinate)), (0, Some(Ids::NoEntry))]
    {
        let context = odd(&tables);
        let ordinary = ids.map(|ids| context.as_ordinary_user(ids));
        let mut command = ordinary.as_ref().map_or_else(|| context.oci(), |ordinary| ordinary());
        command.arg("build");
        let mut command = if depth == 0 { command } else { context.on_overlays(depth, &command) };
        let there = printed(&context.finish(&mut command).success());
        assert_eq!(there, seen, "{depth} {ids:?}");
        let names = |context: &TestContext| {
            let layers = digests(context).into_iter().skip(2);
            layers
                .map(|layer| {
                    let listing = succeed(tool("tar").args(["--utc", "--full-time", "-tvzf"]).arg(&layer));
                    (listing, layer.file_name().unwrap().to_owned())
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&context), names(&usual), "{depth} {ids:?}");
    }
}

#[test]
fn a_layer_at_another_place_is_of_another_time() {
    let context = project(
        "[build.app]\nbase = \"busybox\"\npackages = [{ text = \"a\", to = \"/a\" }, { text = \"b\", to = \"/b\" }]\n\
         [build.other]\nbase = \"busybox\"\npackages = [{ text = \"b\", to = \"/b\" }, { text = \"a\", to = \"/a\" }]\n",
    );
    let seen = |name: &str| {
        let arguments = ["run", "-q", name, "--entrypoint", "/bin/sh", "--", "-c", "busybox stat -c '%Y' /a /b"];
        let told = context.finish(context.oci().args(arguments)).success().stdout();
        told.lines().map(|line| line.parse::<i64>().unwrap() - BASE).collect::<Vec<_>>()
    };
    assert_eq!(seen("app"), [1, 2]);
    assert_eq!(seen("other"), [2, 1]);
    assert_eq!(seen("app"), [1, 2]);
    // An epoch that is later than the base, and one that is still to come.
    for (epoch, first) in [("1710000000", 1_710_000_000 - BASE + 1), ("4000000000", 1)] {
        let arguments = ["run", "-q", "app", "--entrypoint", "/bin/sh", "--", "-c", "busybox stat -c '%Y' /a"];
        let told = context.finish(context.oci().args(arguments).env("SOURCE_DATE_EPOCH", epoch)).success().stdout();
        assert_eq!(told.trim().parse::<i64>().unwrap() - BASE, first);
    }
}

#[test]
fn a_cached_step_needs_no_layer_of_its_base() {
    let context = project("[build.app]\nbase = \"busybox\"\nsteps = [\"echo made > /made\"]\n");
    context.run(["build"]).success();
    fs::remove_dir_all(context.root().join("cache/oci/rootfs")).unwrap();
    for layer in images::layers(Base::Busybox) {
        fs::remove_file(context.root().join("cache/oci/blobs").join(layer.replace(':', "/"))).unwrap();
    }
    let told = context.run(["build"]).success();
    assert!(told.stderr().contains("0 steps run, 1 cached"), "{told}");
}

/// What is touched and not changed is no change, and what was packed over what a step made is newer.
#[test]
fn a_touched_file_is_no_change() {
    let context = project(
        "[build.app]\nbase = \"busybox\"\npackages = [{ text = \"1\", to = \"/own\" }]\n\
         steps = [\"touch /own /usr/share/base /bin/busybox\", \"echo 1 > /new; touch /own\"]\n",
    );
    context.run(["build"]).success();
    let layers = digests(&context);
    assert_eq!(layers.len(), 3, "the first step made none");
    assert_eq!(succeed(tool("tar").arg("-tzf").arg(&layers[2])), "new");
}

#[test]
fn an_image_that_is_mounted_is_newer_than_what_was_made_before() {
    let step = "run = \"if [ ! -e /made ] || [ /in/source -nt /made ]; then busybox cp /in/source /made; fi\"\nmounts = [{ image = \"IMAGE\", path = \"/source\", to = \"/in/source\" }]\n";
    let steps = ["old", "new"].map(|image| format!("[[build.app.steps]]\n{}", step.replace("IMAGE", image)));
    let stage = |name: &str| {
        format!("[stage.{name}]\nbase = \"busybox\"\npackages = [{{ text = \"{name}\", to = \"/source\" }}]\n")
    };
    let context = project(&(stage("old") + &stage("new") + "[build.app]\nbase = \"busybox\"\n" + &steps.concat()));
    context.run(["build"]).success();
    assert_eq!(in_image(&context, "cat /made"), "new");
}

/// A project whose step runs a script, with a cache folder on `/out` and the sources in `/src`.
fn cached(script: &str, more: &str) -> TestContext {
    let context = project(&format!(
        "[build.app]\nbase = \"busybox\"\npackages = [{{ path = \"src\", to = \"/src\" }}]\n\
         [[build.app.steps]]\nrun = [\"/bin/sh\", \"/src/build.sh\"]\ncache = [\"/out\"]\n{more}\n"
    ));
    context.write("src/build.sh", script);
    context
}

#[test]
fn make_builds_what_changed_and_only_that() {
    let ([make], mounts) = mounts_of(["make"]);
    let script = format!("set -e\n{make} -s -C /src\nbusybox cp /out/app /app\n");
    let context = cached(&script, &format!("mounts = [{mounts}]"));
    context.write(
        "src/Makefile",
        "/out/app: /out/a.o /out/b.o\n\tcat $^ > $@; echo link\n/out/%.o: %.c\n\tcat $< > $@; echo compile $<\n\t@test ! -e fail\n",
    );
    context.write("src/a.c", "a1\n");
    context.write("src/b.c", "b1\n");
    let build = |a: &str| {
        context.write("src/a.c", a);
        let mut made: Vec<String> = printed(&context.run(["build"]).success());
        made.retain(|line| !line.contains("cat "));
        (made.join(", "), in_image(&context, "cat /app"))
    };
    let both = |made: &str, app: &str| (made.to_owned(), app.to_owned());
    assert_eq!(build("a1\n"), both("compile a.c, compile b.c, link", "a1\nb1\n"));
    assert_eq!(build("a2\n"), both("compile a.c, link", "a2\nb1\n"));
    // Of before, but what is in the folder was made of another.
    context.write("src/other", "");
    assert_eq!(build("a1\n"), both("compile a.c, link", "a1\nb1\n"));
    // These sources at another place, and with another epoch.
    let text = context.read("oci.toml");
    context.write("oci.toml", text.replace("packages = [", "packages = [{ text = \"x\", to = \"/x\" }, "));
    assert_eq!(build("a1\n"), both("", "a1\nb1\n"));
    let told = context.finish(context.oci().arg("build").env("SOURCE_DATE_EPOCH", "1710000000")).success();
    assert_eq!(printed(&told), Vec::<String>::new());
    // A step that fails half way leaves what it made of the new source.
    context.write("src/fail", "");
    context.write("src/a.c", "broken\n");
    context.run(["build"]).failure(1);
    fs::remove_file(context.project().join("src/fail")).unwrap();
    context.write("src/yet", "");
    let (made, app) = build("a1\n");
    assert!(made.contains("compile a.c") && made.ends_with("link") && app == "a1\nb1\n", "{made}: {app}");
    // A list that is gone, as of a version that had none: all is made again.
    for entry in fs::read_dir(context.root().join("cache/oci/caches")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "seen") {
            fs::remove_file(path).unwrap();
        }
    }
    context.write("src/another", "");
    assert_eq!(build("a1\n"), both("compile a.c, compile b.c, link", "a1\nb1\n"));
    context.run(["cache", "clean"]).success();
    let left = fs::read_dir(context.root().join("cache/oci/caches")).unwrap().map(|entry| entry.unwrap().path());
    let left: Vec<_> = left.filter(|path| path.extension().is_none_or(|extension| extension != "lock")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Two projects of one user have one folder for a path.
#[test]
fn a_cache_folder_that_another_project_used_has_not_seen_ours() {
    let script = "[ -e /out/app ] && [ /out/app -nt /src/a ] || busybox cp /src/a /out/app; busybox cp /out/app /app";
    let one = cached(script, "");
    let other = cached(script, "");
    one.write("src/a", "one");
    other.write("src/a", "other");
    let build = |context: &TestContext, change: &str| {
        context.write("src/change", change);
        let mut command = context.oci();
        command.arg("build").env("XDG_CACHE_HOME", one.root().join("cache"));
        context.finish(&mut command).success();
        let mut run = context.oci();
        run.args(["run", "-q", "app", "--entrypoint", "/bin/cat", "--", "/app"]);
        context.finish(run.env("XDG_CACHE_HOME", one.root().join("cache"))).success().stdout()
    };
    for change in ["1", "2", "3"] {
        assert_eq!(build(&one, change), "one");
        assert_eq!(build(&other, change), "other");
    }
}

/// What was seen with a time of its own is not copied each time a step runs: its layer has a tree of that time.
#[test]
fn a_large_layer_that_was_seen_has_a_tree_of_its_time() {
    let context = cached("busybox stat -c '%n %Y' /data/large /data/small; echo 1 > /out/x", "");
    let text = context.read("oci.toml");
    context.write("oci.toml", text.replace("packages = [", "packages = [\"data\", "));
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    context.write("data/large", (0..6 << 20).map(|_| random()).collect::<Vec<_>>());
    context.write("data/small", "1");
    let build = |change: &str| {
        context.write("src/change", change);
        printed(&context.run(["build"]).success())
    };
    let trees = || {
        let entries = fs::read_dir(context.root().join("cache/oci/rootfs")).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    };
    let first = build("1");
    assert_eq!(first, ["large", "small"].map(|name| format!("/data/{name} {}", BASE + 1)));
    // Another project's step, which had none of it.
    let other = cached("true", "");
    let mut command = other.oci();
    context.finish(command.arg("build").env("XDG_CACHE_HOME", context.root().join("cache"))).success();
    let anew = build("2");
    assert_ne!(anew, first);
    let before = trees();
    assert_eq!(build("3"), anew);
    // That of the changed sources, and the one of the large layer.
    assert_eq!(trees(), before + 2);
    assert_eq!(build("4"), anew);
    assert_eq!(trees(), before + 3);
}

/// A step that brings up to date what is older than its source, as `make` does; what of it was made is printed.
const BUILD: &str = r#"
made=
for source in /src/*.c; do
  name=${source##*/}
  if [ ! -e "/out/$name.o" ] || [ "$source" -nt "/out/$name.o" ]; then
    busybox cp "$source" "/out/$name.o"; echo "made $name"; made=yes
  fi
done
for object in /out/*.o; do name=${object##*/}; [ -e "/src/${name%.o}" ] || rm "$object"; done
[ ! -e /src/fail ] || exit 1
if [ -n "$made" ] || [ ! -e /out/all ] || [ /src -nt /out/all ]; then busybox cat /out/*.o > /out/all; fi
busybox cp /out/all /app
"#;

/// Random changes of sources, over many builds with one folder: each image is what a clean build makes.
#[test]
fn whatever_changes_the_image_is_that_of_a_clean_build() {
    let context = cached(BUILD, "");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    // By name: a number that is the content.
    let mut sources: BTreeMap<String, u64> = (0..4).map(|number| (format!("{number}.c"), number)).collect();
    // What the folder's objects were made of, unless that is not known.
    let mut seen = None;
    for round in 0..14 {
        for _ in 0..=random(2) {
            let names: Vec<String> = sources.keys().cloned().collect();
            let name = names[usize::try_from(random(names.len() as u64)).unwrap()].clone();
            match random(4) {
                // Few contents, so that those of before come back.
                0 | 1 => _ = sources.insert(name, random(3)),
                2 if sources.len() > 2 => _ = sources.remove(&name),
                2 => _ = sources.insert(format!("{}.c", random(7)), random(3)),
                _ => {
                    let content = sources.remove(&name).unwrap();
                    sources.insert(format!("{}.c", random(7)), content);
                }
            }
        }
        let fails = random(5) == 0;
        let _ = fs::remove_dir_all(context.project().join("src"));
        context.write("src/build.sh", BUILD);
        // Otherwise the step might be known.
        context.write("src/round", round.to_string());
        for (name, content) in &sources {
            context.write(&format!("src/{name}"), format!("{name} {content}\n"));
        }
        if fails {
            context.write("src/fail", "");
        }
        let epoch = (1_700_000_000 + 1000 * random(3)).to_string();
        let told = context.finish(context.oci().arg("build").env("SOURCE_DATE_EPOCH", epoch));
        let made: BTreeSet<String> =
            printed(&told).iter().filter_map(|line| line.strip_prefix("made ")).map(str::to_owned).collect();
        if let Some(seen) = &seen {
            let changed: BTreeSet<String> =
                sources.iter().filter(|source| !contains(seen, source)).map(|(name, _)| name.clone()).collect();
            assert_eq!(made, changed, "round {round}: {seen:?} then {sources:?}");
        }
        match fails {
            true => _ = told.failure(1),
            false => {
                told.success();
                let expected: String = sources.iter().map(|(name, content)| format!("{name} {content}\n")).collect();
                let layer = digests(&context).pop().unwrap();
                assert_eq!(succeed(tool("tar").arg("-xzOf").arg(layer).arg("app")) + "\n", expected, "round {round}");
            }
        }
        seen = Some(sources.clone());
    }
}

fn contains(seen: &BTreeMap<String, u64>, (name, content): &(&String, &u64)) -> bool {
    seen.get(*name) == Some(*content)
}

/// Half a file may be left of a step that was killed, and is newer than its source.
#[test]
fn after_a_step_that_was_killed_nothing_is_taken_for_made() {
    use rustix::process::Signal;
    let script = "[ ! -e /out/a ] || [ /src/a -nt /out/a ] || { busybox cp /out/a /app; exit; }\n\
                  echo half > /out/a; echo started; [ ! -e /src/slow ] || sleep 1000; busybox cp /src/a /out/a; busybox cp /out/a /app\n";
    let context = cached(script, "");
    context.write("src/a", "whole");
    context.write("src/slow", "");
    let mut build = context.start(["build"]);
    crate::support::eventually("the step runs", || build.stderr().contains("app | started"));
    build.signal(Signal::KILL);
    build.end();
    fs::remove_file(context.project().join("src/slow")).unwrap();
    context.run(["build"]).success();
    assert_eq!(in_image(&context, "cat /app"), "whole");
}

/// The modules that Python needs to start, for a folder that is mounted.
fn python(context: &TestContext) -> (String, String) {
    let ask = "import sys, sysconfig; print(sys.executable); print(sysconfig.get_path('stdlib'))";
    let told = succeed(tool("python3").args(["-I", "-c", ask]));
    let (program, library) = told.split_once('\n').unwrap();
    let program = fs::canonicalize(program).unwrap();
    let name = Path::new(library).file_name().unwrap().to_string_lossy().into_owned();
    let copied = context.project().join("python/lib").join(&name);
    for folder in ["", "encodings", "importlib", "collections", "re"] {
        fs::create_dir_all(copied.join(folder)).unwrap();
        let modules = fs::read_dir(Path::new(library).join(folder)).into_iter().flatten().flatten();
        for module in modules.map(|module| module.path()).filter(|path| path.extension().is_some_and(|it| it == "py")) {
            fs::copy(&module, copied.join(folder).join(module.file_name().unwrap())).unwrap();
        }
    }
    let needed = succeed(tool("ldd").arg(&program));
    let libraries = needed.split_whitespace().filter(|word| word.starts_with('/'));
    let mounts = libraries.map(|path| format!("{{ path = \"{path}\", to = \"{path}\" }}"));
    let own = [
        format!("{{ path = \"{}\", to = \"/bin/python\" }}", program.display()),
        "{ path = \"python\", to = \"/python\" }".to_owned(),
    ];
    (mounts.chain(own).collect::<Vec<_>>().join(", "), name)
}

#[test]
fn python_imports_the_module_that_is_there() {
    let context = project("");
    let (mounts, _) = python(&context);
    let step = format!(
        "run = [\"/bin/python\", \"/app/main.py\"]\nenv = {{ PYTHONHOME = \"/python\", PYTHONDONTWRITEBYTECODE = \"\" }}\nmounts = [{mounts}]\n"
    );
    let text = context.read("oci.toml");
    context.write(
        "oci.toml",
        format!(
            "{text}[stage.one]\nbase = \"busybox\"\npackages = [{{ path = \"app\", to = \"/app\" }}]\n[[stage.one.steps]]\n{step}\
             [build.app]\nbase = \"one\"\npackages = [{{ path = \"new.py\", to = \"/app/module.py\" }}]\n[[build.app.steps]]\n{step}"
        ),
    );
    context.write("app/main.py", "import module\nopen('/result', 'w').write(module.VALUE)\n");
    context.write("app/module.py", "VALUE = 'old'\n");
    context.write("new.py", "VALUE = 'new'\n");
    context.run(["build"]).success();
    assert_eq!(in_image(&context, "cat /result; ls /app/__pycache__ | wc -l"), "new1\n");
}

#[test]
fn cargo_builds_the_source_that_is_there() {
    if !is_root_or_was("times::cargo_builds_the_source_that_is_there") {
        return;
    }
    let sysroot =
        succeed(Command::new(find("rustc")).args(["--print", "sysroot"]).current_dir(env!("CARGO_MANIFEST_DIR")));
    let programs = ["cargo", "rustc"].map(|name| format!("{sysroot}/bin/{name}"));
    let needed = programs.iter().map(|program| succeed(tool("ldd").arg(program))).collect::<String>();
    let libraries: BTreeSet<&str> =
        needed.split_whitespace().filter(|word| word.starts_with('/') && !word.starts_with(&sysroot)).collect();
    let libraries = libraries.into_iter().map(|path| format!("{{ path = \"{path}\", to = \"{path}\" }}"));
    let own = ["bin", "lib"].map(|folder| format!("{{ path = \"{sysroot}/{folder}\", to = \"/rust/{folder}\" }}"));
    let mounts = libraries.chain(own).collect::<Vec<_>>().join(", ");
    let step = format!(
        "run = \"cd /src && cargo build --offline 2>&1\"\nenv = {{ PATH = \"/rust/bin:/bin\", HOME = \"/tmp\", CARGO_HOME = \"/tmp/cargo\", \
         RUSTFLAGS = \"--sysroot /rust\" }}\nmounts = [{mounts}]\n"
    );
    let context = project(&format!(
        "[stage.dependencies]\nbase = \"busybox\"\npackages = [{{ path = \"Cargo.toml\", to = \"/src/Cargo.toml\" }}, \
         {{ text = \"pub static WHAT: &str = \\\"a dummy\\\";\\n\", to = \"/src/src/lib.rs\" }}]\n[[stage.dependencies.steps]]\n{step}\
         [build.app]\nbase = \"dependencies\"\npackages = [{{ path = \"lib.rs\", to = \"/src/src/lib.rs\" }}]\n[[build.app.steps]]\n{step}"
    ));
    context.write("Cargo.toml", "[package]\nname = \"it\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    context.write("lib.rs", "pub static WHAT: &str = \"the real source\";\n");
    context.run(["build"]).success();
    let look = "cd /src/target/debug; busybox grep -q 'the real source' libit.rlib && ! busybox grep -q 'a dummy' libit.rlib && echo real";
    assert_eq!(in_image(&context, look), "real\n");
}

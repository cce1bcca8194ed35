//! The real git says what is checked out, and starts nothing that a repository names.

use super::*;

/// Runs git in a repository of no other's settings.
fn run(folder: &Path, arguments: &[&str]) {
    let settings = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
    let git = Invocation::new("git").arguments(settings).arguments(arguments).folder(folder).variable("HOME", folder);
    let finished = git.capture().unwrap();
    assert!(finished.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&finished.stderr));
}

#[test]
fn says_what_is_checked_out() {
    let folder = tempfile::tempdir().unwrap();
    let git = Git::new(folder.path());
    assert!(matches!(git.sha(), Err(GitError::NoRepository { .. })));
    assert!(matches!(git.branch(), Err(GitError::NoRepository { .. })));
    assert!(matches!(git.tag(), Err(GitError::NoRepository { .. })));
    run(folder.path(), &["init", "--quiet"]);
    assert!(matches!(git.sha(), Err(GitError::NoCommit)));
    std::fs::write(folder.path().join("file"), "one").unwrap();
    run(folder.path(), &["add", "file"]);
    run(folder.path(), &["commit", "--quiet", "-m", "one"]);
    let sha = git.sha().unwrap();
    assert!(sha.len() == 40 && sha.starts_with(&git.short_sha().unwrap()), "{sha}");
    assert_eq!((git.branch().unwrap().as_str(), git.tag().unwrap()), ("main", None));
    for tag in ["v1.9", "v1.10"] {
        run(folder.path(), &["tag", tag]);
    }
    assert_eq!(git.tag().unwrap().as_deref(), Some("v1.10"));
    // What is not tracked changes nothing.
    std::fs::write(folder.path().join("other"), "one").unwrap();
    assert_eq!(git.sha().unwrap(), sha);
    std::fs::write(folder.path().join("file"), "two").unwrap();
    assert_eq!(git.sha().unwrap(), format!("{sha}-dirty"));
    run(folder.path(), &["checkout", "--quiet", "--force", "--detach"]);
    assert!(matches!(git.branch(), Err(GitError::NoBranch)));
    let below = folder.path().join("below");
    std::fs::create_dir(&below).unwrap();
    assert_eq!(Git::new(&below).sha().unwrap(), sha);
}

/// A repository with a commit, in which every setting that could start a program would leave a file behind.
fn hostile(folder: &Path) -> PathBuf {
    let proof = folder.join("started");
    let evil = folder.join("evil");
    std::fs::write(&evil, format!("#!/bin/sh\ntouch {}\ncat\n", proof.display())).unwrap();
    std::fs::set_permissions(&evil, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let repository = folder.join("repository");
    std::fs::create_dir(&repository).unwrap();
    run(&repository, &["init", "--quiet"]);
    std::fs::write(repository.join("file"), "one").unwrap();
    std::fs::write(repository.join(".gitattributes"), "* filter=evil diff=evil\n").unwrap();
    run(&repository, &["add", "."]);
    run(&repository, &["commit", "--quiet", "-m", "one"]);
    let evil = evil.display();
    let settings = format!(
        "[core]\nfsmonitor = {evil}\nhooksPath = {folder}\npager = {evil}\nsshCommand = {evil}\neditor = {evil}\n\
         gitProxy = {evil}\naskPass = {evil}\nalternateRefsCommand = {evil}\n[pager]\nstatus = {evil}\ntag = {evil}\n\
         [diff]\nexternal = {evil}\n[diff \"evil\"]\ncommand = {evil}\ntextconv = {evil}\n[filter \"evil\"]\nclean = {evil}\n\
         smudge = {evil}\nrequired\n[alias]\nstatus = !{evil}\nrev-parse = !{evil}\n[gpg]\nprogram = {evil}\n\
         [credential]\nhelper = !{evil}\n[column]\nui = always\n[color]\nui = always\n[include]\npath = more\n",
        folder = folder.display()
    );
    let append = |name: &str, text: &str| {
        let path = repository.join(".git").join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_default() + text;
        std::fs::write(path, text).unwrap();
    };
    append("config", &settings);
    append("more", &format!("[filter \"evil\"]\nprocess = {evil}\n"));
    for hook in ["post-index-change", "fsmonitor-watchman", "reference-transaction", "post-checkout"] {
        std::fs::copy(folder.join("evil"), folder.join(hook)).unwrap();
    }
    repository
}

/// The time of a file is new, so that git has to compare its content, which it would have a filter prepare.
fn touch(file: &Path) {
    let text = std::fs::read(file).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    std::fs::write(file, text).unwrap();
}

#[test]
fn nothing_that_a_repository_names_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let repository = hostile(folder.path());
    touch(&repository.join("file"));
    let git = Git::new(&repository);
    let sha = git.sha().unwrap();
    assert!(sha.len() == 40, "{sha}");
    git.short_sha().unwrap();
    git.branch().unwrap();
    git.tag().unwrap();
    assert!(!folder.path().join("started").exists());
    // The repository is as hostile as it should be for this test to mean something.
    Invocation::new("git").arguments(["status", "--porcelain"]).folder(&repository).capture().unwrap();
    assert!(folder.path().join("started").exists());
}

#[test]
fn submodules_are_looked_at_and_start_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let submodule = hostile(folder.path());
    let outer = folder.path().join("outer");
    std::fs::create_dir(&outer).unwrap();
    run(&outer, &["init", "--quiet"]);
    std::fs::rename(&submodule, outer.join("sub")).unwrap();
    // A gitlink is all that makes a submodule. `add` itself would look into it, and so start programs.
    let sha = Git::new(&outer.join("sub")).sha().unwrap();
    run(&outer, &["update-index", "--add", "--cacheinfo", &format!("160000,{sha},sub")]);
    run(&outer, &["commit", "--quiet", "-m", "one"]);
    std::fs::create_dir(outer.join("below")).unwrap();
    let _ = std::fs::remove_file(folder.path().join("started"));
    touch(&outer.join("sub/file"));
    let below = outer.join("below");
    let git = Git::new(&below);
    assert!(!git.sha().unwrap().contains("dirty"));
    std::fs::write(outer.join("sub/file"), "another").unwrap();
    assert!(git.sha().unwrap().ends_with("-dirty"));
    assert!(!folder.path().join("started").exists());
}

#[test]
fn objects_that_are_elsewhere_are_not_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let repository = hostile(folder.path());
    let proof = folder.path().join("started");
    for (name, value) in [
        ("core.repositoryformatversion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", &format!("ext::sh -c touch% {}", proof.display())),
        ("remote.origin.promisor", "true"),
        ("protocol.ext.allow", "always"),
    ] {
        run(&repository, &["config", name, value]);
    }
    let _ = std::fs::remove_file(&proof);
    // Without its objects the commit cannot be compared with anything.
    for entry in std::fs::read_dir(repository.join(".git/objects")).unwrap().map(Result::unwrap) {
        if entry.file_name().len() == 2 {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    assert!(matches!(Git::new(&repository).sha(), Err(GitError::Failed { .. })));
    assert!(!proof.exists());
}

#[test]
fn a_filter_that_cannot_be_named_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let repository = hostile(folder.path());
    run(&repository, &["config", "filter.a=b.clean", "false"]);
    assert!(matches!(Git::new(&repository).sha(), Err(GitError::Filter { .. })));
}

use std::fs;
use std::io::Read;

use super::*;

fn root() -> (tempfile::TempDir, MediaRoot) {
    let dir = tempfile::tempdir().unwrap();
    let root = MediaRoot::new(dir.path()).unwrap();
    fs::create_dir(dir.path().join("live")).unwrap();
    (dir, root)
}

fn name(stream: &str) -> MediaName {
    MediaName::new("live", stream).unwrap()
}

#[test]
fn a_file_below_the_root_is_opened() {
    let (dir, root) = root();
    fs::write(dir.path().join("live/cam.flv"), "content").unwrap();
    let mut content = String::new();
    root.open(&name("cam"))
        .unwrap()
        .read_to_string(&mut content)
        .unwrap();
    assert_eq!(content, "content");
    assert_eq!(root.path_of(&name("cam")), dir.path().join("live/cam.flv"));
}

#[test]
fn what_is_not_there_is_not_found() {
    let (dir, root) = root();
    let error = root.open(&name("cam")).unwrap_err();
    assert!(matches!(&error, FileError::NotFound { path } if *path == dir.path().join("live/cam.flv")));
    let other = MediaName::new("other", "cam").unwrap();
    assert!(matches!(root.open(&other), Err(FileError::NotFound { .. })));
    assert!(matches!(
        MediaRoot::new(dir.path().join("nowhere")),
        Err(FileError::NotFound { .. })
    ));
}

fn content(root: &MediaRoot, app: &str, stream: &str) -> Option<String> {
    let mut content = String::new();
    let mut file = root.open(&MediaName::new(app, stream).unwrap()).ok()?;
    file.read_to_string(&mut content).unwrap();
    Some(content)
}

#[test]
fn a_file_of_other_making_is_found_under_its_own_spelling_and_no_other() {
    let (dir, root) = root();
    fs::create_dir(dir.path().join("VOD")).unwrap();
    for file in ["live/Movie.flv", "VOD/My Movie.flv", "VOD/film.flv"] {
        fs::write(dir.path().join(file), file).unwrap();
    }
    for (app, stream, expected) in [
        ("live", "Movie", Some("live/Movie.flv")),
        ("live", "movie", None),
        ("live", "MOVIE", None),
        ("VOD", "My Movie", Some("VOD/My Movie.flv")),
        ("VOD", "film", Some("VOD/film.flv")),
        ("Vod", "film", None),
        ("live", "../VOD/film", None),
        ("live", "VOD/../Movie", None),
    ] {
        assert_eq!(content(&root, app, stream).as_deref(), expected, "{app} {stream}");
    }
    let missing = root.open(&name("Other")).unwrap_err();
    assert!(matches!(missing, FileError::NotFound { path } if path == dir.path().join("live/%4fther.flv")));
}

/// As a file system does that takes `A` for `a`: what can be opened is spelled otherwise.
#[test]
fn a_file_is_only_what_its_directory_calls_it() {
    let (dir, root) = root();
    fs::write(dir.path().join("live/cam.flv"), "").unwrap();
    let directory = root.dir().unwrap().enter("live").unwrap();
    assert!(directory.spells("cam.flv") && !directory.spells("Cam.flv"));
}

#[test]
fn a_recording_comes_before_a_file_of_other_making() {
    let (dir, root) = root();
    for file in ["live/Cam.flv", "live/%43am.flv"] {
        fs::write(dir.path().join(file), file).unwrap();
    }
    assert_eq!(content(&root, "live", "Cam").as_deref(), Some("live/%43am.flv"));
}

#[test]
fn all_files_of_streams_are_listed_and_nothing_else() {
    let (dir, root) = root();
    let live = dir.path().join("live");
    for file in ["cam.flv", "cam@000002.flv", "%43am.flv", "Cam2.flv", "cam.mp4"] {
        fs::write(live.join(file), "").unwrap();
    }
    fs::create_dir(live.join("directory.flv")).unwrap();
    fs::write(dir.path().join("cam.flv"), "").unwrap();
    let mut names: Vec<_> = root.names().unwrap().collect();
    names.sort();
    assert_eq!(names, [name("Cam"), name("cam"), name("cam").segment(2)]);
}

#[test]
fn a_root_that_is_a_file_is_refused() {
    let (dir, _) = root();
    let path = dir.path().join("file");
    fs::write(&path, "").unwrap();
    assert!(matches!(
        MediaRoot::new(path),
        Err(FileError::NotDirectory { .. })
    ));
}

#[test]
fn a_root_that_is_made_anew_is_found_again() {
    let (dir, root) = root();
    fs::rename(dir.path().join("live"), dir.path().join("old")).unwrap();
    assert!(matches!(root.open(&name("cam")), Err(FileError::NotFound { .. })));
    fs::create_dir(dir.path().join("live")).unwrap();
    fs::write(dir.path().join("live/cam.flv"), "").unwrap();
    assert!(root.open(&name("cam")).is_ok());
}

#[test]
fn a_directory_in_place_of_a_file_and_a_file_in_place_of_a_directory_are_refused() {
    let (dir, root) = root();
    fs::create_dir(dir.path().join("live/cam.flv")).unwrap();
    assert!(matches!(
        root.open(&name("cam")),
        Err(FileError::NotRegular { .. })
    ));
    fs::write(dir.path().join("other"), "").unwrap();
    let other = MediaName::new("other", "cam").unwrap();
    assert!(matches!(root.open(&other), Err(FileError::NotDirectory { .. })));
}

#[cfg(unix)]
#[test]
fn links_are_not_followed_wherever_they_point() {
    use std::os::unix::fs::symlink;

    let (dir, root) = root();
    let (outside, _) = self::root();
    fs::write(outside.path().join("live/cam.flv"), "secret").unwrap();
    fs::write(dir.path().join("live/real.flv"), "").unwrap();
    symlink(outside.path().join("live"), dir.path().join("linked")).unwrap();
    symlink(
        outside.path().join("live/cam.flv"),
        dir.path().join("live/cam.flv"),
    )
    .unwrap();
    symlink("real.flv", dir.path().join("live/inside.flv")).unwrap();
    symlink("real.flv", dir.path().join("live/Inside.flv")).unwrap();
    symlink(outside.path().join("live"), dir.path().join("Linked")).unwrap();
    for name in [
        MediaName::new("linked", "cam").unwrap(),
        MediaName::new("Linked", "cam").unwrap(),
        name("Inside"),
        name("cam"),
        name("inside"),
    ] {
        assert!(
            matches!(root.open(&name), Err(FileError::Link { .. })),
            "{name:?}"
        );
    }
}

/// A pipe without a writer would keep whoever opens it waiting.
#[cfg(unix)]
#[test]
fn pipes_and_sockets_are_refused_at_once() {
    let (dir, root) = root();
    let directory = File::open(dir.path().join("live")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(&directory, "pipe.flv", rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("live/socket.flv")).unwrap();
    for stream in ["pipe", "socket"] {
        assert!(matches!(
            root.open(&name(stream)),
            Err(FileError::NotRegular { .. })
        ));
    }
}

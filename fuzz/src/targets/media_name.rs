//! No name leaves the directory, none means something to a file system, and no two have the same file.

use std::path::Component;

use rtmp_server::files::{MediaName, MediaRoot};

/// What Windows opens as a device, whatever the extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

fn check_component(text: &str) {
    assert!(text.len() <= 255, "{} bytes", text.len());
    assert!(!text.starts_with('.') && !text.ends_with('.'), "{text}");
    let is_safe = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.%@".contains(&byte);
    assert!(text.bytes().all(is_safe), "{text}");
    let stem = text.split('.').next().unwrap_or_default();
    let is_port = (stem.starts_with("com") || stem.starts_with("lpt")) && stem.len() == 4;
    let is_device = DEVICES.contains(&stem) || (is_port && stem.as_bytes()[3].is_ascii_digit());
    assert!(!is_device, "{text}");
}

fn check(app: &str, stream_name: &str) -> Option<MediaName> {
    let name = MediaName::new(app, stream_name).ok()?;
    assert_eq!(
        (name.app().as_str(), name.stream_name().as_str()),
        (app, stream_name)
    );
    for name in [name.clone(), name.segment(u32::MAX)] {
        let path = name.path();
        let components: Vec<_> = path.components().collect();
        let [Component::Normal(directory), Component::Normal(file)] = components[..] else {
            panic!("{} has other than two components", path.display());
        };
        check_component(directory.to_str().expect("ASCII"));
        check_component(file.to_str().expect("ASCII"));
        assert!(file.to_str().is_some_and(|file| file.ends_with(".flv")));
    }
    Some(name)
}

/// Runs the target once: an application and two stream names, with line feeds between.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut parts = text.splitn(3, '\n');
    let (Some(app), Some(first), second) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let (Some(a), Some(b)) = (check(app, first), check(app, second.unwrap_or(app))) else {
        return;
    };
    assert_eq!(a == b, a.path() == b.path());
    assert_eq!(a == b, a.stream_name() == b.stream_name());
    assert_ne!(a.segment(2).path(), b.path(), "a segment is no stream");
    let root = MediaRoot::new("/").expect("there is a root");
    assert_eq!(root.path_of(&a).components().count(), 3);
}

//! URLs and names: what parses says what was written, can be sent, and keeps its secrets.

use rtmp_core::url::{AppName, MAX_NAME_LEN, MAX_URL_LEN, RtmpUrl, StreamName};

/// Shorter texts may well be somewhere else, too.
const SECRET_LEN: usize = 12;

fn is_sendable(text: &str) -> bool {
    text.len() <= MAX_URL_LEN && !text.chars().any(char::is_control)
}

fn check(url: &RtmpUrl) {
    assert!(!url.host().is_empty() && !url.host().contains(['/', '?', '#', '@', '[', ']']));
    assert_eq!(url.host(), url.host().to_ascii_lowercase());
    assert_ne!(url.explicit_port(), Some(0));
    assert!(
        url.app().len() <= MAX_NAME_LEN && url.stream_name().is_none_or(|name| name.len() <= MAX_NAME_LEN)
    );
    assert!(is_sendable(url.app_with_query()) && url.stream_name_with_query().is_none_or(is_sendable));
    let app = [
        url.app(),
        url.app_query().map_or("", |_| "?"),
        url.app_query().unwrap_or_default(),
    ]
    .concat();
    assert_eq!(app, url.app_with_query());
    assert!(url.tc_url().ends_with(url.app_with_query()));

    // A secret may look like what is shown around it, or like the marks of what is left out.
    let tc_url = url.tc_url();
    let server = tc_url.split('?').next().unwrap_or_default();
    let stream_name = url.stream_name().unwrap_or_default();
    let head: String = stream_name.chars().take(SECRET_LEN).collect();
    let secrets = [
        (url.app_query(), stream_name),
        (url.stream_query(), stream_name),
        (url.stream_name(), head.as_str()),
    ];
    for shown in [format!("{url}"), format!("{url:?}")] {
        for (secret, next) in secrets {
            let secret = secret.unwrap_or_default();
            let is_odd = secret.len() < 2 * SECRET_LEN || secret.contains(['\u{2026}', '"', '?']);
            assert!(
                is_odd || format!("{server}/{next}").contains(secret) || !shown.contains(secret),
                "{shown} shows {secret}"
            );
        }
    }
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(url) = RtmpUrl::parse(text) {
        check(&url);
        assert_eq!(url.full_text(), text);
        assert_eq!(RtmpUrl::parse(url.full_text()), Ok(url.clone()));
        let server = RtmpUrl::from_server(&url.tc_url()).expect("a tcUrl is a URL");
        assert_eq!((server.host(), server.port()), (url.host(), url.port()));
        // A server's URL loses the slashes at the ends of its path, and the path of an app may have ended in some.
        assert_eq!(server.app().trim_matches('/'), url.app().trim_matches('/'));
        assert_eq!(server.app_query(), url.app_query());
        let whole = server.with_stream(url.stream_name_with_query().unwrap_or_default());
        assert_eq!(whole.expect("its own stream").stream_name(), url.stream_name());
    }
    if let Ok(url) = RtmpUrl::from_server(text) {
        check(&url);
        assert_eq!(url.stream_name(), None);
    }
    if let Ok(app) = AppName::parse(text) {
        assert!(is_sendable(app.raw()) && app.raw() == text && app.name().len() <= MAX_NAME_LEN);
        assert_eq!(app.name(), app.name().trim_matches('/'));
        assert!(
            app.instance()
                .is_none_or(|instance| app.name().ends_with(instance))
        );
    }
    if let Ok(stream) = StreamName::parse(text) {
        assert!(is_sendable(stream.raw()) && stream.raw() == text);
        assert!(!stream.name().contains('?') && stream.query().is_none_or(|query| text.ends_with(query)));
    }
}

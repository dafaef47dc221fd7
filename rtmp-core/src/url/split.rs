//! Where the app ends and the stream name begins.

/// App and stream name, each with its query; an empty one is missing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) app: String,
    pub(super) stream: String,
}

/// Splits what follows the host, by the rules in the documentation of [`RtmpUrl`](super::RtmpUrl).
pub(super) fn split_target(target: &str) -> Target {
    let target = target.trim_start_matches('/');
    let path_len = target.find('?').unwrap_or(target.len());
    let (path, query) = target.split_at(path_len);
    if let Some((app, stream)) = path.split_once('#') {
        return Target {
            app: trim_end(app).into(),
            stream: [stream, query].concat(),
        };
    }
    let (app, stream) = split_path(path);
    if !stream.is_empty() {
        return Target {
            app: trim_end(app).into(),
            stream: [stream, query].concat(),
        };
    }
    // Without a stream name in the path the query is the app's. The stream name may follow it, with its own query.
    let own_len = query
        .char_indices()
        .skip(1)
        .find(|(_, c)| *c == '?')
        .map_or(query.len(), |(at, _)| at);
    let (own, stream_query) = query.split_at(own_len);
    let (app_query, stream) = match own.split_once('#').or_else(|| own.rsplit_once('/')) {
        Some((app_query, name)) => (app_query, [name, stream_query].concat()),
        None => (query, String::new()),
    };
    Target {
        app: [trim_end(app), app_query].concat(),
        stream,
    }
}

/// FFmpeg's rule: an app of two segments if there are three, but of one if the second segment has a ':', as the
/// name of a file in `mp4:folder/file` has.
fn split_path(path: &str) -> (&str, &str) {
    let (first, rest) = split_segment(path);
    let (second, tail) = split_segment(rest);
    if second.len() == rest.len() || first == "ondemand" || second.contains(':') {
        (first, rest)
    } else {
        // The app reaches from the first segment to the second, with all slashes between them.
        let behind = path
            .strip_suffix(rest)
            .unwrap_or(path)
            .len()
            .saturating_add(second.len());
        (path.get(..behind).unwrap_or(path), tail)
    }
}

/// The part before the first '/', and the part behind all the slashes there.
fn split_segment(path: &str) -> (&str, &str) {
    let (segment, rest) = path.split_once('/').unwrap_or((path, ""));
    (segment, rest.trim_start_matches('/'))
}

fn trim_end(app: &str) -> &str {
    app.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn assert_split(cases: &[(&str, &str, &str)]) {
        for (target, app, stream) in cases {
            let expected = Target {
                app: (*app).into(),
                stream: (*stream).into(),
            };
            assert_eq!(split_target(target), expected, "{target}");
        }
    }

    #[test]
    fn paths_split_as_ffmpeg_splits_them() {
        assert_split(&[
            ("", "", ""),
            ("/", "", ""),
            ("/app", "app", ""),
            ("/app/", "app", ""),
            ("/a/b", "a", "b"),
            ("/a/b/c", "a/b", "c"),
            ("/a/b/c/d", "a/b", "c/d"),
            ("/a/b/c/", "a/b", "c/"),
            ("/a/b/", "a/b", ""),
            ("/a/mp4:b/c", "a", "mp4:b/c"),
            ("/a/mp4:b/c/d.mp4", "a", "mp4:b/c/d.mp4"),
            ("/a/b/mp4:c", "a/b", "mp4:c"),
            ("/a:1/b/c", "a:1/b", "c"),
            ("/ondemand/x/y", "ondemand", "x/y"),
            ("/live/_definst_/cam", "live/_definst_", "cam"),
        ]);
    }

    #[test]
    fn doubled_slashes_count_as_one_where_the_split_is() {
        assert_split(&[
            ("//app//name", "app", "name"),
            ("//app//", "app", ""),
            ("/a//b//c//d", "a//b", "c//d"),
        ]);
    }

    #[test]
    fn the_query_of_a_stream_is_never_looked_into() {
        assert_split(&[
            ("/app/key?a=b&c=d%2B", "app", "key?a=b&c=d%2B"),
            ("/app/key?u=/x/y/z?w#v", "app", "key?u=/x/y/z?w#v"),
            ("/a/b/c?u=p:q/r", "a/b", "c?u=p:q/r"),
            ("/app/key?", "app", "key?"),
        ]);
    }

    #[test]
    fn a_query_behind_the_app_belongs_to_it() {
        assert_split(&[
            ("/app?x=1", "app?x=1", ""),
            ("/app/?x=1", "app?x=1", ""),
            ("/app?x=1/stream", "app?x=1", "stream"),
            ("/app?x=1/stream?y=2", "app?x=1", "stream?y=2"),
            ("/app?x=a/b/stream", "app?x=a/b", "stream"),
            ("/app?x=1/stream?y=a/b#c", "app?x=1", "stream?y=a/b#c"),
            ("/app?x=1?y=a/b", "app?x=1?y=a/b", ""),
            ("/app?x=a/b#stream", "app?x=a/b", "stream"),
            ("/a/b/?x=1", "a/b?x=1", ""),
            ("?x=1", "?x=1", ""),
        ]);
    }

    #[test]
    fn a_fragment_is_the_stream_name_and_switches_the_split_off() {
        assert_split(&[
            ("/app/inst#stream", "app/inst", "stream"),
            ("/a/b/c/d#s/t?q=1#2", "a/b/c/d", "s/t?q=1#2"),
            ("/app/inst/#", "app/inst", ""),
        ]);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_but_slashes_and_one_hash(target in "[a-b/?#:é%]{0,24}") {
            let split = split_target(&target);
            let kept = [split.app, split.stream].concat();
            let bare = |text: &str| text.replace(['/', '#'], "");
            prop_assert_eq!(bare(&kept), bare(&target));
            prop_assert!(target.matches('#').count() - kept.matches('#').count() <= 1);
        }
    }
}

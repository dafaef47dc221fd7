//! Which files a name may mean.

use super::VodError;
use crate::files::{FileError, MediaName};

/// The files that a name may mean, the likeliest first. Players put `mp4:` or `flv:` in front, the extension behind, or
/// both, or neither.
pub(super) fn candidates(app: &str, stream_name: &str) -> Result<Vec<MediaName>, VodError> {
    let flv = |name: &str| MediaName::new(app, name.strip_suffix(".flv").unwrap_or(name));
    let mp4 =
        |name: &str| MediaName::new(app, name.strip_suffix(".mp4").unwrap_or(name)).map(|name| name.mp4());
    let names = if let Some(name) = stream_name.strip_prefix("mp4:") {
        vec![mp4(name)]
    } else if let Some(name) = stream_name.strip_prefix("flv:") {
        vec![flv(name)]
    } else if stream_name.ends_with(".mp4") {
        vec![mp4(stream_name), flv(stream_name)]
    } else {
        vec![flv(stream_name), mp4(stream_name)]
    };
    let names: Result<_, _> = names.into_iter().collect();
    Ok(names.map_err(FileError::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_extensions_say_which_file_is_meant() {
        for (name, expected) in [
            ("film", &["vod/film.flv", "vod/film.mp4"][..]),
            ("film.flv", &["vod/film.flv", "vod/film.flv.mp4"]),
            ("flv:film", &["vod/film.flv"]),
            ("flv:film.flv", &["vod/film.flv"]),
            ("mp4:film", &["vod/film.mp4"]),
            ("mp4:film.mp4", &["vod/film.mp4"]),
            ("film.mp4", &["vod/film.mp4", "vod/film.mp4.flv"]),
            ("mp4:../film", &["vod/%2e.%2ffilm.mp4"]),
        ] {
            let paths: Vec<_> = candidates("vod", name)
                .unwrap()
                .iter()
                .map(MediaName::path)
                .collect();
            let paths: Vec<_> = paths.iter().filter_map(|path| path.to_str()).collect();
            assert_eq!(paths, expected, "{name}");
        }
        assert!(candidates("vod", "mp4:").is_err() && candidates("vod", "").is_err());
    }
}

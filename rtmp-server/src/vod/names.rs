//! Which files a name may mean.

use super::VodError;
use crate::files::{FileError, MediaName};

/// Prefixes and extensions that say what a file is.
const FORMATS: [(&str, &str); 2] = [("flv:", ".flv"), ("mp4:", ".mp4")];

/// The files that a name may mean, the likeliest first.
pub(super) fn candidates(app: &str, stream_name: &str) -> Result<Vec<MediaName>, VodError> {
    let name = FORMATS
        .iter()
        .find_map(|(prefix, _)| stream_name.strip_prefix(prefix))
        .unwrap_or(stream_name);
    let stem = name.strip_suffix(".flv").unwrap_or(name);
    Ok(vec![MediaName::new(app, stem).map_err(FileError::from)?])
}

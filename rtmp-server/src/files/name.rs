//! Which file a stream is: the one rule from names to paths.

use std::fmt;
use std::path::PathBuf;

use rtmp_core::message::Shortened;

use super::component::{decode, encode, plain};

/// The file of a stream below a [`MediaRoot`](super::MediaRoot): a directory for the application, a file for the name.
///
/// Both are percent-encoded. Lower-case ASCII letters, digits, `-`, `_` and `.` stand for themselves, but for a `.` that
/// is the first or the last character; every other byte of the name's UTF-8 becomes `%` and two lower-case hexadecimal
/// digits. So does the first letter of what Windows takes for a device (`con`, `nul`, `com1` and their kin, whatever
/// follows a `.`).
///
/// ```
/// use rtmp_server::files::MediaName;
///
/// let path = |app, name| Ok::<_, rtmp_server::files::NameError>(MediaName::new(app, name)?.path());
/// assert_eq!(path("live", "cam-1")?.to_str(), Some("live/cam-1.flv"));
/// assert_eq!(path("live", "Cam 1")?.to_str(), Some("live/%43am%201.flv"));
/// assert_eq!(path("live", "../../etc/passwd")?.to_str(), Some("live/%2e.%2f..%2fetc%2fpasswd.flv"));
/// # Ok::<(), rtmp_server::files::NameError>(())
/// ```
///
/// The rule can be undone, so two names never meet in one file. The result is ASCII without upper-case letters, so they
/// do not meet either where the file system takes `A` for `a`, or one Unicode normal form for another. It holds no
/// separator and is neither `.` nor `..`, so it is one component of a path on every system.
///
/// Files of other making may have capital letters and blanks as they are: [`MediaRoot::open`](super::MediaRoot::open)
/// finds `live/Cam 1.flv`, too, if that is how it is spelled there.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaName {
    directory: String,
    stem: String,
    segment: Option<u32>,
    extension: &'static str,
}

/// A name that no file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The application or the stream name is empty.
    #[error("the {part} is empty")]
    Empty {
        /// Which of the two.
        part: NamePart,
    },
    /// The application or the stream name is too long for a file system; all in bytes.
    #[error("the {part} takes {len} bytes in a path, the limit is {limit}")]
    TooLong {
        /// Which of the two.
        part: NamePart,
        /// What it takes, encoded.
        len: usize,
        /// What it may take.
        limit: usize,
    },
}

/// A part of what a [`MediaName`] is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamePart {
    /// The application.
    App,
    /// The stream name.
    StreamName,
}

/// Leaves room for the number of a segment and the extension in the 255 bytes that file systems allow.
const MAX_COMPONENT_LEN: usize = 230;
const EXTENSION: &str = ".flv";
const MP4_EXTENSION: &str = ".mp4";
/// Stands before the number of a segment. It is never part of an encoded name.
const SEGMENT_MARK: char = '@';
const SEGMENT_DIGITS: usize = 6;

impl MediaName {
    /// The file of a stream.
    ///
    /// # Errors
    ///
    /// [`NameError`] if one of the names is empty, or takes more than 230 bytes when it is encoded.
    pub fn new(app: &str, stream_name: &str) -> Result<Self, NameError> {
        Ok(Self {
            directory: component(app, NamePart::App)?,
            stem: component(stream_name, NamePart::StreamName)?,
            segment: None,
            extension: EXTENSION,
        })
    }

    /// The MP4 file of the same stream: `name.mp4`.
    #[must_use]
    pub fn mp4(&self) -> Self {
        Self {
            segment: None,
            extension: MP4_EXTENSION,
            ..self.clone()
        }
    }

    /// The file of a later segment of the same stream: `name@000002.flv`. The first, number 1, has no number.
    #[must_use]
    pub fn segment(&self, number: u32) -> Self {
        Self {
            segment: Some(number).filter(|&number| number > 1),
            ..self.clone()
        }
    }

    /// The application.
    #[must_use]
    pub fn app(&self) -> String {
        decode(&self.directory).unwrap_or_default()
    }

    /// The stream name.
    #[must_use]
    pub fn stream_name(&self) -> String {
        decode(&self.stem).unwrap_or_default()
    }

    /// Which segment of the stream it is; 1 for the first or only one.
    #[must_use]
    pub fn segment_number(&self) -> u32 {
        self.segment.unwrap_or(1)
    }

    /// The path below the root.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        [&self.directory, &self.file()].iter().collect()
    }

    pub(super) fn directory(&self) -> &str {
        &self.directory
    }

    /// The directory as others spell it, if that is another spelling.
    pub(super) fn plain_directory(&self) -> Option<String> {
        plain(&self.directory)
    }

    /// The file as others spell it, if that is another spelling.
    pub(super) fn plain_file(&self) -> Option<String> {
        let stem = plain(&self.stem).filter(|_| self.segment.is_none())?;
        Some(format!("{stem}{}", self.extension))
    }

    pub(super) fn file(&self) -> String {
        match self.segment {
            Some(number) => {
                format!(
                    "{}{SEGMENT_MARK}{number:0digits$}{}",
                    self.stem,
                    self.extension,
                    digits = SEGMENT_DIGITS
                )
            }
            None => format!("{}{}", self.stem, self.extension),
        }
    }

    /// What a path below the root is for, if the rule gives that path to anything.
    pub(super) fn from_path(directory: &str, file: &str) -> Option<Self> {
        let stem = file.strip_suffix(EXTENSION)?;
        let (stem, number) = match stem.split_once(SEGMENT_MARK) {
            Some((stem, number)) => (stem, number.parse().ok()?),
            None => (stem, 1),
        };
        let name = Self::new(&decode(directory)?, &decode(stem)?)
            .ok()?
            .segment(number);
        (name.directory == directory && name.file() == file).then_some(name)
    }
}

impl fmt::Debug for MediaName {
    /// Shortened: the name may be the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaName")
            .field("directory", &Shortened(&self.directory))
            .field("stem", &Shortened(&self.stem))
            .field("segment", &self.segment_number())
            .finish()
    }
}

impl fmt::Display for NamePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::App => "application",
            Self::StreamName => "stream name",
        })
    }
}

fn component(name: &str, part: NamePart) -> Result<String, NameError> {
    if name.is_empty() {
        return Err(NameError::Empty { part });
    }
    let encoded = encode(name);
    if encoded.len() > MAX_COMPONENT_LEN {
        return Err(NameError::TooLong {
            part,
            len: encoded.len(),
            limit: MAX_COMPONENT_LEN,
        });
    }
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use proptest::prelude::*;

    use super::super::component::is_device;
    use super::*;

    fn file(name: &str) -> String {
        MediaName::new("live", name).unwrap().file()
    }

    #[test]
    fn ordinary_names_stand_for_themselves() {
        for name in [
            "cam",
            "cam-1",
            "a_b",
            "0042",
            "movie.2024.final",
            "console",
            "com10",
        ] {
            assert_eq!(file(name), format!("{name}.flv"));
        }
    }

    #[test]
    fn names_that_would_leave_the_root_or_mean_something_else_are_encoded() {
        for (name, expected) in [
            (".", "%2e"),
            ("..", "%2e%2e"),
            ("../../etc/passwd", "%2e.%2f..%2fetc%2fpasswd"),
            ("/abs", "%2fabs"),
            ("a/../../b", "a%2f..%2f..%2fb"),
            ("..\\..\\", "%2e.%5c..%5c"),
            ("%2e%2e%2f", "%252e%252e%252f"),
            ("c:x", "c%3ax"),
            ("x\0.flv", "x%00.flv"),
            ("trailing.", "trailing%2e"),
            ("blank ", "blank%20"),
            (".hidden", "%2ehidden"),
            ("con", "%63on"),
            ("nul.txt", "%6eul.txt"),
            ("com1", "%63om1"),
            ("lpt9.a.b", "%6cpt9.a.b"),
            ("CON", "%43%4f%4e"),
            ("a\nb\u{7f}", "a%0ab%7f"),
            ("cam@000002", "cam%40000002"),
            ("cam~1", "cam%7e1"),
        ] {
            assert_eq!(file(name), format!("{expected}.flv"), "{name:?}");
        }
    }

    #[test]
    fn names_that_file_systems_may_take_for_one_another_have_files_of_their_own() {
        for (a, b) in [
            ("cam", "CAM"),
            ("\u{e9}", "e\u{301}"),
            ("a", "a."),
            ("a", "a "),
            ("ß", "ss"),
        ] {
            assert_ne!(file(a).to_ascii_lowercase(), file(b).to_ascii_lowercase());
        }
    }

    #[test]
    fn empty_and_over_long_names_have_no_file() {
        assert_eq!(
            MediaName::new("live", ""),
            Err(NameError::Empty {
                part: NamePart::StreamName
            })
        );
        assert_eq!(
            MediaName::new("", "cam"),
            Err(NameError::Empty { part: NamePart::App })
        );
        assert!(MediaName::new("live", &"a".repeat(230)).is_ok());
        let error = MediaName::new(&"É".repeat(39), "cam").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the application takes 234 bytes in a path, the limit is 230"
        );
    }

    #[test]
    fn segments_are_numbered_from_the_second_on() {
        let name = MediaName::new("live", "cam").unwrap();
        assert_eq!(name.segment(1), name);
        assert_eq!(name.segment(2).path(), PathBuf::from("live/cam@000002.flv"));
        assert_eq!(name.segment(u32::MAX).file(), "cam@4294967295.flv");
    }

    #[test]
    fn a_stream_may_have_an_mp4_file_too() {
        let name = MediaName::new("live", "Cam.mp4").unwrap();
        assert_eq!(name.mp4().path(), PathBuf::from("live/%43am.mp4.mp4"));
        assert_ne!(name.mp4(), name);
    }

    #[test]
    fn paths_that_the_rule_does_not_give_are_for_nothing() {
        for file in [
            "cam",
            "cam.mp4",
            "Cam.flv",
            "cam@1.flv",
            "cam@000001.flv",
            "%zz.flv",
            "%43.FLV",
            "con.flv",
            ".flv",
        ] {
            assert_eq!(MediaName::from_path("live", file), None, "{file}");
        }
    }

    #[test]
    fn only_harmless_names_have_another_spelling() {
        for (name, expected) in [
            ("Movie", Some("Movie.flv")),
            ("My Movie-2.b_C", Some("My Movie-2.b_C.flv")),
            ("movie", None),
            ("../Movie", None),
            ("A/Movie", None),
            ("A\\Movie", None),
            (".Movie", None),
            ("Movie.", None),
            ("Movie ", None),
            ("Movie@000002", None),
            ("C:Movie", None),
            ("Movie\0", None),
            ("CON", None),
            ("Nul.txt", None),
            ("MOVI~1", None),
            ("%4dovie", None),
            ("É", None),
        ] {
            let name = MediaName::new("live", name).unwrap();
            assert_eq!(name.plain_file().as_deref(), expected, "{name:?}");
            assert_eq!(name.segment(2).plain_file(), None);
        }
        assert_eq!(MediaName::new("..", "Movie").unwrap().plain_directory(), None);
        assert_eq!(
            MediaName::new("VOD", "a").unwrap().plain_directory().as_deref(),
            Some("VOD")
        );
    }

    fn names() -> impl Strategy<Value = String> {
        let odd = prop::sample::select(vec![
            ".", "..", "/", "\\", "%", "%2e", "A", "a", "con", "nul", " ", "\0", ":", "@", "é", "e\u{301}",
            "~1",
        ]);
        prop_oneof![
            ".{1,16}",
            prop::collection::vec(odd, 1..6).prop_map(|parts| parts.concat()),
        ]
    }

    proptest! {
        #[test]
        fn any_name_is_one_safe_component_and_can_be_told_from_its_path(
            app in names(),
            name in names(),
            segment in any::<u32>(),
        ) {
            let media = MediaName::new(&app, &name).unwrap().segment(segment);
            let path = media.path();
            let components: Vec<_> = path.components().collect();
            prop_assert_eq!(components.len(), 2);
            prop_assert!(components.iter().all(|part| matches!(part, Component::Normal(_))));
            for part in [media.directory().to_owned(), media.file()] {
                prop_assert!(part.len() <= 255);
                let is_plain = |byte: u8| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.%@".contains(&byte)
                };
                prop_assert!(part.bytes().all(is_plain));
                prop_assert!(!part.starts_with('.') && !part.ends_with('.') && !is_device(&part));
            }
            prop_assert_eq!((media.app(), media.stream_name()), (app, name));
            prop_assert_eq!(media.segment_number(), segment.max(1));
            prop_assert_eq!(MediaName::from_path(media.directory(), &media.file()), Some(media));
        }

        #[test]
        fn two_names_never_meet_in_one_file(a in (names(), names()), b in (names(), names())) {
            let path = |(app, name): &(String, String)| MediaName::new(app, name).unwrap().path();
            prop_assert_eq!(a == b, path(&a) == path(&b));
        }

        #[test]
        fn what_others_spell_is_one_component_and_no_recording_of_another_name(name in names()) {
            let media = MediaName::new("live", &name).unwrap();
            if let Some(file) = media.plain_file() {
                let components: Vec<_> = std::path::Path::new(&file).components().collect();
                prop_assert!(matches!(components[..], [Component::Normal(_)]));
                prop_assert_eq!(MediaName::from_path("live", &file), None);
            }
        }
    }
}

//! What the two ends can do with codecs and packets beyond the first FLV specification (Enhanced RTMP v2, "Enhancing
//! NetConnection connect Command").

use rtmp_amf::amf0::{Object, Value};

use crate::flv::FourCc;

/// The capabilities in a connect object or in its answer. Each end says what itself can do.
///
/// ```
/// use rtmp_core::flv::FourCc;
/// use rtmp_core::message::{Capabilities, CodecAbilities, ConnectRequest};
///
/// let mine = Capabilities::default().video(FourCc::HVC1, CodecAbilities::DECODE);
/// let request = ConnectRequest::default().capabilities(&mine);
/// assert!(request.read_capabilities().can_take_video(FourCc::HVC1));
/// assert!(!request.read_capabilities().can_take_video(FourCc::AV01));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    video: Vec<(String, CodecAbilities)>,
    audio: Vec<(String, CodecAbilities)>,
    /// The list of version 1, which does not tell video from audio.
    listed: Vec<String>,
    extensions: Extensions,
}

/// What an end can do with a codec: a sum of [`DECODE`](Self::DECODE), [`ENCODE`](Self::ENCODE) and
/// [`FORWARD`](Self::FORWARD).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodecAbilities(u32);

impl CodecAbilities {
    /// It can decode it.
    pub const DECODE: Self = Self(1);
    /// It can encode it.
    pub const ENCODE: Self = Self(2);
    /// It can pass it on.
    pub const FORWARD: Self = Self(4);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    #[must_use]
    pub const fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The number on the wire.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// What an end can do with packets (`capsEx`): a sum of its constants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions(u32);

impl Extensions {
    /// It follows a request to reconnect.
    pub const RECONNECT: Self = Self(1);
    /// It reads messages of several tracks.
    pub const MULTITRACK: Self = Self(2);
    /// It reads ModEx packets.
    pub const MOD_EX: Self = Self(4);
    /// It understands the nanosecond offset in a ModEx packet.
    pub const TIMESTAMP_NANO_OFFSET: Self = Self(8);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    #[must_use]
    pub const fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The number on the wire.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// The properties that say them.
const KEYS: [&str; 4] = ["fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"];

/// The name that stands for all codecs.
const ANY: &str = "*";

impl Capabilities {
    /// What one says who passes everything on without looking into it, as a relay does.
    #[must_use]
    pub fn pass_through() -> Self {
        let any = || vec![(ANY.to_owned(), CodecAbilities::FORWARD)];
        let extensions = Extensions::MULTITRACK
            .and(Extensions::MOD_EX)
            .and(Extensions::TIMESTAMP_NANO_OFFSET);
        Self {
            video: any(),
            audio: any(),
            listed: Vec::new(),
            extensions,
        }
    }

    /// Adds a video codec.
    #[must_use]
    pub fn video(mut self, codec: FourCc, abilities: CodecAbilities) -> Self {
        self.video.push((codec.to_string(), abilities));
        self
    }

    /// Adds an audio codec.
    #[must_use]
    pub fn audio(mut self, codec: FourCc, abilities: CodecAbilities) -> Self {
        self.audio.push((codec.to_string(), abilities));
        self
    }

    /// Adds what can be done with packets.
    #[must_use]
    pub fn extensions(mut self, extensions: Extensions) -> Self {
        self.extensions = self.extensions.and(extensions);
        self
    }

    /// Whether anything was said at all. Most peers say nothing, and send and take all codecs all the same.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.video.is_empty() && self.audio.is_empty() && self.listed.is_empty() && self.extensions.0 == 0
    }

    /// What the end says it can do with packets.
    #[must_use]
    pub const fn packet_extensions(&self) -> Extensions {
        self.extensions
    }

    /// Whether the end says that it can decode or pass on this video codec.
    #[must_use]
    pub fn can_take_video(&self, codec: FourCc) -> bool {
        self.can_take(&self.video, codec)
    }

    /// Whether the end says that it can decode or pass on this audio codec.
    #[must_use]
    pub fn can_take_audio(&self, codec: FourCc) -> bool {
        self.can_take(&self.audio, codec)
    }

    fn can_take(&self, codecs: &[(String, CodecAbilities)], codec: FourCc) -> bool {
        let name = codec.to_string();
        let names = |listed: &str| listed == ANY || listed == name;
        let takes = CodecAbilities::DECODE.and(CodecAbilities::FORWARD).bits();
        codecs
            .iter()
            .any(|(listed, abilities)| names(listed) && abilities.bits() & takes != 0)
            || self.listed.iter().any(|listed| names(listed))
    }

    /// Reads the properties of a connect object or of its answer. Anything odd in them counts as not said.
    #[must_use]
    pub(super) fn read(properties: &Object) -> Self {
        let map = |key| {
            let map = properties.get(key).and_then(Value::as_object);
            let entries = map.into_iter().flat_map(|map| map.iter());
            let ability = |value: &Value| value.to_u32().map(CodecAbilities);
            entries
                .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), ability(value)?)))
                .collect()
        };
        let list = properties
            .get("fourCcList")
            .and_then(Value::as_array)
            .unwrap_or_default();
        Self {
            video: map("videoFourCcInfoMap"),
            audio: map("audioFourCcInfoMap"),
            listed: list
                .iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect(),
            extensions: Extensions(properties.get("capsEx").and_then(Value::to_u32).unwrap_or(0)),
        }
    }

    /// Sets the properties of a connect object or of its answer, in place of any that are there.
    pub(super) fn write(&self, properties: &mut Object) {
        for key in KEYS {
            properties.remove(key);
        }
        let map = |codecs: &[(String, CodecAbilities)]| -> Object {
            codecs
                .iter()
                .map(|(name, abilities)| (name.as_str(), Value::from(abilities.bits())))
                .collect()
        };
        if !self.video.is_empty() {
            properties.insert("videoFourCcInfoMap", map(&self.video));
        }
        if !self.audio.is_empty() {
            properties.insert("audioFourCcInfoMap", map(&self.audio));
        }
        if !self.listed.is_empty() {
            let list: Vec<Value> = self.listed.iter().map(Value::from).collect();
            properties.insert("fourCcList", list);
        }
        if self.extensions.0 != 0 {
            properties.insert("capsEx", self.extensions.bits());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, value: impl Into<Value>) -> Capabilities {
        Capabilities::read(&Object::new().with(key, value.into()))
    }

    #[test]
    fn capabilities_survive_the_way_there_and_back() {
        let abilities = CodecAbilities::DECODE.and(CodecAbilities::ENCODE);
        let said = Capabilities::default()
            .video(FourCc::HVC1, abilities)
            .audio(FourCc::OPUS, CodecAbilities::FORWARD)
            .extensions(Extensions::MULTITRACK)
            .extensions(Extensions::RECONNECT);
        let mut properties = Object::new();
        said.write(&mut properties);
        assert_eq!(Capabilities::read(&properties), said);
        assert!(said.packet_extensions().includes(Extensions::RECONNECT));
    }

    #[test]
    fn the_list_of_version_1_counts_and_may_name_any_codec() {
        // FFmpeg 9 with -rtmp_enhanced_codecs sends a strict array of names.
        let listed = read("fourCcList", vec![Value::from("hvc1"), Value::from("av01")]);
        assert!(listed.can_take_video(FourCc::HVC1) && !listed.can_take_audio(FourCc::OPUS));
        let any = read("fourCcList", vec![Value::from("*")]);
        assert!(any.can_take_video(FourCc::HVC1) && any.can_take_audio(FourCc::OPUS));
    }

    #[test]
    fn who_can_only_encode_a_codec_can_not_take_it() {
        let encoder = read("videoFourCcInfoMap", Object::new().with("hvc1", 2.0));
        assert!(!encoder.can_take_video(FourCc::HVC1));
    }

    #[test]
    fn odd_values_count_as_not_said() {
        for odd in [
            Value::Null,
            Value::from("hvc1"),
            Value::from(-1.0),
            Value::from(f64::NAN),
        ] {
            for key in ["fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"] {
                assert!(read(key, odd.clone()).is_silent(), "{key} {odd:?}");
            }
        }
    }
}

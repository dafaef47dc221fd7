//! `onMetaData`: what a stream or file says about itself (FLV 10.1 section E.5).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rtmp_amf::amf0::{self, Object, Value};

use super::{FlvError, script};

/// The properties of `onMetaData`, in order. Unknown ones are kept.
///
/// ```
/// use rtmp_amf::amf0::Object;
/// use rtmp_core::flv::Metadata;
///
/// # fn main() -> Result<(), rtmp_core::flv::FlvError> {
/// let metadata = Metadata::new(Object::new().with("width", 1920).with("encoder", "camera 1"));
/// let parsed = Metadata::parse(&metadata.encode()?)?;
/// assert_eq!(parsed.properties().get("width").and_then(|width| width.as_number()), Some(1920.0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    properties: Object,
}

impl Metadata {
    /// Metadata with these properties.
    #[must_use]
    pub const fn new(properties: Object) -> Self {
        Self { properties }
    }

    /// Reads the payload of a data message or script tag: `onMetaData` and an object or array, with or without
    /// `@setDataFrame`. Values after it are ignored.
    ///
    /// # Errors
    ///
    /// [`FlvError::NotMetadata`] if it is something else, [`FlvError::Script`] if it is not AMF0 or exceeds the
    /// decoder's limits.
    pub fn parse(payload: &Bytes) -> Result<Self, FlvError> {
        let values = script::metadata_values(payload).ok_or(FlvError::NotMetadata)?;
        let value = amf0::Decoder::new(payload.slice_ref(values)).next_value()?;
        let properties = value.and_then(Value::into_object).ok_or(FlvError::NotMetadata)?;
        Ok(Self { properties })
    }

    /// The payload of a script tag or, for players, of a data message; a publisher adds
    /// [`@setDataFrame`](super::with_set_data_frame).
    ///
    /// # Errors
    ///
    /// [`FlvError::Script`] if a property cannot be expressed in AMF0.
    pub fn encode(&self) -> Result<Bytes, FlvError> {
        let mut payload = BytesMut::new();
        let mut encoder = amf0::Encoder::new(&mut payload);
        encoder.string(script::ON_META_DATA)?;
        encoder.value(&Value::EcmaArray(self.properties.clone()))?;
        Ok(payload.freeze())
    }

    /// The properties in order.
    #[must_use]
    pub const fn properties(&self) -> &Object {
        &self.properties
    }

    /// The properties, to change them.
    #[must_use]
    pub const fn properties_mut(&mut self) -> &mut Object {
        &mut self.properties
    }

    /// The properties alone.
    #[must_use]
    pub fn into_properties(self) -> Object {
        self.properties
    }

    /// How long the file plays; `None` if it does not say, or says 0 as live streams do.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        let seconds = self.properties.get("duration")?.to_number()?;
        Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|duration| !duration.is_zero())
    }

    /// The keyframe index, in order; `None` if there is none, or none that can be right: times and offsets must be
    /// equally many, be numbers that make sense, and not fall.
    ///
    /// Whether a keyframe is at those offsets is for the reader of the file to see.
    #[must_use]
    pub fn keyframes(&self) -> Option<Vec<KeyframePosition>> {
        let index = self.properties.get("keyframes")?.as_object()?;
        let times = index.get("times")?.as_array()?;
        let offsets = index.get("filepositions")?.as_array()?;
        if times.len() != offsets.len() {
            return None;
        }
        let entries = times.iter().zip(offsets).map(|(time, offset)| {
            Some(KeyframePosition {
                time: Duration::try_from_secs_f64(time.as_number()?).ok()?,
                offset: whole_number(offset.as_number()?)?,
            })
        });
        let entries: Vec<_> = entries.collect::<Option<_>>()?;
        let rises =
            |pair: &[KeyframePosition]| matches!(pair, [a, b] if a.time <= b.time && a.offset < b.offset);
        entries.windows(2).all(rises).then_some(entries)
    }

    /// Replaces the keyframe index, as the last property.
    pub(super) fn set_keyframes(&mut self, entries: &[KeyframePosition]) {
        let numbers = |number: fn(&KeyframePosition) -> f64| {
            Value::StrictArray(entries.iter().map(number).map(Value::Number).collect())
        };
        let index = Object::new()
            .with("times", numbers(|entry| seconds(entry.time)))
            // Exact up to 8 PiB.
            .with("filepositions", numbers(|entry| entry.offset as f64));
        self.properties.remove("keyframes");
        self.properties.push("keyframes", index);
    }
}

/// Where a keyframe is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyframePosition {
    /// Time of the keyframe from the start of the file.
    pub time: Duration,
    /// Offset of its tag, in bytes from the start of the file.
    pub offset: u64,
}

impl KeyframePosition {
    /// An entry of an index.
    #[must_use]
    pub const fn new(time: Duration, offset: u64) -> Self {
        Self { time, offset }
    }
}

/// Whole milliseconds as seconds. Readers multiply and cut off what is behind the point, and 5.095 * 1000.0 is a little
/// less than 5095; so the number may be one step above the nearest.
pub(super) fn seconds(time: Duration) -> f64 {
    let millis = time.as_millis() as f64;
    let seconds = millis / 1000.0;
    if (seconds * 1000.0).trunc() < millis || (seconds * 1_000_000.0).trunc() < millis * 1000.0 {
        seconds.next_up()
    } else {
        seconds
    }
}

fn whole_number(number: f64) -> Option<u64> {
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
    ((0.0..=MAX_EXACT).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Metadata {
        let path = format!("{}/../tests/vectors/flv/{name}", env!("CARGO_MANIFEST_DIR"));
        let mut file = BytesMut::from(&std::fs::read(path).unwrap()[..]);
        let tag = tokio_util::codec::Decoder::decode(&mut super::super::FlvDecoder::new(), &mut file);
        Metadata::parse(&tag.unwrap().unwrap().payload).unwrap()
    }

    fn index(times: &[f64], offsets: &[f64]) -> Metadata {
        let numbers =
            |numbers: &[f64]| Value::StrictArray(numbers.iter().copied().map(Value::Number).collect());
        let keyframes = Object::new()
            .with("times", numbers(times))
            .with("filepositions", numbers(offsets));
        Metadata::new(Object::new().with("keyframes", keyframes))
    }

    /// ffprobe finds keyframes at the same offsets.
    #[test]
    fn the_index_of_a_file_is_read() {
        let metadata = fixture("h264-aac-keyframe-index.flv");
        let keyframes = metadata.keyframes().unwrap();
        assert_eq!(
            keyframes.iter().map(|entry| entry.offset).collect::<Vec<_>>(),
            [703, 15165]
        );
        assert_eq!(metadata.duration(), Some(Duration::from_millis(2153)));
        assert_eq!(fixture("h264-aac.flv").keyframes(), None);
    }

    #[test]
    fn an_index_that_cannot_be_right_is_none() {
        assert_eq!(
            index(&[0.0, 1.0], &[13.0, 500.0])
                .keyframes()
                .map(|entries| entries.len()),
            Some(2)
        );
        for (times, offsets) in [
            (&[0.0, 1.0][..], &[13.0][..]),
            (&[0.0, f64::NAN], &[13.0, 500.0]),
            (&[0.0, -1.0], &[13.0, 500.0]),
            (&[1.0, 0.0], &[13.0, 500.0]),
            (&[0.0, 1.0], &[500.0, 13.0]),
            (&[0.0, 1.0], &[13.0, 500.5]),
            (&[0.0, 1.0], &[13.0, f64::INFINITY]),
            (&[0.0, 1.0], &[-1.0, 500.0]),
            (&[0.0, 1e300], &[13.0, 500.0]),
        ] {
            assert_eq!(index(times, offsets).keyframes(), None, "{times:?} {offsets:?}");
        }
    }

    #[test]
    fn readers_that_cut_off_get_every_millisecond_right() {
        for millis in (0..200_000).chain(4_294_960_000..4_294_967_296) {
            let seconds = seconds(Duration::from_millis(millis));
            assert_eq!((seconds * 1000.0) as u64, millis);
            assert_eq!((seconds * 1_000_000.0) as u64, millis * 1000);
            assert_eq!(
                Duration::from_secs_f64(seconds).as_micros(),
                u128::from(millis) * 1000
            );
        }
    }

    #[test]
    fn a_duration_that_makes_no_sense_is_none() {
        for duration in [f64::NAN, -1.0, 0.0, f64::INFINITY, 1e300] {
            assert_eq!(
                Metadata::new(Object::new().with("duration", duration)).duration(),
                None
            );
        }
    }

    #[test]
    fn objects_arrays_and_set_data_frame_are_metadata_and_other_data_is_not() {
        for payload in [
            &b"\x02\0\x0aonMetaData\x03\0\x01a\x01\x01\0\0\x09"[..],
            b"\x02\0\x0aonMetaData\x08\0\0\0\0\0\x01a\x01\x01\0\0\x09\x05",
            b"\x02\0\x0d@setDataFrame\x02\0\x0aonMetaData\x03\0\x01a\x01\x01\0\0\x09",
            b"\x02\0\x0aonMetaData\x03\0\x01a\x01\x01",
        ] {
            let metadata = Metadata::parse(&Bytes::from_static(payload)).unwrap();
            assert_eq!(metadata.properties().get("a"), Some(&Value::Boolean(true)));
        }
        for payload in [
            &b""[..],
            b"\x02\0\x0aonMetaData",
            b"\x02\0\x0aonMetaData\x05",
            b"\x02\0\x01a\x03\0\0\x09",
        ] {
            assert!(matches!(
                Metadata::parse(&Bytes::from_static(payload)),
                Err(FlvError::NotMetadata)
            ));
        }
        assert!(matches!(
            Metadata::parse(&Bytes::from_static(b"\x02\0\x0aonMetaData\x77")),
            Err(FlvError::Script(_))
        ));
    }
}

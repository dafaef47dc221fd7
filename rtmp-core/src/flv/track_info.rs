//! What `onMetaData` says about each track (Enhanced RTMP v2, `videoTrackIdInfoMap` and `audioTrackIdInfoMap`).

use std::collections::BTreeMap;

use rtmp_amf::amf0::{Object, Value};

use super::Metadata;

const VIDEO: &str = "videoTrackIdInfoMap";
const AUDIO: &str = "audioTrackIdInfoMap";

/// Properties of single tracks. Those of track 0 are the properties of the whole; a further track has its own, or
/// only those in which it differs.
///
/// ```
/// use rtmp_core::flv::Metadata;
/// use rtmp_amf::amf0::Object;
///
/// let mut metadata = Metadata::new(Object::new().with("width", 1920).with("height", 1080));
/// metadata.set_video_track(1, Object::new().with("width", 640).with("height", 360));
/// let widths = (0..3).map(|id| metadata.video_track(id)?.get("width")?.as_number());
/// assert_eq!(widths.collect::<Vec<_>>(), [Some(1920.0), Some(640.0), None]);
/// ```
impl Metadata {
    /// The properties of a video track; `None` if nothing is said about it. Track 0 has those of the whole.
    #[must_use]
    pub fn video_track(&self, id: u8) -> Option<&Object> {
        self.track(VIDEO, id)
    }

    /// The properties of an audio track; `None` if nothing is said about it. Track 0 has those of the whole.
    #[must_use]
    pub fn audio_track(&self, id: u8) -> Option<&Object> {
        self.track(AUDIO, id)
    }

    /// The video tracks other than track 0, and their properties, by id. Entries that name no track or have no
    /// properties are left out.
    pub fn video_tracks(&self) -> impl Iterator<Item = (u8, &Object)> {
        self.tracks(VIDEO)
    }

    /// The audio tracks other than track 0, and their properties, by id. Entries that name no track or have no
    /// properties are left out.
    pub fn audio_tracks(&self) -> impl Iterator<Item = (u8, &Object)> {
        self.tracks(AUDIO)
    }

    /// Says this of a video track, in place of what was said. What is said of track 0 is added to the properties of
    /// the whole, in place of equal keys.
    pub fn set_video_track(&mut self, id: u8, properties: Object) {
        self.set_track(VIDEO, id, properties);
    }

    /// Says this of an audio track, in place of what was said. What is said of track 0 is added to the properties
    /// of the whole, in place of equal keys.
    pub fn set_audio_track(&mut self, id: u8, properties: Object) {
        self.set_track(AUDIO, id, properties);
    }

    fn track(&self, map: &str, id: u8) -> Option<&Object> {
        if id == 0 {
            return Some(self.properties());
        }
        self.properties()
            .get(map)?
            .as_object()?
            .get(&id.to_string())?
            .as_object()
    }

    fn tracks(&self, map: &str) -> impl Iterator<Item = (u8, &Object)> {
        let map = self.properties().get(map).and_then(Value::as_object);
        let entries = map.into_iter().flatten();
        // Of equal keys the last counts, as when a track is looked up.
        let tracks: BTreeMap<_, _> = entries
            .filter_map(|(key, value)| Some((further_track(key.as_bytes())?, value.as_object())))
            .collect();
        tracks
            .into_iter()
            .filter_map(|(id, properties)| Some((id, properties?)))
    }

    fn set_track(&mut self, map: &str, id: u8, properties: Object) {
        let whole = self.properties_mut();
        if id == 0 {
            for (key, value) in properties {
                whole.insert(key, value);
            }
            return;
        }
        let id = id.to_string();
        let tracks = match whole.get_mut(map) {
            Some(Value::Object(tracks) | Value::EcmaArray(tracks)) => tracks,
            Some(Value::TypedObject(object)) => &mut object.properties,
            _ => {
                whole.insert(map, Object::new().with(id, properties));
                return;
            }
        };
        tracks.insert(id, properties);
    }
}

/// The track a key names: its id in decimal, written in the one way there is.
fn further_track(key: &[u8]) -> Option<u8> {
    let id: u8 = std::str::from_utf8(key).ok()?.parse().ok()?;
    (id != 0 && id.to_string().as_bytes() == key).then_some(id)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// Written by hand after AMF0 and Enhanced RTMP v2: the video map is an object of ECMA arrays, the audio map an
    /// ECMA array of objects.
    const TWO_TRACKS: &[u8] = b"\x02\0\x0aonMetaData\x08\0\0\0\x03\
        \0\x05width\0\x40\x9e\0\0\0\0\0\0\
        \0\x13videoTrackIdInfoMap\x03\
            \0\x011\x08\0\0\0\x01\0\x05width\0\x40\x84\0\0\0\0\0\0\0\0\x09\
            \0\0\x09\
        \0\x13audioTrackIdInfoMap\x08\0\0\0\x01\
            \0\x03255\x03\0\x08language\x02\0\x02fr\0\0\x09\
            \0\0\x09\
        \0\0\x09";

    fn width(properties: Option<&Object>) -> Option<f64> {
        properties?.get("width")?.as_number()
    }

    #[test]
    fn each_track_has_its_properties_and_track_0_those_of_the_whole() {
        let metadata = Metadata::parse(&Bytes::from_static(TWO_TRACKS)).unwrap();
        assert_eq!(width(metadata.video_track(0)), Some(1920.0));
        assert_eq!(width(metadata.video_track(1)), Some(640.0));
        assert_eq!(metadata.video_track(2), None);
        assert_eq!(metadata.audio_track(1), None);
        let french = Object::new().with("language", "fr");
        assert_eq!(metadata.audio_track(255), Some(&french));
        assert_eq!(metadata.audio_tracks().collect::<Vec<_>>(), [(255, &french)]);
        assert_eq!(metadata.video_tracks().map(|(id, _)| id).collect::<Vec<_>>(), [1]);
        assert_eq!(metadata.encode().unwrap(), TWO_TRACKS);
    }

    #[test]
    fn entries_that_describe_no_track_are_kept_and_left_out() {
        let track = || Object::new().with("width", 1);
        let odd = ["0", "01", "+1", "-1", "256", "1.0", " 1", "", "main", "\u{661}"];
        let mut map: Object = odd.into_iter().map(|key| (key, track().into())).collect();
        map.push("3", track());
        map.push("3", Value::Null);
        map.push("7", 7);
        map.push("5", Object::new());
        map.push("4", Object::new());
        map.push("4", track());
        let whole = Object::new().with(VIDEO, map).with(AUDIO, "none");
        let metadata = Metadata::new(whole.clone());
        let expected = [(4, &track()), (5, &Object::new())];
        assert_eq!(metadata.video_tracks().collect::<Vec<_>>(), expected);
        for id in 1..=u8::MAX {
            let found = expected.iter().find(|(expected, _)| *expected == id);
            assert_eq!(
                metadata.video_track(id),
                found.map(|(_, properties)| *properties),
                "{id}"
            );
        }
        assert_eq!(
            (metadata.audio_track(1), metadata.audio_tracks().count()),
            (None, 0)
        );
        assert_eq!(metadata.into_properties(), whole);
    }

    #[test]
    fn a_track_that_is_set_replaces_its_entry_and_nothing_else() {
        let mut metadata = Metadata::parse(&Bytes::from_static(TWO_TRACKS)).unwrap();
        let entry = |key| Object::new().with(key, true);
        metadata.set_audio_track(255, entry("a"));
        metadata.set_audio_track(9, entry("b"));
        metadata.set_video_track(0, Object::new().with("width", 2).with("height", 3));
        let (video, audio) = (Object::new().with("width", 640), [entry("b"), entry("a")]);
        assert_eq!(metadata.video_tracks().collect::<Vec<_>>(), [(1, &video)]);
        assert_eq!(
            metadata.audio_tracks().collect::<Vec<_>>(),
            [(9, &audio[0]), (255, &audio[1])]
        );
        let keys = metadata.properties().iter().map(|(key, _)| key.to_string());
        assert_eq!(keys.collect::<Vec<_>>(), ["width", VIDEO, AUDIO, "height"]);
        assert_eq!(width(metadata.video_track(0)), Some(2.0));
    }

    #[test]
    fn a_map_that_is_missing_or_is_none_is_made() {
        for whole in [Object::new(), Object::new().with(VIDEO, "none")] {
            let mut metadata = Metadata::new(whole);
            metadata.set_video_track(2, Object::new().with("width", 640));
            let read = Metadata::parse(&metadata.encode().unwrap()).unwrap();
            assert_eq!(width(read.video_track(2)), Some(640.0));
            assert_eq!(read.properties().len(), 1);
        }
    }
}

//! What is in a recording, packet by packet, as ffprobe sees it, and comparisons of two recordings.

use std::path::Path;

use tokio::process::Command;

/// What ffprobe calls a packet: a coded frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    kind: Kind,
    /// Presentation time in milliseconds.
    pts: i64,
    /// Decoding time in milliseconds.
    dts: i64,
    is_key: bool,
    len: u64,
    hash: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Audio,
    Video,
}

impl Packet {
    pub(crate) fn is_video(&self) -> bool {
        self.kind == Kind::Video
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Whether both are the same frame, at whatever times.
    pub(crate) fn is_frame(&self, other: &Self) -> bool {
        (self.kind, self.is_key, self.len, &self.hash) == (other.kind, other.is_key, other.len, &other.hash)
    }
}

/// Reads the audio and video packets of a recording. Metadata that are repeated in a stream count as packets for
/// ffprobe, and are left out: players keep or drop them as they like.
pub(crate) async fn packets(file: &Path) -> Vec<Packet> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-show_packets", "-show_data_hash", "md5"])
        .args([
            "-show_entries",
            "packet=codec_type,pts,dts,size,flags,data_hash",
            "-of",
            "csv=p=0",
        ])
        .arg(file)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap_or_else(|error| panic!("ffprobe did not start: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "ffprobe can not read {}: {errors}",
        file.display()
    );
    let text = String::from_utf8(output.stdout).expect("ffprobe prints text");
    // What a packet is to have skipped comes between, with a line end behind it.
    text.replace("\n,MD5:", ",MD5:")
        .lines()
        .filter(|line| line.starts_with("audio,") || line.starts_with("video,"))
        .map(|line| parse(line).unwrap_or_else(|| panic!("ffprobe printed {line:?} for {}", file.display())))
        .collect()
}

fn parse(line: &str) -> Option<Packet> {
    let mut fields = line.split(',');
    let kind = match fields.next()? {
        "audio" => Kind::Audio,
        "video" => Kind::Video,
        _ => return None,
    };
    Some(Packet {
        kind,
        pts: fields.next()?.parse().ok()?,
        dts: fields.next()?.parse().ok()?,
        len: fields.next()?.parse().ok()?,
        is_key: fields.next()?.starts_with('K'),
        hash: fields.next_back()?.strip_prefix("MD5:")?.to_owned(),
    })
}

/// Asserts that every packet arrived, in order and at its time, apart from a constant offset. At the end, `may_lose`
/// may be missing. Gives the offset in milliseconds.
pub(crate) fn assert_all(player: &str, sent: &[Packet], received: &[Packet], may_lose: usize) -> i64 {
    let tracks = Tracks::of(sent);
    let got = Tracks::of(received);
    let counts = tracks.counts(&got);
    let offset = tracks
        .begins_with(&got)
        .unwrap_or_else(|difference| panic!("{player}: {counts}: {difference}"));
    let missing = tracks.missing_from(&got);
    let fits = missing.is_some_and(|(video, audio)| video + audio <= may_lose);
    assert!(fits, "{player}: {counts}: packets are missing at the end");
    offset
}

/// Asserts that what arrived begins behind the first packet of what was sent, with a keyframe, and misses nothing
/// from there on.
pub(crate) fn assert_all_from_a_keyframe(player: &str, sent: &[Packet], received: &[Packet]) {
    let tracks = Tracks::of(sent);
    let got = Tracks::of(received);
    let counts = tracks.counts(&got);
    assert!(
        got.video.first().is_some_and(|first| first.is_key),
        "{player}: {counts}: no keyframe first"
    );
    let Some((skipped_video, skipped_audio)) = tracks.missing_from(&got) else {
        panic!("{player}: {counts}: more than was sent");
    };
    assert!(
        skipped_video > 0,
        "{player}: {counts}: joined before the first packet, not later"
    );
    let rest = Tracks {
        video: tracks.video[skipped_video..].to_vec(),
        audio: tracks.audio[skipped_audio..].to_vec(),
    };
    rest.begins_with(&got)
        .unwrap_or_else(|difference| panic!("{player}: {counts}: {difference}"));

    let keyframe = sent.iter().position(|packet| *packet == rest.video[0]);
    let audio_behind = sent
        .iter()
        .skip(keyframe.unwrap_or(0))
        .filter(|packet| packet.kind == Kind::Audio);
    let audio_behind = audio_behind.count();
    assert!(
        got.audio.len() >= audio_behind,
        "{player}: {counts}: {audio_behind} audio packets come behind the keyframe"
    );
}

/// Asserts that what arrived is the beginning of what was sent, and not all of it.
pub(crate) fn assert_cut_off(player: &str, sent: &[Packet], received: &[Packet]) {
    let tracks = Tracks::of(sent);
    let got = Tracks::of(received);
    let counts = tracks.counts(&got);
    tracks
        .begins_with(&got)
        .unwrap_or_else(|difference| panic!("{player}: {counts}: {difference}"));
    assert!(
        got.video.len() < tracks.video.len(),
        "{player}: {counts}: not cut off"
    );
}

/// The packets of each kind, in order. How the two interleave is the player's affair.
struct Tracks {
    video: Vec<Packet>,
    audio: Vec<Packet>,
}

impl Tracks {
    fn of(packets: &[Packet]) -> Self {
        let (video, audio) = packets
            .iter()
            .cloned()
            .partition(|packet| packet.kind == Kind::Video);
        Self { video, audio }
    }

    fn counts(&self, got: &Self) -> String {
        format!(
            "{} of {} video and {} of {} audio packets",
            got.video.len(),
            self.video.len(),
            got.audio.len(),
            self.audio.len()
        )
    }

    /// How many video and audio packets `got` has less.
    fn missing_from(&self, got: &Self) -> Option<(usize, usize)> {
        let video = self.video.len().checked_sub(got.video.len())?;
        let audio = self.audio.len().checked_sub(got.audio.len())?;
        Some((video, audio))
    }

    /// Checks that `got` is where these packets begin, all of them moved in time by the same offset, which
    /// is given in milliseconds.
    fn begins_with(&self, got: &Self) -> Result<i64, String> {
        if self.missing_from(got).is_none() {
            return Err("more packets than were sent".to_owned());
        }
        let pairs = self
            .video
            .iter()
            .zip(&got.video)
            .chain(self.audio.iter().zip(&got.audio));
        let mut offset = None;
        for (sent, received) in pairs {
            let moved = received.dts - sent.dts;
            let offset = *offset.get_or_insert(moved);
            if !sent.is_frame(received) || moved != offset || received.pts - sent.pts != offset {
                return Err(format!(
                    "with times moved by {offset} ms, {sent:?} came as {received:?}"
                ));
            }
        }
        offset.ok_or_else(|| "no packets at all".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three groups of pictures with audio between the frames, from `begin` milliseconds on.
    fn stream(begin: i64) -> Vec<Packet> {
        let packet = |kind, index: i64| Packet {
            kind,
            pts: begin + 40 * index,
            dts: begin + 40 * index,
            is_key: kind == Kind::Audio || index % 4 == 0,
            len: 100,
            hash: format!("{kind:?}{index}"),
        };
        (0..12)
            .flat_map(|index| [packet(Kind::Video, index), packet(Kind::Audio, index)])
            .collect()
    }

    #[test]
    fn a_whole_recording_is_accepted_at_any_offset() {
        assert_eq!(assert_all("player", &stream(0), &stream(5000), 0), 5000);
    }

    #[test]
    #[should_panic(expected = "missing at the end")]
    fn a_packet_that_is_missing_at_the_end_is_noticed() {
        assert_all("player", &stream(0), &stream(0)[..23], 0);
    }

    #[test]
    fn a_packet_that_may_be_missing_at_the_end_is_no_fault() {
        assert_all("player", &stream(0), &stream(0)[..23], 1);
    }

    #[test]
    #[should_panic(expected = "came as")]
    fn a_packet_that_is_missing_in_the_middle_is_noticed() {
        let mut received = stream(0);
        received.remove(10);
        assert_all("player", &stream(0), &received, 1);
    }

    #[test]
    #[should_panic(expected = "came as")]
    fn a_packet_at_another_time_is_noticed() {
        let mut received = stream(0);
        received[7].pts += 1;
        assert_all("player", &stream(0), &received, 0);
    }

    #[test]
    #[should_panic(expected = "came as")]
    fn a_packet_with_other_bytes_is_noticed() {
        let mut received = stream(0);
        received[7].hash = "other".to_owned();
        assert_all("player", &stream(0), &received, 0);
    }

    #[test]
    #[should_panic(expected = "no packets at all")]
    fn an_empty_recording_is_noticed() {
        assert_all("player", &stream(0), &[], 100);
    }

    #[test]
    fn a_recording_from_a_keyframe_on_is_accepted() {
        assert_all_from_a_keyframe("player", &stream(0), &stream(-160)[8..]);
    }

    #[test]
    #[should_panic(expected = "no keyframe first")]
    fn a_recording_that_begins_between_keyframes_is_noticed() {
        assert_all_from_a_keyframe("player", &stream(0), &stream(0)[6..]);
    }

    #[test]
    #[should_panic(expected = "not later")]
    fn a_recording_from_the_beginning_is_not_one_of_a_late_player() {
        assert_all_from_a_keyframe("player", &stream(0), &stream(0));
    }

    #[test]
    #[should_panic(expected = "come behind the keyframe")]
    fn audio_that_is_missing_behind_the_keyframe_is_noticed() {
        let mut received = stream(0).split_off(8);
        received.remove(1);
        assert_all_from_a_keyframe("player", &stream(0), &received);
    }

    #[test]
    #[should_panic(expected = "not cut off")]
    fn a_whole_recording_is_not_cut_off() {
        assert_cut_off("player", &stream(0), &stream(0));
    }
}

//! A file in any number of reads gives the same tags as in one, and all their bodies can be looked into.

use std::iter;

use bytes::BytesMut;
use rtmp_core::MediaMessage;
use rtmp_core::flv::{FlvDecoder, Irregularities, Tag};
use tokio_util::codec::Decoder;

const MAX_TAG_LEN: usize = 5000;

type Outcome = (Vec<Result<(u64, Tag), String>>, Irregularities);

/// The tags with their offsets, and the errors in between.
fn decode<'a>(reads: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = FlvDecoder::new().with_max_tag_len(MAX_TAG_LEN);
    let mut buffer = BytesMut::new();
    let mut results = Vec::new();
    let mut received = 0;
    for read in reads.map(Some).chain(iter::once(None)) {
        buffer.extend_from_slice(read.unwrap_or_default());
        received += read.map_or(0, <[u8]>::len);
        loop {
            let result = match read {
                Some(_) => decoder.decode(&mut buffer),
                None => decoder.decode_eof(&mut buffer),
            };
            match result {
                Ok(None) => break,
                Ok(Some(tag)) => results.push(Ok((decoder.tag_offset(), tag))),
                Err(error) => results.push(Err(format!("{error:?}"))),
            }
            assert!(results.len() <= received + 2, "more results than bytes");
        }
    }
    (results, decoder.irregularities())
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Some((seed, bytes)) = crate::split_seed(data) else {
        return;
    };
    let whole = decode(iter::once(bytes));
    assert_eq!(whole, decode(crate::reads(seed, bytes)));

    for (_, tag) in whole.0.into_iter().flatten() {
        assert!(tag.payload.len() <= MAX_TAG_LEN);
        let message = MediaMessage::from(tag);
        assert!(message.configurations().count() <= message.payload.len());
        // Their answers have no rule here; they only have to come.
        let _ = (
            message.is_keyframe(),
            message.is_coded_frames(),
            message.video_codec(),
            message.audio_codec(),
        );
    }
}

use super::*;

const HEADER: &[u8] = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";

fn tag_of(first: u8, millis: u8, payload: &[u8], stream_id: u8, size: u32) -> Vec<u8> {
    let mut tag = vec![first, 0, 0, payload.len() as u8, 0, 0, millis, 0, 0, 0, stream_id];
    tag.extend_from_slice(payload);
    tag.extend_from_slice(&size.to_be_bytes());
    tag
}

fn tag(first: u8, millis: u8, payload: &[u8]) -> Vec<u8> {
    tag_of(first, millis, payload, 0, 11 + payload.len() as u32)
}

fn read(parts: &[&[u8]]) -> (Vec<u32>, FlvDecoder, Option<FlvError>) {
    read_with(FlvDecoder::new(), &parts.concat())
}

/// Times of the tags, the decoder and the error at the end.
fn read_with(mut decoder: FlvDecoder, file: &[u8]) -> (Vec<u32>, FlvDecoder, Option<FlvError>) {
    let mut src = BytesMut::from(file);
    let mut times = Vec::new();
    loop {
        match decoder.decode_eof(&mut src) {
            Ok(Some(tag)) => times.push(tag.timestamp.as_millis()),
            Ok(None) => return (times, decoder, None),
            Err(error) => return (times, decoder, Some(error)),
        }
    }
}

#[test]
fn what_is_no_flv_file_is_refused_as_soon_as_it_shows() {
    let mut decoder = FlvDecoder::new();
    assert!(matches!(decoder.decode(&mut BytesMut::from("FL")), Ok(None)));
    let mut src = BytesMut::from("RIF");
    let error = decoder.decode(&mut src).unwrap_err();
    assert_eq!(error.to_string(), "not an FLV file: it starts with RIF");
    assert!(
        matches!(decoder.decode(&mut src), Ok(None)),
        "and then it is the end"
    );
    assert!(src.is_empty());
    assert!(matches!(
        read(&[b"FLV\x02\x05\0\0\0\x09"]).2,
        Some(FlvError::UnsupportedVersion { version: 2 })
    ));
    for announced in [0, 8, u32::MAX] {
        let header = [b"FLV\x01\x05", &announced.to_be_bytes()[..]].concat();
        assert!(
            matches!(read(&[&header]).2, Some(FlvError::HeaderLen { announced: found, .. }) if found == announced)
        );
    }
}

#[test]
fn a_file_that_ends_in_its_header_is_an_error_and_one_without_tags_is_not() {
    for len in 0..9 {
        let error = read(&[&HEADER[..len]]).2;
        assert!(
            matches!(error, Some(FlvError::TruncatedHeader { found }) if found == len),
            "{len}"
        );
    }
    for len in 9..=13 {
        assert!(read(&[&HEADER[..len]]).2.is_none(), "{len}");
    }
}

#[test]
fn a_longer_header_is_skipped_and_flags_are_not_believed() {
    let (times, decoder, error) = read(&[
        b"FLV\x01\0\0\0\0\x0Bxx\0\0\0\0",
        &tag(8, 1, b"a"),
        &tag(9, 2, b"v"),
    ]);
    assert_eq!((times, error.is_none()), (vec![1, 2], true));
    assert_eq!(decoder.header(), Some(FlvHeader::new(false, false)));
}

#[test]
fn wrong_sizes_after_tags_are_counted_and_ignored() {
    let (times, decoder, error) = read(&[
        HEADER,
        &tag_of(8, 1, b"a", 0, 0),
        &tag_of(9, 2, b"v", 0, 1),
        &tag_of(8, 3, b"a", 0, 999),
    ]);
    assert_eq!((times, error.is_none()), (vec![1, 2, 3], true));
    assert_eq!(decoder.irregularities().wrong_tag_sizes, 3);
}

#[test]
fn encrypted_and_unknown_tags_are_skipped_and_counted() {
    let (times, decoder, error) = read(&[
        HEADER,
        &tag(0x28, 1, b"encrypted"),
        &tag(1, 2, b"unknown"),
        &tag(0x48, 3, b"reserved bit"),
        &tag(9, 4, b"v"),
    ]);
    assert_eq!((times, error.is_none()), (vec![4], true));
    let found = decoder.irregularities();
    assert_eq!(
        (found.encrypted_tags, found.unknown_tags, found.damaged_bytes),
        (1, 2, 0)
    );
}

#[test]
fn a_stream_id_that_is_not_zero_and_empty_tags_are_read() {
    let (times, _, error) = read(&[
        HEADER,
        &tag_of(8, 1, b"a", 1, 12),
        &tag(8, 2, b""),
        &tag(9, 3, b""),
    ]);
    assert_eq!((times, error.is_none()), (vec![1, 2, 3], true));
}

#[test]
fn every_tag_type_is_read_or_skipped() {
    for first in 0..=u8::MAX {
        let (times, _, error) = read(&[HEADER, &tag(first, 1, b"x"), &tag(9, 2, b"v")]);
        let is_known = matches!(first, 8 | 9 | 15 | 18);
        assert_eq!(
            (times.len(), error.is_none()),
            (1 + usize::from(is_known), true),
            "{first}"
        );
    }
}

#[test]
fn an_appended_file_continues_the_time() {
    let (times, decoder, error) = read(&[
        HEADER,
        &tag(9, 0, b"v"),
        &tag(9, 40, b"v"),
        HEADER,
        &tag(9, 0, b"v"),
        &tag(9, 40, b"v"),
        HEADER,
        &tag(9, 7, b"v"),
    ]);
    assert_eq!((times, error.is_none()), (vec![0, 40, 40, 80, 87], true));
    assert_eq!(decoder.irregularities().appended_files, 2);
}

#[test]
fn after_damage_reading_goes_on_at_the_next_tag() {
    let garbage = [0x55; 100];
    let (times, decoder, error) = read(&[
        HEADER,
        &tag(9, 1, b"v"),
        &garbage,
        &tag(8, 2, b"a"),
        &tag(9, 3, b"v"),
    ]);
    assert_eq!((times, error.is_none()), (vec![1, 2, 3], true));
    assert_eq!(decoder.irregularities().damaged_bytes, 100);
    assert_eq!(decoder.tag_offset(), 13 + 16 + 100 + 16);
}

#[test]
fn a_tag_that_claims_more_than_the_file_has_does_not_hide_those_after_it() {
    let mut broken = tag(9, 2, b"vv");
    broken[1] = 0x7F;
    let (times, _, error) = read(&[
        HEADER,
        &tag(9, 1, b"v"),
        &broken,
        &tag(8, 3, b"a"),
        &tag(9, 4, b"v"),
    ]);
    assert_eq!((times, error.is_none()), (vec![1, 3, 4], true));
}

#[test]
fn a_cut_last_tag_is_reported_with_the_end_of_the_complete_ones() {
    let last = tag(9, 2, b"video");
    for len in 1..last.len() - 4 {
        let (times, _, error) = read(&[HEADER, &tag(9, 1, b"v"), &last[..len]]);
        assert_eq!(times, [1]);
        assert!(
            matches!(error, Some(FlvError::TruncatedTag { offset: 29 })),
            "{len}"
        );
    }
    for len in last.len() - 4..=last.len() {
        let (times, _, error) = read(&[HEADER, &tag(9, 1, b"v"), &last[..len]]);
        assert_eq!(
            (times, error.is_none()),
            (vec![1, 2], true),
            "only the size after it is cut"
        );
    }
}

#[test]
fn a_tag_over_the_limit_is_an_error_before_its_payload_arrives() {
    let file = [HEADER, &[9, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0]].concat();
    let (_, _, error) = read_with(FlvDecoder::new().with_max_tag_len(100), &file);
    assert!(matches!(
        error,
        Some(FlvError::TagTooLong {
            announced: 101,
            limit: 100
        })
    ));
}

#[test]
fn an_announced_length_reserves_nothing() {
    let mut src = BytesMut::from(&[HEADER, &[9, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0]].concat()[..]);
    let mut decoder = FlvDecoder::new();
    assert!(matches!(decoder.decode(&mut src), Ok(None)));
    assert!(src.capacity() < 1024);
}

#[test]
fn times_have_32_bits() {
    let mut tag = tag(9, 1, b"v");
    tag[4..8].copy_from_slice(&[0xFF, 0xFF, 0xFE, 0xFF]);
    assert_eq!(read(&[HEADER, &tag]).0, [0xFFFF_FFFE]);
}

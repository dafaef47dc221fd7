//! What decodes can be encoded, but for cycles in AMF3, and decodes again to the same.

use bytes::{Bytes, BytesMut};
use rtmp_amf::amf0::{Value, decode_all, encode_all};
use rtmp_amf::{Amf0Error, Amf3Error};

fn encode(values: &[Value]) -> Option<Bytes> {
    let mut out = BytesMut::new();
    match encode_all(values, &mut out) {
        Ok(()) => Some(out.freeze()),
        Err(Amf0Error::Amf3(Amf3Error::Cycle { .. })) => None,
        Err(error) => panic!("what was decoded can be encoded: {error}"),
    }
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Ok(values) = decode_all(Bytes::copy_from_slice(data)) else {
        return;
    };
    let Some(encoded) = encode(&values) else {
        return;
    };
    let again = decode_all(encoded.clone()).expect("what was encoded can be decoded");
    // Bytes are compared, and text, because NaN equals nothing.
    assert_eq!(encode(&again), Some(encoded));
    assert_eq!(format!("{again:?}"), format!("{values:?}"));
}

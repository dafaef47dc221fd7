//! What decodes means no more than the limits allow, and comes back the same with and without references.

use bytes::{Bytes, BytesMut};
use rtmp_amf::Amf3Error;
use rtmp_amf::amf3::{Encoder, Value, decode_all, encode_all};

fn encode_with_references(values: &[Value]) -> Bytes {
    let mut out = BytesMut::new();
    let mut encoder = Encoder::new(&mut out).with_references();
    for value in values {
        encoder
            .value(value)
            .expect("what can be encoded can be with references");
    }
    out.freeze()
}

/// Runs the target once.
pub fn run(data: &[u8]) {
    let Ok(values) = decode_all(Bytes::copy_from_slice(data)) else {
        return;
    };
    let mut out = BytesMut::new();
    match encode_all(&values, &mut out) {
        Ok(()) => {}
        Err(Amf3Error::Cycle { .. }) => return,
        Err(error) => panic!("what was decoded can be encoded: {error}"),
    }
    // References may stand for 16 MiB, and 65,536 values may have longer headers than they came with.
    assert!(out.len() <= data.len() + (16 << 20) + (1 << 20));
    // Text is compared, because NaN equals nothing.
    let text = format!("{values:?}");
    for bytes in [out.freeze(), encode_with_references(&values)] {
        let again = decode_all(bytes).expect("what was encoded can be decoded");
        assert_eq!(format!("{again:?}"), text);
    }
}

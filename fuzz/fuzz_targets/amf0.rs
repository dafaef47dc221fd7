//! What decodes can be encoded, and decodes again to the same.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use rtmp_amf::amf0::{Value, decode_all, encode_all};

fn encode(values: &[Value]) -> Bytes {
    let mut out = BytesMut::new();
    encode_all(values, &mut out).expect("what was decoded can be encoded");
    out.freeze()
}

fuzz_target!(|data: &[u8]| {
    let Ok(values) = decode_all(Bytes::copy_from_slice(data)) else {
        return;
    };
    let encoded = encode(&values);
    let again = decode_all(encoded.clone()).expect("what was encoded can be decoded");
    // Bytes are compared, and text, because NaN equals nothing.
    assert_eq!(encode(&again), encoded);
    assert_eq!(format!("{again:?}"), format!("{values:?}"));
});

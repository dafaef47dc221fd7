//! Bytes in the pieces that a socket might give.

/// Splits the input of a target in two: a seed for [`reads`], and the bytes to be parsed.
#[must_use]
pub fn split_seed(data: &[u8]) -> Option<(u32, &[u8])> {
    let (seed, bytes) = data.split_first_chunk()?;
    Some((u32::from_be_bytes(*seed), bytes))
}

/// Cuts `bytes` into reads as a socket or a file might give them; `seed` says where. Seed 0 cuts between all bytes.
pub fn reads(seed: u32, mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    // The low bits choose how long reads are at most, so that short and long ones both occur.
    let longest = 1_u32 << (seed & 15);
    let mut state = seed;
    std::iter::from_fn(move || {
        let len = (state >> 8) % longest + 1;
        state = state.wrapping_mul(1_664_525).wrapping_add(seed);
        let (read, rest) = bytes.split_at_checked(len as usize).unwrap_or((bytes, &[]));
        bytes = rest;
        (!read.is_empty()).then_some(read)
    })
}

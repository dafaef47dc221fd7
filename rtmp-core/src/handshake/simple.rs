//! Packets of the simple form (RTMP 1.0 sections 5.2.3 and 5.2.4).

use super::{PACKET_LEN, Packet, VersionBytes};

/// Packet 1: time, four bytes that the specification calls "zero", random bytes. Boxed, as it outlives the call
/// in a machine that is part of somebody's future.
pub(super) fn packet1(
    now_millis: u32,
    version: VersionBytes,
    fill_random: impl FnOnce(&mut [u8]),
) -> Box<Packet> {
    let mut packet = Box::new([0; PACKET_LEN]);
    let fields: &mut Packet = &mut packet;
    fields[..4].copy_from_slice(&now_millis.to_be_bytes());
    fields[4..8].copy_from_slice(&version);
    fill_random(&mut fields[8..]);
    packet
}

/// Whether `packet2` has the time and the random bytes of `packet1`. The field between them, the time at which
/// packet 1 was read, is the peer's to choose.
pub(super) fn is_echo(packet2: &Packet, packet1: &Packet) -> bool {
    packet2[..4] == packet1[..4] && packet2[8..] == packet1[8..]
}

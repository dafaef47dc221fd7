//! One file a target.

macro_rules! targets {
    ($($name:ident,)*) => {
        $(mod $name;)*

        /// All targets, by name.
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($name), run: $name::run },)*];
    };
}

targets! {
    amf0,
    amf3,
    amf_typed,
    chunk_decoder,
    client_machine,
    commands,
    flv,
    handshake,
    media,
    media_name,
    message,
    mp4_boxes,
    playback,
    proxy,
    relay,
    server_machine,
    sessions,
    url,
}

/// Something that takes any bytes, and panics if it finds a fault in the crates.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// That of its program and of its directory in `corpus`.
    pub name: &'static str,
    /// Runs it once.
    pub run: fn(&[u8]),
}

/// The target of this name.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn find(name: &str) -> Target {
    let target = TARGETS.iter().find(|target| target.name == name);
    *target.expect("the name of a target")
}

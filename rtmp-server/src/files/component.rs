//! One component of a path, made of any text, and back.

/// The rule of [`MediaName`](super::MediaName), for one of its two parts.
pub(super) fn encode(name: &str) -> String {
    let is_device = is_device(name);
    let last = name.len().saturating_sub(1);
    let mut encoded = String::with_capacity(name.len());
    for (place, byte) in name.bytes().enumerate() {
        let is_plain = match byte {
            b'.' => place != 0 && place != last,
            b'a'..=b'z' => place != 0 || !is_device,
            b'0'..=b'9' | b'-' | b'_' => true,
            _ => false,
        };
        if is_plain {
            encoded.push(char::from(byte));
        } else {
            let digits = [byte >> 4, byte & 0x0F].map(|digit| char::from_digit(digit.into(), 16));
            encoded.push('%');
            encoded.extend(digits.into_iter().flatten());
        }
    }
    encoded
}

/// What [`encode`] makes this of; what it never makes may come out as well.
pub(super) fn decode(encoded: &str) -> Option<String> {
    let mut bytes = encoded.bytes();
    let mut name = Vec::with_capacity(encoded.len());
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'%' => {
                let [high, low] = [bytes.next()?, bytes.next()?].map(|digit| char::from(digit).to_digit(16));
                u8::try_from(high? << 4 | low?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(name).ok()
}

/// A name that means nothing but itself on any system, and that the rule gives to no other.
pub(super) fn plain(encoded: &str) -> Option<String> {
    let name = decode(encoded)?;
    let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_. ".contains(&byte);
    let is_at_edge = name.starts_with(['.', ' ']) || name.ends_with(['.', ' ']);
    let is_plain = name.bytes().all(is_harmless) && !is_at_edge && !is_device(&name.to_ascii_lowercase());
    (is_plain && name != encoded).then_some(name)
}

/// What Windows opens as a device in every directory, with any extension. Upper-case letters are encoded anyway.
pub(super) fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let numbered = |prefix| {
        stem.strip_prefix(prefix)
            .is_some_and(|digit| matches!(digit.as_bytes(), [b'0'..=b'9']))
    };
    matches!(stem, "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

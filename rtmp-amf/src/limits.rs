//! How much one peer may make a decoder hold.

/// Bounds on what one value list (one message body) may contain.
///
/// | limit | default | what it bounds | error |
/// |---|---|---|---|
/// | [`depth`](Self::depth) | 32 | containers inside one another; a scalar needs none, a flat object one | [`TooDeep`] |
/// | [`values`](Self::values) | 65,536 | values of a list, nested ones and the containers themselves included | [`TooManyValues`] |
/// | [`expanded_len`](Self::expanded_len) | 16 MiB | bytes that AMF3 references stand for | [`TooLong`] |
///
/// The length of the input bounds the rest: memory is taken for values that were really there, never for the counts
/// and lengths that were declared. Metadata of real encoders is three levels deep and has some dozens of values.
///
/// [`TooDeep`]: crate::Amf0Error::TooDeep
/// [`TooManyValues`]: crate::Amf0Error::TooManyValues
/// [`TooLong`]: crate::Amf3Error::TooLong
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    depth: usize,
    values: usize,
    expanded_len: usize,
}

impl Limits {
    /// The greatest depth that can be asked for: 256. Decoding, encoding, cloning, comparing and dropping recurse
    /// once a level, so this is what keeps the stack of a thread safe.
    pub const MAX_DEPTH: usize = 256;

    /// Containers that may be open at once.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// Values that one list may have altogether.
    #[must_use]
    pub const fn values(&self) -> usize {
        self.values
    }

    /// Bytes that the AMF3 references of one list may stand for altogether: strings, names and whole containers, each
    /// as often as it is referred to. They are shared in memory; the limit is for those who write them out.
    #[must_use]
    pub const fn expanded_len(&self) -> usize {
        self.expanded_len
    }

    /// Sets the depth; more than [`MAX_DEPTH`](Self::MAX_DEPTH) is taken as that, 0 allows scalars only.
    #[must_use]
    pub const fn with_depth(mut self, depth: usize) -> Self {
        self.depth = if depth > Self::MAX_DEPTH {
            Self::MAX_DEPTH
        } else {
            depth
        };
        self
    }

    /// Sets the number of values.
    #[must_use]
    pub const fn with_values(mut self, values: usize) -> Self {
        self.values = values;
        self
    }

    /// Sets how many bytes AMF3 references may stand for.
    #[must_use]
    pub const fn with_expanded_len(mut self, expanded_len: usize) -> Self {
        self.expanded_len = expanded_len;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 32,
            values: 65_536,
            expanded_len: 16 << 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_documented_ones() {
        let Limits {
            depth,
            values,
            expanded_len,
        } = Limits::default();
        assert_eq!((depth, values, expanded_len), (32, 65_536, 16_777_216));
    }

    #[test]
    fn depth_is_capped_so_that_no_setting_endangers_the_stack() {
        assert_eq!(
            Limits::default().with_depth(usize::MAX).depth(),
            Limits::MAX_DEPTH
        );
        assert_eq!(Limits::default().with_depth(0).depth(), 0);
    }
}

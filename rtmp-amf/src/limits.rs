//! How much one peer may make a decoder hold.

/// Bounds on what one value list (one message body) may contain.
///
/// | limit | default | what it bounds | error |
/// |---|---|---|---|
/// | [`max_depth`](Self::max_depth) | 32 | containers inside one another; a scalar needs none, a flat object one | [`TooDeep`] |
/// | [`max_values`](Self::max_values) | 65,536 | values of a list, nested ones and the containers themselves included | [`TooManyValues`] |
/// | [`max_expanded_len`](Self::max_expanded_len) | 16 MiB | bytes that AMF3 references stand for | [`TooLong`] |
///
/// The length of the input bounds the rest: memory is taken for values that were really there, never for the counts
/// and lengths that were declared. Metadata of real encoders is three levels deep and has some dozens of values.
///
/// [`TooDeep`]: crate::Amf0Error::TooDeep
/// [`TooManyValues`]: crate::Amf0Error::TooManyValues
/// [`TooLong`]: crate::Amf3Error::TooLong
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub(crate) max_depth: usize,
    pub(crate) max_values: usize,
    pub(crate) max_expanded_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_depth: 32,
            max_values: 65_536,
            max_expanded_len: 16 << 20,
        }
    }
}

impl Limits {
    /// The greatest depth that can be asked for: 256. Decoding, encoding, cloning, comparing and dropping recurse
    /// once a level, so this is what keeps the stack of a thread safe.
    pub const MAX_DEPTH: usize = 256;

    /// Containers that may be open at once; more than [`MAX_DEPTH`](Self::MAX_DEPTH) is taken as that, 0 allows
    /// scalars only.
    #[must_use]
    pub const fn max_depth(mut self, depth: usize) -> Self {
        self.max_depth = if depth > Self::MAX_DEPTH {
            Self::MAX_DEPTH
        } else {
            depth
        };
        self
    }

    /// Values that one list may have altogether.
    #[must_use]
    pub const fn max_values(mut self, count: usize) -> Self {
        self.max_values = count;
        self
    }

    /// Bytes that the AMF3 references of one list may stand for altogether: strings, names and whole containers, each
    /// as often as it is referred to. They are shared in memory; the limit is for those who write them out.
    #[must_use]
    pub const fn max_expanded_len(mut self, bytes: usize) -> Self {
        self.max_expanded_len = bytes;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_documented_ones() {
        let Limits {
            max_depth,
            max_values,
            max_expanded_len,
        } = Limits::default();
        assert_eq!(
            (max_depth, max_values, max_expanded_len),
            (32, 65_536, 16_777_216)
        );
    }

    #[test]
    fn depth_is_capped_so_that_no_setting_endangers_the_stack() {
        let limits = Limits::default();
        assert_eq!(limits.max_depth(usize::MAX).max_depth, Limits::MAX_DEPTH);
        assert_eq!(limits.max_depth(0).max_depth, 0);
    }
}

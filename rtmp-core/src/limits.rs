//! What a peer may make one end of a connection hold.

use crate::chunk::MAX_MESSAGE_LEN;

/// Bounds on what a peer can make one end of a connection store, for client and server alike. Lengths are in bytes.
///
/// | limit | default | what it bounds | beyond it |
/// |---|---|---|---|
/// | [`max_message_len`](Self::max_message_len) | 10 MiB | a message | the connection ends: [`MessageTooLong`] |
/// | [`max_partial_messages`](Self::max_partial_messages) | 64 | incomplete messages | the connection ends: [`TooManyPartialMessages`] |
/// | [`max_partial_bytes`](Self::max_partial_bytes) | 16 MiB | incomplete messages together | the connection ends: [`PartialMessagesTooLong`] |
/// | [`max_partial_bytes_before_media`](Self::max_partial_bytes_before_media) | 1 MiB | the same before anything is published or played | the connection ends: [`TooLongBeforeMedia`] |
/// | [`max_chunk_streams`](Self::max_chunk_streams) | 1024 | chunk streams in use | the connection ends: [`TooManyChunkStreams`] |
/// | [`max_amf_depth`](Self::max_amf_depth) | 32 | containers inside one another in a command | the command is ignored: [`TooDeep`] |
/// | [`max_amf_values`](Self::max_amf_values) | 65,536 | values of a command | the command is ignored: [`TooManyValues`] |
/// | [`max_amf_values_before_connect`](Self::max_amf_values_before_connect) | 1024 | the same for a client that is not connected | the command is ignored: [`TooManyValues`] |
/// | [`max_amf_expanded_len`](Self::max_amf_expanded_len) | 16 MiB | what AMF3 references of a command stand for | the command is ignored: [`TooLong`] |
/// | [`max_streams`](Self::max_streams) | 32 | streams of a client | `_error`: [`TooManyStreams`] |
/// | [`max_name_len`](Self::max_name_len) | 1024 | the name of an application or a stream, with its query | an error status: [`NameTooLong`] |
///
/// Each error carries what was met and the limit, and names the limit in its text. A declared length is checked as
/// soon as it is read, and reserves nothing: buffers grow with the bytes that came.
///
/// ```
/// use rtmp_core::Limits;
///
/// let limits = Limits::default().max_message_len(4 << 20).max_streams(4);
/// ```
///
/// [`MessageTooLong`]: crate::chunk::ChunkError::MessageTooLong
/// [`TooManyPartialMessages`]: crate::chunk::ChunkError::TooManyPartialMessages
/// [`PartialMessagesTooLong`]: crate::chunk::ChunkError::PartialMessagesTooLong
/// [`TooLongBeforeMedia`]: crate::conn::ProtocolError::TooLongBeforeMedia
/// [`TooManyChunkStreams`]: crate::chunk::ChunkError::TooManyChunkStreams
/// [`TooDeep`]: crate::amf::Amf0Error::TooDeep
/// [`TooManyValues`]: crate::amf::Amf0Error::TooManyValues
/// [`TooLong`]: crate::amf::Amf3Error::TooLong
/// [`TooManyStreams`]: crate::conn::LimitError::TooManyStreams
/// [`NameTooLong`]: crate::conn::LimitError::NameTooLong
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) max_message_len: usize,
    pub(crate) max_partial_messages: usize,
    pub(crate) max_partial_bytes: usize,
    pub(crate) max_partial_bytes_before_media: usize,
    pub(crate) max_chunk_streams: usize,
    pub(crate) amf: rtmp_amf::Limits,
    pub(crate) max_amf_values_before_connect: usize,
    pub(crate) max_streams: usize,
    pub(crate) max_name_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_len: 10 << 20,
            max_partial_messages: 64,
            max_partial_bytes: 16 << 20,
            max_partial_bytes_before_media: 1 << 20,
            max_chunk_streams: 1024,
            amf: rtmp_amf::Limits::default(),
            max_amf_values_before_connect: 1024,
            max_streams: 32,
            max_name_len: 1024,
        }
    }
}

impl Limits {
    /// The longest message accepted; values above 2^24 - 1, the protocol's own limit, count as that.
    #[must_use]
    pub fn max_message_len(mut self, bytes: usize) -> Self {
        self.max_message_len = bytes.min(MAX_MESSAGE_LEN);
        self
    }

    /// How many messages may be incomplete at a time, one a chunk stream; the one being received is among them.
    #[must_use]
    pub fn max_partial_messages(mut self, count: usize) -> Self {
        self.max_partial_messages = count;
        self
    }

    /// How many bytes all incomplete messages together may have received; the chunk being received counts whole from
    /// its header on.
    #[must_use]
    pub fn max_partial_bytes(mut self, bytes: usize) -> Self {
        self.max_partial_bytes = bytes;
        self
    }

    /// What [`max_partial_bytes`](Self::max_partial_bytes) is until something is published or played. It also bounds
    /// the length of a message, so that a stranger can not make us hold much. It is for the two ends of a
    /// [connection](crate::conn); a decoder by itself does not know it.
    #[must_use]
    pub fn max_partial_bytes_before_media(mut self, bytes: usize) -> Self {
        self.max_partial_bytes_before_media = bytes;
        self
    }

    /// How many chunk streams a peer may use in all; each costs less than 100 bytes while it is idle.
    #[must_use]
    pub fn max_chunk_streams(mut self, count: usize) -> Self {
        self.max_chunk_streams = count;
        self
    }

    /// How many objects and arrays of a command may be inside one another; values above 256 count as that
    /// ([`rtmp_amf::Limits::max_depth`]).
    #[must_use]
    pub fn max_amf_depth(mut self, depth: usize) -> Self {
        self.amf = self.amf.max_depth(depth);
        self
    }

    /// How many values a command may have, nested ones included ([`rtmp_amf::Limits::max_values`]). If that is less than
    /// [`max_amf_values_before_connect`](Self::max_amf_values_before_connect), it counts for both.
    #[must_use]
    pub fn max_amf_values(mut self, count: usize) -> Self {
        self.amf = self.amf.max_values(count);
        self.max_amf_values_before_connect = self.max_amf_values_before_connect.min(count);
        self
    }

    /// What [`max_amf_values`](Self::max_amf_values) is for a server until it has accepted `connect`, which it may keep as
    /// long as the connection lasts. A value takes some fifty bytes of memory, and as little as one on the wire. Set it
    /// after `max_amf_values`, which lowers it.
    #[must_use]
    pub fn max_amf_values_before_connect(mut self, count: usize) -> Self {
        self.max_amf_values_before_connect = count;
        self
    }

    /// How many bytes the AMF3 references of a command may stand for ([`rtmp_amf::Limits::max_expanded_len`]).
    #[must_use]
    pub fn max_amf_expanded_len(mut self, bytes: usize) -> Self {
        self.amf = self.amf.max_expanded_len(bytes);
        self
    }

    /// How many streams a client may have at a time.
    #[must_use]
    pub fn max_streams(mut self, count: usize) -> Self {
        self.max_streams = count;
        self
    }

    /// How long the name of an application or a stream may be, with its query.
    #[must_use]
    pub fn max_name_len(mut self, bytes: usize) -> Self {
        self.max_name_len = bytes;
        self
    }

    /// The same for a peer that neither publishes nor plays yet.
    pub(crate) fn before_media(self) -> Self {
        self.max_partial_bytes(self.max_partial_bytes_before_media)
    }

    /// The same for a client that is not connected yet.
    pub(crate) fn before_connect(mut self) -> Self {
        self.amf = self.amf.max_values(self.max_amf_values_before_connect);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_documented_ones() {
        let documented = Limits::default()
            .max_message_len(10_485_760)
            .max_partial_messages(64)
            .max_partial_bytes(16_777_216)
            .max_partial_bytes_before_media(1_048_576)
            .max_chunk_streams(1024)
            .max_amf_depth(32)
            .max_amf_values(65_536)
            .max_amf_values_before_connect(1024)
            .max_amf_expanded_len(16_777_216)
            .max_streams(32)
            .max_name_len(1024);
        assert_eq!(Limits::default(), documented);
    }

    #[test]
    fn a_client_that_is_not_connected_may_send_no_more_values_than_one_that_is() {
        let few = Limits::default().max_amf_values(10);
        assert_eq!(few, few.max_amf_values_before_connect(10));
    }

    #[test]
    fn what_the_protocol_or_the_stack_can_not_bear_is_not_allowed() {
        let limits = Limits::default()
            .max_message_len(usize::MAX)
            .max_amf_depth(usize::MAX);
        assert_eq!(
            limits,
            Limits::default().max_message_len(0xFF_FFFF).max_amf_depth(256)
        );
    }
}

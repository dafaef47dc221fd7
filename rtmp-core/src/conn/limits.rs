//! What a peer may make a machine hold.

use crate::chunk::ChunkLimits;

/// Bounds on what a peer can make a machine store. Lengths are in bytes.
///
/// | limit | default | beyond it |
/// |---|---|---|
/// | [`chunk`](Self::chunk) | see [`ChunkLimits`] | the connection ends |
/// | [`max_partial_bytes_before_media`](Self::max_partial_bytes_before_media) | 1 MiB | the connection ends |
/// | [`amf`](Self::amf) | depth 32, 65536 values a message | the command is ignored |
/// | [`max_streams`](Self::max_streams) | 32 | `createStream` is answered with an error |
/// | [`max_name_len`](Self::max_name_len) | 1024 | the request is answered with an error |
#[derive(Clone, Copy, Debug)]
pub struct ConnLimits {
    pub(super) chunk: ChunkLimits,
    pub(super) max_partial_bytes_before_media: usize,
    pub(super) amf: rtmp_amf::Limits,
    pub(super) max_streams: usize,
    pub(super) max_name_len: usize,
}

impl Default for ConnLimits {
    fn default() -> Self {
        Self {
            chunk: ChunkLimits::default(),
            max_partial_bytes_before_media: 1 << 20,
            amf: rtmp_amf::Limits::default(),
            max_streams: 32,
            max_name_len: 1024,
        }
    }
}

impl ConnLimits {
    /// Limits of the chunk stream once something is published or played.
    #[must_use]
    pub fn chunk(mut self, limits: ChunkLimits) -> Self {
        self.chunk = limits;
        self
    }

    /// How many bytes incomplete messages may have before anything is published or played. It also bounds the length
    /// of a message, so that a stranger can not make us hold much.
    #[must_use]
    pub fn max_partial_bytes_before_media(mut self, bytes: usize) -> Self {
        self.max_partial_bytes_before_media = bytes;
        self
    }

    /// Depth and number of values of a command.
    #[must_use]
    pub fn amf(mut self, limits: rtmp_amf::Limits) -> Self {
        self.amf = limits;
        self
    }

    /// Streams that may exist on a connection at a time.
    #[must_use]
    pub fn max_streams(mut self, count: usize) -> Self {
        self.max_streams = count;
        self
    }

    /// Length of an application or stream name with its query.
    #[must_use]
    pub fn max_name_len(mut self, bytes: usize) -> Self {
        self.max_name_len = bytes;
        self
    }

    /// The chunk limits of a connection on which nothing is published or played yet.
    pub(super) fn chunk_before_media(&self) -> ChunkLimits {
        self.chunk.max_partial_bytes(self.max_partial_bytes_before_media)
    }
}

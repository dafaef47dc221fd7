//! Our client, beside FFmpeg, librtmp, GStreamer and nginx-rtmp when they ask for the same. It is set to their
//! chunk sizes and version texts.

use std::time::Duration;

use rtmp_amf::amf0::Object;
use rtmp_client::{ClientBuilder, ClientConn, ConnectRequest, PlayRequest, PlayStart, PublishKind};
use rtmp_server::{Observers, Relay, SessionConfig};
use rtmp_tests::serve::PIPE_LEN;
use rtmp_tests::session_over;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::difference::{Difference, assert_differs_as_declared, assert_each_is_of};
use crate::transcript::{recording, transcript};

/// The bandwidth that nginx, which served them all, grants its clients.
const NGINX_WINDOW: u32 = 5_000_000;

/// Who asked, and how.
struct Recorded {
    name: &'static str,
    port: u16,
    stream: &'static str,
    flash_version: Option<&'static str>,
    chunk_size: u32,
}

const FFMPEG_PUBLISH: Recorded = Recorded {
    name: "ffmpeg5-publish",
    port: 22936,
    stream: "stream1",
    flash_version: Some("FMLE/3.0 (compatible; Lavf59.27.100)"),
    chunk_size: 4096,
};

const FFMPEG9_PUBLISH: Recorded = Recorded {
    name: "ffmpeg9-publish-hevc-opus",
    port: 22951,
    stream: "enh1_ffmpeg9_hevc_opus",
    flash_version: Some("FMLE/3.0 (compatible; Lavf63.1.102)"),
    chunk_size: 4096,
};

const GSTREAMER_PUBLISH: Recorded = Recorded {
    name: "gst-rtmp2sink-publish",
    port: 22939,
    stream: "gst1",
    flash_version: Some("LNX 10,0,32,18"),
    chunk_size: 128,
};

const LIBRTMP_PUBLISH: Recorded = Recorded {
    name: "gst-rtmpsink-librtmp-publish",
    port: 22940,
    stream: "gst2",
    flash_version: None,
    chunk_size: 128,
};

const NGINX_PUBLISH: Recorded = Recorded {
    name: "nginx-push-relay",
    port: 22945,
    stream: "r1",
    flash_version: Some("LNX.11,1,102,55"),
    chunk_size: 512,
};

const PUBLISHERS: [Recorded; 5] = [
    FFMPEG_PUBLISH,
    FFMPEG9_PUBLISH,
    GSTREAMER_PUBLISH,
    LIBRTMP_PUBLISH,
    NGINX_PUBLISH,
];

const FFMPEG_PLAY: Recorded = Recorded {
    name: "ffmpeg5-play-live",
    port: 22937,
    stream: "live1",
    flash_version: Some("LNX 9,0,124,2"),
    chunk_size: 128,
};

const LIBRTMP_PLAY: Recorded = Recorded {
    name: "rtmpdump-play-live",
    flash_version: Some("LNX 10,0,32,18"),
    ..FFMPEG_PLAY
};

const GSTREAMER_PLAY: Recorded = Recorded {
    name: "gst-rtmp2src-play-live",
    port: 22938,
    ..LIBRTMP_PLAY
};

const NGINX_PLAY: Recorded = Recorded {
    name: "nginx-pull-relay",
    port: 22946,
    stream: "p1",
    ..NGINX_PUBLISH
};

const PLAYERS: [Recorded; 4] = [FFMPEG_PLAY, LIBRTMP_PLAY, GSTREAMER_PLAY, NGINX_PLAY];

const FFMPEG_PUBLISHERS: &[&str] = &["ffmpeg5-publish", "ffmpeg9-publish-hevc-opus"];
const LIBRTMP_PUBLISHER: &[&str] = &["gst-rtmpsink-librtmp-publish"];
const GSTREAMER_PUBLISHER: &[&str] = &["gst-rtmp2sink-publish"];
const NGINX_PUBLISHER: &[&str] = &["nginx-push-relay"];
const FFMPEG_PLAYER: &[&str] = &["ffmpeg5-play-live"];
const LIBRTMP_PLAYER: &[&str] = &["rtmpdump-play-live"];
const GSTREAMER_PLAYER: &[&str] = &["gst-rtmp2src-play-live"];
const NGINX_PLAYER: &[&str] = &["nginx-pull-relay"];

const DIFFERENCES: &[Difference] = &[
    // connect
    Difference {
        of: &[
            FFMPEG_PUBLISHERS,
            LIBRTMP_PUBLISHER,
            GSTREAMER_PUBLISHER,
            NGINX_PUBLISHER,
            FFMPEG_PLAYER,
            LIBRTMP_PLAYER,
            GSTREAMER_PLAYER,
            NGINX_PLAYER,
        ],
        theirs: &[],
        ours: &[
            "    connect.0.audioFourCcInfoMap {}",
            "    connect.0.audioFourCcInfoMap.* 4",
            "    connect.0.capsEx 14",
            "    connect.0.objectEncoding 0",
            "    connect.0.videoFourCcInfoMap {}",
            "    connect.0.videoFourCcInfoMap.* 4",
        ],
        why: "Enhanced RTMP v2 has clients say what they pass on, and RTMP 1.0 section 7.2.1.1 how they encode objects",
    },
    Difference {
        of: &[FFMPEG_PUBLISHERS, LIBRTMP_PUBLISHER, GSTREAMER_PUBLISHER],
        theirs: &[],
        ours: &[
            "    connect.0.audioCodecs 4071",
            "    connect.0.capabilities 15",
            "    connect.0.fpad false",
            "    connect.0.videoCodecs 252",
            "    connect.0.videoFunction 1",
        ],
        why: "a connection of ours may publish and play; theirs publish, and say nothing of players",
    },
    Difference {
        of: &[
            FFMPEG_PLAYER,
            LIBRTMP_PLAYER,
            GSTREAMER_PLAYER,
            NGINX_PUBLISHER,
            NGINX_PLAYER,
        ],
        theirs: &[],
        ours: &["    connect.0.type \"nonprivate\""],
        why: "a connection of ours may publish and play; theirs play, and say nothing of publishers",
    },
    Difference {
        of: &[&["ffmpeg9-publish-hevc-opus"]],
        theirs: &["    connect.0.fourCcList [*]"],
        ours: &[],
        why: "the list of Enhanced RTMP v1 is in the maps of v2",
    },
    Difference {
        of: &[LIBRTMP_PUBLISHER],
        theirs: &[],
        ours: &["    connect.0.flashVer \"FMLE/3.0 (compatible; rtmp-client/*)\""],
        why: "RTMP 1.0 section 7.2.1.1 has it; GStreamer gives librtmp none",
    },
    Difference {
        of: &[LIBRTMP_PLAYER],
        theirs: &["    connect.0.audioCodecs 3191"],
        ours: &["    connect.0.audioCodecs 4071"],
        why: "we say all codecs of RTMP 1.0 section 7.2.1.1 that FFmpeg and GStreamer say",
    },
    Difference {
        of: &[NGINX_PUBLISHER, NGINX_PLAYER],
        theirs: &[
            "    connect.0.audioCodecs 3575",
            "    connect.0.pageUrl \"\"",
            "    connect.0.swfUrl \"\"",
        ],
        ours: &[
            "    connect.0.audioCodecs 4071",
            "    connect.0.capabilities 15",
            "    connect.0.fpad false",
            "    connect.0.videoFunction 1",
        ],
        why: "we say what FFmpeg and librtmp say; there is no page and no player to name",
    },
    // Control
    Difference {
        of: &[FFMPEG_PUBLISHERS, GSTREAMER_PUBLISHER],
        theirs: &["2/0 SetChunkSize(*)"],
        ours: &["2/0 SetChunkSize(*)"],
        why: "we announce it before connect, as nginx does, so that a long one is not cut up; theirs comes later",
    },
    Difference {
        of: &[LIBRTMP_PUBLISHER, FFMPEG_PLAYER, LIBRTMP_PLAYER, GSTREAMER_PLAYER],
        theirs: &[],
        ours: &["2/0 SetChunkSize(128)"],
        why: "we announce it in any case; theirs keep to the 128 bytes that hold without",
    },
    Difference {
        of: &[FFMPEG_PUBLISHERS, LIBRTMP_PUBLISHER],
        theirs: &[],
        ours: &["2/0 WindowAckSize(5000000)"],
        why: "RTMP 1.0 section 5.4.5 has a bandwidth limit answered; theirs do that only as players",
    },
    Difference {
        of: &[NGINX_PUBLISHER, NGINX_PLAYER],
        theirs: &["2/0 WindowAckSize(5000000)"],
        ours: &["2/0 WindowAckSize(5000000)"],
        why: "we answer the bandwidth limit; nginx does not wait for one",
    },
    Difference {
        of: &[GSTREAMER_PLAYER],
        theirs: &["2/0 WindowAckSize(2500000)"],
        ours: &[],
        why: "GStreamer names a window of its own besides the one that it was asked for",
    },
    Difference {
        of: &[LIBRTMP_PLAYER, GSTREAMER_PLAYER],
        theirs: &["2/0 SetBufferLength(0, 300 ms)"],
        ours: &[],
        why: "a buffer belongs to a stream, and there is none yet; the one that is played gets its length",
    },
    // Publishing
    Difference {
        of: &[FFMPEG_PUBLISHERS, LIBRTMP_PUBLISHER],
        theirs: &[
            "3/0 releaseStream 2 null *",
            "3/0 FCPublish 3 null *",
            "3/0 createStream 4 null",
        ],
        ours: &[
            "3/0 createStream 2 null",
            "3/0 releaseStream 3 null *",
            "3/0 FCPublish 4 null *",
        ],
        why: "streams are created before their use is known; servers take either order",
    },
    Difference {
        of: &[GSTREAMER_PUBLISHER],
        theirs: &[
            "3/0 releaseStream 0 null \"gst1\"",
            "3/0 FCPublish 0 null \"gst1\"",
            "3/1 publish 0 null \"gst1\" \"live\"",
            "3/0 FCUnpublish 0 null \"gst1\"",
            "3/0 deleteStream 0 null \"gst1\"",
        ],
        ours: &[
            "3/0 releaseStream 3 null \"gst1\"",
            "3/0 FCPublish 4 null \"gst1\"",
            "8/1 publish 5 null \"gst1\" \"live\"",
            "3/0 FCUnpublish 6 null \"gst1\"",
            "3/0 deleteStream 0 null 1",
        ],
        why: "streams are created first, what has an answer has a number, and streams are deleted by theirs",
    },
    Difference {
        of: &[LIBRTMP_PUBLISHER],
        theirs: &["4/1 publish 5 null \"gst2\" \"live\""],
        ours: &["8/1 publish 5 null \"gst2\" \"live\""],
        why: "FFmpeg's chunk stream for commands of a stream; librtmp has media on the same",
    },
    Difference {
        of: &[NGINX_PUBLISHER],
        theirs: &["5/1 publish 0 null \"r1\" \"live\"", "2/0 StreamBegin(1)"],
        ours: &[
            "3/0 releaseStream 3 null \"r1\"",
            "3/0 FCPublish 4 null \"r1\"",
            "8/1 publish 5 null \"r1\" \"live\"",
        ],
        why: "we ask as encoders do, and leave it to servers to begin streams; nginx sends what it sends to players",
    },
    Difference {
        of: &[FFMPEG_PUBLISHERS, LIBRTMP_PUBLISHER, GSTREAMER_PUBLISHER],
        theirs: &["4/1 data @setDataFrame onMetaData"],
        ours: &["7/1 data @setDataFrame onMetaData"],
        why: "any chunk stream will do for data, and one of its own keeps audio and video apart from them",
    },
    Difference {
        of: &[NGINX_PUBLISHER],
        theirs: &["5/1 data onMetaData"],
        ours: &["7/1 data @setDataFrame onMetaData"],
        why: "servers of the Flash Media Server family keep metadata only with @setDataFrame",
    },
    Difference {
        of: &[NGINX_PUBLISHER],
        theirs: &[],
        ours: &["3/0 FCUnpublish 6 null \"r1\"", "3/0 deleteStream 0 null 1"],
        why: "we take our leave; nginx just closes",
    },
    Difference {
        of: &[FFMPEG_PUBLISHERS, LIBRTMP_PUBLISHER],
        theirs: &["3/0 deleteStream 7 null 1"],
        ours: &["3/0 deleteStream 0 null 1"],
        why: "RTMP 1.0 section 7.2.2.3 has no answer to it, so it has no number",
    },
    // Playing
    Difference {
        of: &[FFMPEG_PLAYER],
        theirs: &["8/0 getStreamLength 3 null \"live1\""],
        ours: &["3/0 getStreamLength 3 null \"live1\""],
        why: "it is on message stream 0, whose commands go on chunk stream 3",
    },
    Difference {
        of: &[GSTREAMER_PLAYER],
        theirs: &["3/1 play 0 null \"live1\" -2"],
        ours: &["8/1 play 3 null \"live1\" -2000"],
        why: "what is answered has a number; FFmpeg and nginx write special starts in milliseconds, and servers read both",
    },
    Difference {
        of: &[NGINX_PLAYER],
        theirs: &["5/1 play 0 null \"p1\" -2000 -1000"],
        ours: &["8/1 play 3 null \"p1\" -2000"],
        why: "what is answered has a number, and a duration that means all of it can be left out",
    },
    Difference {
        of: &[FFMPEG_PLAYER, LIBRTMP_PLAYER],
        theirs: &["3/0 deleteStream 5 null 1"],
        ours: &["3/0 deleteStream 0 null 1"],
        why: "RTMP 1.0 section 7.2.2.3 has no answer to it, so it has no number",
    },
    Difference {
        of: &[GSTREAMER_PLAYER, NGINX_PLAYER],
        theirs: &[],
        ours: &["3/0 deleteStream 0 null 1"],
        why: "we take our leave; theirs just close",
    },
];

impl Recorded {
    fn said(&self) -> Vec<String> {
        transcript(&recording(&format!("{}.c2s", self.name)))
    }

    fn builder(&self) -> ClientBuilder {
        ClientConn::builder().chunk_size(self.chunk_size)
    }

    async fn connect(&self, builder: ClientBuilder, line: DuplexStream) -> ClientConn {
        let url = format!("rtmp://127.0.0.1:{}/live/{}", self.port, self.stream);
        let conn = builder.from_io(line, url).await.expect("the server shakes hands");
        let request = match self.flash_version {
            Some(version) => ConnectRequest::default().property("flashVer", version),
            None => ConnectRequest::default(),
        };
        conn.connect(request).await.expect("the server accepts");
        conn
    }
}

/// What our client says to a server.
async fn said(talk: impl AsyncFnOnce(DuplexStream)) -> Vec<String> {
    let (server, session) = duplex(PIPE_LEN);
    let config = SessionConfig::default().peer_bandwidth(NGINX_WINDOW);
    let observers = Observers::new().relay(Relay::default());
    let running = session_over(session, &observers, config);
    let (client, line) = duplex(PIPE_LEN);
    let ((), said) = tokio::join!(talk(client), listen(line, server));
    running.ended().await;
    transcript(&said)
}

/// Passes bytes on in both directions until the client has gone, and gives those of the client.
async fn listen(client: DuplexStream, server: DuplexStream) -> Vec<u8> {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let forth = async {
        let mut said = Vec::new();
        loop {
            let begun = said.len();
            let len = from_client.read_buf(&mut said).await.expect("a pipe can be read");
            if len == 0 {
                break;
            }
            to_server
                .write_all(&said[begun..])
                .await
                .expect("the server reads");
        }
        to_server.shutdown().await.expect("the server reads");
        said
    };
    // The client may be gone before it has read everything.
    let back = async { drop(tokio::io::copy(&mut from_server, &mut to_client).await) };
    tokio::join!(forth, back).0
}

async fn publishes(like: &Recorded) -> Vec<String> {
    said(async |line| {
        let conn = like.connect(like.builder(), line).await;
        let stream = conn.create_stream().await.expect("the server creates streams");
        let publishing = stream.publish(like.stream, PublishKind::Live).await;
        let mut publisher = publishing.expect("the name is free");
        let metadata = Object::new().with("width", 320.0);
        publisher.send_metadata(metadata).await.expect("the server reads");
        publisher.finish().await.expect("the server reads");
        conn.close().await.expect("the server reads");
    })
    .await
}

/// Plays as FFmpeg does if it asks for the length of the stream, and as librtmp if it subscribes.
async fn plays(like: &Recorded) -> Vec<String> {
    let request = PlayRequest::new(like.stream);
    let (builder, request) = match like.name {
        "ffmpeg5-play-live" => (like.builder().buffer_length(Duration::from_secs(3)), request),
        "rtmpdump-play-live" => (
            like.builder()
                .buffer_length(Duration::from_secs(36_000))
                .subscribe_before_play(true),
            request.start(PlayStart::Live).duration(Duration::from_secs(1)),
        ),
        "gst-rtmp2src-play-live" => (like.builder().buffer_length(Duration::from_secs(30)), request),
        _ => (like.builder().buffer_length(Duration::from_secs(5)), request),
    };
    said(async |line| {
        let conn = like.connect(builder, line).await;
        let stream = conn.create_stream().await.expect("the server creates streams");
        if like.name.starts_with("ffmpeg") {
            conn.stream_length(like.stream).await.expect("the server answers");
        }
        let playback = stream.play(request).await.expect("players may wait");
        playback.close().await.expect("the server reads");
        conn.close().await.expect("the server reads");
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn it_publishes_as_recorded_clients_do_but_for_what_is_declared() {
    for like in &PUBLISHERS {
        assert_differs_as_declared(like.name, &like.said(), &publishes(like).await, DIFFERENCES);
    }
}

#[tokio::test(start_paused = true)]
async fn it_plays_as_recorded_clients_do_but_for_what_is_declared() {
    for like in &PLAYERS {
        assert_differs_as_declared(like.name, &like.said(), &plays(like).await, DIFFERENCES);
    }
}

#[test]
fn every_difference_is_of_a_recording() {
    assert_each_is_of(DIFFERENCES, |name| {
        PUBLISHERS
            .iter()
            .chain(&PLAYERS)
            .any(|recorded| recorded.name == name)
    });
}

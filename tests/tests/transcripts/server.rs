//! Our server, beside nginx-rtmp and FFmpeg when they hear the same. It is set to their windows and chunk sizes.

use rtmp_server::{Observers, Relay, SessionConfig};
use rtmp_tests::media::{keyframe, metadata};
use rtmp_tests::serve::PIPE_LEN;
use rtmp_tests::{Peer, session, session_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use crate::difference::{Difference, assert_differs_as_declared, assert_each_is_of};
use crate::transcript::{recording, transcript};

/// Who served a recorded client, and how.
struct Recorded {
    name: &'static str,
    window: u32,
    chunk_size: u32,
    /// What the client plays, if it does.
    plays: Option<&'static str>,
}

const fn nginx(name: &'static str, plays: Option<&'static str>) -> Recorded {
    Recorded {
        name,
        window: 5_000_000,
        chunk_size: 4096,
        plays,
    }
}

const RECORDED: &[Recorded] = &[
    nginx("ffmpeg5-publish", None),
    nginx("ffmpeg9-publish-hevc-opus", None),
    nginx("gst-rtmp2sink-publish", None),
    nginx("gst-rtmpsink-librtmp-publish", None),
    nginx("nginx-push-relay", None),
    Recorded {
        name: "ffmpeg5-publish-to-ffmpeg5-listen",
        window: 2_500_000,
        chunk_size: 128,
        plays: None,
    },
    nginx("ffmpeg5-play-live", Some("live1")),
    nginx("rtmpdump-play-live", Some("live1")),
    nginx("gst-rtmp2src-play-live", Some("live1")),
    nginx("nginx-pull-relay", Some("p1")),
];

/// Publishers that nginx served.
const PUBLISHERS: &[&str] = &[
    "ffmpeg5-publish",
    "ffmpeg9-publish-hevc-opus",
    "gst-rtmp2sink-publish",
    "gst-rtmpsink-librtmp-publish",
    "nginx-push-relay",
];

/// Those whose FCPublish and FCUnpublish want answers.
const ASKING_PUBLISHERS: &[&str] = &[
    "ffmpeg5-publish",
    "ffmpeg9-publish-hevc-opus",
    "gst-rtmpsink-librtmp-publish",
];

/// Those that say when they end.
const ENDING_PUBLISHERS: &[&str] = &[
    "ffmpeg5-publish",
    "ffmpeg9-publish-hevc-opus",
    "gst-rtmp2sink-publish",
    "gst-rtmpsink-librtmp-publish",
];

/// Players that nginx served.
const PLAYERS: &[&str] = &[
    "ffmpeg5-play-live",
    "rtmpdump-play-live",
    "gst-rtmp2src-play-live",
    "nginx-pull-relay",
];

/// A publisher that FFmpeg served.
const SERVED_BY_FFMPEG: &[&str] = &["ffmpeg5-publish-to-ffmpeg5-listen"];

const ALL: &[&[&str]] = &[PUBLISHERS, PLAYERS, SERVED_BY_FFMPEG];

const DIFFERENCES: &[Difference] = &[
    Difference {
        of: ALL,
        theirs: &["    _result.0.fmsVer \"FMS/3,0,1,123\""],
        ours: &["    _result.0.fmsVer \"FMS/3,5,7,7009\"", "    _result.0.mode 1"],
        why: "we have the properties of Flash Media Server 3.5, whose versions some clients compare",
    },
    Difference {
        of: ALL,
        theirs: &[],
        ours: &[
            "    _result.0.audioFourCcInfoMap {}",
            "    _result.0.audioFourCcInfoMap.* 4",
            "    _result.0.capsEx 14",
            "    _result.0.videoFourCcInfoMap {}",
            "    _result.0.videoFourCcInfoMap.* 4",
        ],
        why: "Enhanced RTMP v2 has servers say what they pass on; theirs are older",
    },
    Difference {
        of: &[PUBLISHERS, PLAYERS],
        theirs: &[],
        ours: &["2/0 StreamBegin(0)"],
        why: "RTMP 1.0 section 7.2.1.1 has it sent when connect is accepted; nginx leaves it out",
    },
    Difference {
        of: &[PUBLISHERS],
        theirs: &["    onStatus.1.description \"Start publishing\""],
        ours: &["    onStatus.1.description \"Started publishing.\""],
        why: "descriptions are for people, and each server has its own",
    },
    Difference {
        of: &[PUBLISHERS],
        theirs: &[],
        ours: &["2/0 StreamBegin(1)"],
        why: "a stream that may be published is functional, as FFmpeg says too; nginx leaves it out",
    },
    Difference {
        of: &[ASKING_PUBLISHERS],
        theirs: &[],
        ours: &[
            "3/0 _result 2 null undefined",
            "3/0 _result 3 null null",
            "3/0 _result 6 null null",
        ],
        why: "releaseStream, FCPublish and FCUnpublish have numbers, and some encoders wait; nginx does not answer",
    },
    Difference {
        of: &[ENDING_PUBLISHERS],
        theirs: &["    onStatus.1.description \"Stop publishing\""],
        ours: &["    onStatus.1.description \"Stopped publishing.\""],
        why: "descriptions are for people, and each server has its own",
    },
    Difference {
        of: &[ENDING_PUBLISHERS],
        theirs: &[],
        ours: &[
            "3/0 onFCPublish 0 null {}",
            "    onFCPublish.1.code \"NetStream.Publish.Start\"",
            "    onFCPublish.1.description \"*\"",
            "    onFCPublish.1.level \"status\"",
            "3/0 onFCUnpublish 0 null {}",
            "    onFCUnpublish.1.code \"NetStream.Unpublish.Success\"",
            "    onFCUnpublish.1.description \"*\"",
            "    onFCUnpublish.1.level \"status\"",
        ],
        why: "Flash Media Server calls them, and some encoders wait; nginx does not",
    },
    Difference {
        of: &[PLAYERS],
        theirs: &["    onStatus.1.description \"Start live\""],
        ours: &["    onStatus.1.description \"Started playing.\""],
        why: "descriptions are for people, and each server has its own",
    },
    Difference {
        of: &[PLAYERS],
        theirs: &[],
        ours: &[
            "5/1 onStatus 0 null {}",
            "    onStatus.1.code \"NetStream.Play.Reset\"",
            "    onStatus.1.description \"Playing and resetting.\"",
            "    onStatus.1.level \"status\"",
        ],
        why: "RTMP 1.0 section 7.2.2.1 has it sent to who resets the playlist; nginx leaves it out",
    },
    Difference {
        of: &[PLAYERS],
        theirs: &["5/1 data |RtmpSampleAccess"],
        ours: &[],
        why: "only the publisher can say whether samples may be read; nginx says it for all",
    },
    Difference {
        of: &[&["gst-rtmp2src-play-live", "nginx-pull-relay"]],
        theirs: &["5/1 data onMetaData"],
        ours: &["7/1 data onMetaData"],
        why: "any chunk stream will do for data",
    },
    Difference {
        of: &[&["ffmpeg5-play-live", "rtmpdump-play-live"]],
        theirs: &["5/1 data onMetaData", "2/0 StreamEof(1)"],
        ours: &[],
        why: "here they ask and leave in one breath, and who has left gets nothing more",
    },
    Difference {
        of: &[&["ffmpeg5-play-live"]],
        theirs: &[],
        ours: &["3/0 _result 3 null 0"],
        why: "getStreamLength has a number; nginx does not answer",
    },
    Difference {
        of: &[&["rtmpdump-play-live"]],
        theirs: &[],
        ours: &[
            "3/0 _result 3 null null",
            "3/0 onFCSubscribe 0 null {}",
            "    onFCSubscribe.1.code \"NetStream.Play.Start\"",
            "    onFCSubscribe.1.description \"live1\"",
            "    onFCSubscribe.1.level \"status\"",
        ],
        why: "FCSubscribe has a number, and who sends it waits for the call elsewhere; nginx does not answer",
    },
    Difference {
        of: &[SERVED_BY_FFMPEG],
        theirs: &["3/0 onBWDone 0 null 8192"],
        ours: &[],
        why: "we measure no bandwidth; FFmpeg does not either, and only says that it is done",
    },
    Difference {
        of: &[SERVED_BY_FFMPEG],
        theirs: &[
            "3/0 _result 2 null",
            "3/0 onFCPublish 0 null",
            "3/0 _result 5 null",
        ],
        ours: &[
            "3/0 _result 2 null undefined",
            "3/0 _result 3 null null",
            "3/0 onFCPublish 0 null {}",
            "    onFCPublish.1.code \"NetStream.Publish.Start\"",
            "    onFCPublish.1.description \"s1\"",
            "    onFCPublish.1.level \"status\"",
            "3/0 _result 5 null null",
        ],
        why: "answers have a value behind the command object, and each number is answered; FFmpeg says the least it can",
    },
    Difference {
        of: &[SERVED_BY_FFMPEG],
        theirs: &[
            "3/1 onStatus 0 null {}",
            "    onStatus.1.description \"s1 is now published\"",
            "    onStatus.1.details \"s1\"",
        ],
        ours: &[
            "5/1 onStatus 0 null {}",
            "    onStatus.1.description \"Started publishing.\"",
        ],
        why: "any chunk stream will do for a status, and descriptions are for people; FFmpeg repeats the name",
    },
    Difference {
        of: &[SERVED_BY_FFMPEG],
        theirs: &["3/0 deleteStream 1 null 0"],
        ours: &[
            "3/0 _result 7 null null",
            "3/0 onFCUnpublish 0 null {}",
            "    onFCUnpublish.1.code \"NetStream.Unpublish.Success\"",
            "    onFCUnpublish.1.description \"s1\"",
            "    onFCUnpublish.1.level \"status\"",
            "5/1 onStatus 0 null {}",
            "    onStatus.1.code \"NetStream.Unpublish.Success\"",
            "    onStatus.1.description \"Stopped publishing.\"",
            "    onStatus.1.level \"status\"",
        ],
        why: "a publisher that ends is told so; FFmpeg tells it to delete a stream instead",
    },
];

/// Our answers to a recorded client. What it plays is being published.
async fn answers(recorded: &Recorded) -> Vec<String> {
    let observers = Observers::new().relay(Relay::default());
    let (line, _publishing) = session(&observers);
    let mut publisher = Peer::connected(line, "live").await;
    if let Some(name) = recorded.plays {
        let stream = publisher.publish(name).await.expect("the name is free");
        publisher.send(stream, &[metadata(0, 1), keyframe(0, 2)]).await;
    }

    let (client, server) = duplex(PIPE_LEN);
    let config = SessionConfig::default()
        .window_ack_size(recorded.window)
        .peer_bandwidth(recorded.window)
        .chunk_size(recorded.chunk_size);
    let running = session_over(server, &observers, config);
    let (mut from_server, mut to_server) = tokio::io::split(client);
    let said = recording(&format!("{}.c2s", recorded.name));
    let say = async {
        to_server.write_all(&said).await.expect("the server reads");
        to_server.shutdown().await.expect("the server reads");
    };
    let mut heard = Vec::new();
    let (_, ended) = tokio::join!(say, from_server.read_to_end(&mut heard));
    ended.expect("the server ends the line");
    running.ended().await;
    transcript(&heard)
}

#[tokio::test(start_paused = true)]
async fn it_answers_recorded_clients_as_nginx_and_ffmpeg_do_but_for_what_is_declared() {
    for recorded in RECORDED {
        let theirs = transcript(&recording(&format!("{}.s2c", recorded.name)));
        assert_differs_as_declared(recorded.name, &theirs, &answers(recorded).await, DIFFERENCES);
    }
}

#[test]
fn every_difference_is_of_a_recording() {
    assert_each_is_of(DIFFERENCES, |name| {
        RECORDED.iter().any(|recorded| recorded.name == name)
    });
}

//! What real programs ask for, as those who decide in our server see it.

use std::time::Duration;

use rtmp_amf::amf0::{Object, Value};
use rtmp_core::message::{
    ConnectRequest, PlayRequest, PlayStart, PublishKind, PublishRequest, TransactionId, UserControl,
};
use rtmp_server::{Observers, Request, Requests, request_channel};
use rtmp_tests::RunningServer;
use tokio::time::timeout;

use crate::process::DEADLINE;
use crate::programs::{PlayerKind, PublisherKind, scratch};
use crate::wire::Wire;

/// A server in this process whose questions are answered by the test.
struct AskingServer {
    server: RunningServer,
    requests: Requests,
}

impl AskingServer {
    async fn start() -> Self {
        let (observer, requests) = request_channel(1);
        let server = RunningServer::start(Observers::new().requests(observer)).await;
        Self { server, requests }
    }

    async fn next(&mut self) -> Request {
        let next = timeout(DEADLINE, self.requests.recv()).await;
        next.expect("a program asks").expect("the server runs")
    }

    /// Accepts a connection.
    async fn connect(&mut self) -> ConnectRequest {
        match self.next().await {
            Request::Connect(asked) => {
                let request = asked.request().clone();
                asked.accept();
                request
            }
            other => panic!("not connected yet: {other:?}"),
        }
    }

    /// Refuses to play.
    async fn play(&mut self) -> PlayRequest {
        match self.next().await {
            Request::Play(asked) => {
                let request = asked.request().clone();
                asked.reject("seen");
                request
            }
            other => panic!("no player: {other:?}"),
        }
    }

    /// Lets a program publish.
    async fn publish(&mut self) -> PublishRequest {
        match self.next().await {
            Request::Publish(asked) => {
                let request = asked.request().clone();
                asked.accept();
                request
            }
            other => panic!("no publisher: {other:?}"),
        }
    }

    /// Lets `kind` play `live/cam` with `options`.
    async fn asked_by(&mut self, kind: PlayerKind, options: &[&str]) -> (ConnectRequest, PlayRequest) {
        let directory = scratch();
        let player = kind.play_with(options, &self.server.url("cam"), directory.path(), "player");
        let asked = (self.connect().await, self.play().await);
        drop(player);
        asked
    }
}

/// What [`CONN_OPTION`] and [`CONN_OPTIONS`] say: a flag, a token, an object with a number, a text and an object in
/// it, and nothing. These programs have no way to say it in AMF3.
fn extra_arguments() -> [Value; 4] {
    let inner = Object::new().with("on", false);
    let object = Object::new()
        .with("code", 1.23)
        .with("flag", "ok")
        .with("inner", inner);
    [
        Value::Boolean(true),
        Value::from("authMe"),
        Value::Object(object),
        Value::Null,
    ]
}

const CONN_OPTION: &str = "B:1 S:authMe O:1 NN:code:1.23 NS:flag:ok NO:inner:1 NB:on:0 O:0 O:0 Z:";

const CONN_OPTIONS: [&str; 20] = [
    "-C",
    "B:1",
    "-C",
    "S:authMe",
    "-C",
    "O:1",
    "-C",
    "NN:code:1.23",
    "-C",
    "NS:flag:ok",
    "-C",
    "NO:inner:1",
    "-C",
    "NB:on:0",
    "-C",
    "O:0",
    "-C",
    "O:0",
    "-C",
    "Z:",
];

const PAGE: &str = "https://example.org/page?a=b";
const PLAYER: &str = "https://example.org/player.swf";
const FLASH_VERSION: &str = "LNX 9,0,124,2";

#[tokio::test]
async fn everything_that_ffmpeg_says_of_a_player_arrives() {
    let mut server = AskingServer::start().await;
    let options = [
        "-rtmp_conn",
        CONN_OPTION,
        "-rtmp_pageurl",
        PAGE,
        "-rtmp_swfurl",
        PLAYER,
        "-rtmp_tcurl",
        "rtmp://example.org/other?x=y",
        "-rtmp_flashver",
        FLASH_VERSION,
    ];
    let (connect, play) = server.asked_by(PlayerKind::Ffmpeg, &options).await;
    assert_eq!(connect.arguments(), extra_arguments());
    let properties = Object::new()
        .with("app", "live")
        .with("flashVer", FLASH_VERSION)
        .with("swfUrl", PLAYER)
        .with("tcUrl", "rtmp://example.org/other?x=y")
        .with("fpad", false)
        .with("capabilities", 15.0)
        .with("audioCodecs", 4071.0)
        .with("videoCodecs", 252.0)
        .with("videoFunction", 1.0)
        .with("pageUrl", PAGE);
    assert_eq!(connect.properties(), &properties);
    assert_eq!(play, PlayRequest::new("cam"));
}

/// An encoder has no page, and FFmpeg sends none.
#[tokio::test]
async fn everything_that_ffmpeg_says_of_a_publisher_arrives() {
    let mut server = AskingServer::start().await;
    let options = [
        "-rtmp_conn",
        CONN_OPTION,
        "-rtmp_swfurl",
        PLAYER,
        "-rtmp_tcurl",
        "rtmp://example.org/other?x=y",
        "-rtmp_flashver",
        FLASH_VERSION,
    ];
    let _publisher = PublisherKind::Ffmpeg.publish_with(&options, &server.server.url("cam?token=1"));
    let connect = server.connect().await;
    assert_eq!(connect.arguments(), extra_arguments());
    assert_eq!(connect.app(), "live");
    assert_eq!(connect.get("pageUrl"), None);
    assert_eq!(connect.text("swfUrl"), Some(PLAYER));
    assert_eq!(connect.tc_url(), Some("rtmp://example.org/other?x=y"));
    assert_eq!(connect.text("flashVer"), Some(FLASH_VERSION));
    assert_eq!(connect.text("type"), Some("nonprivate"));
    assert_eq!(
        server.publish().await,
        PublishRequest::new("cam?token=1", PublishKind::Live)
    );
}

#[tokio::test]
async fn ffmpeg_asks_for_a_live_stream_a_recording_or_either() {
    let mut server = AskingServer::start().await;
    for (live, start) in [
        ("any", PlayStart::LiveOrRecorded),
        ("live", PlayStart::Live),
        ("recorded", PlayStart::Recorded(Duration::ZERO)),
    ] {
        let (_, play) = server.asked_by(PlayerKind::Ffmpeg, &["-rtmp_live", live]).await;
        assert_eq!(play, PlayRequest::new("cam").start(start), "-rtmp_live {live}");
    }
}

#[tokio::test]
async fn the_buffer_length_that_ffmpeg_is_told_to_have_is_on_the_wire() {
    let mut server = AskingServer::start().await;
    let mut wire = Wire::to(server.server.addr()).await;
    let directory = scratch();
    let _player = PlayerKind::Ffmpeg.play_with(
        &["-rtmp_buffer", "1500"],
        &wire.url("cam"),
        directory.path(),
        "player",
    );
    server.connect().await;
    server.play().await;
    let is_buffer_length = |event: &UserControl| matches!(event, UserControl::SetBufferLength { .. });
    let event = wire.user_control("buffer length", is_buffer_length).await;
    let UserControl::SetBufferLength { length, .. } = event else {
        panic!("no buffer length: {event:?}");
    };
    assert_eq!(length, Duration::from_millis(1500));
}

#[tokio::test]
async fn everything_that_rtmpdump_says_of_a_player_arrives() {
    let mut server = AskingServer::start().await;
    let mut options = CONN_OPTIONS.to_vec();
    options.extend(["-p", PAGE, "-s", PLAYER, "--flashVer", FLASH_VERSION]);
    let (connect, play) = server.asked_by(PlayerKind::Rtmpdump, &options).await;
    assert_eq!(connect.arguments(), extra_arguments());
    assert_eq!(connect.app(), "live");
    assert_eq!(connect.text("pageUrl"), Some(PAGE));
    assert_eq!(connect.text("swfUrl"), Some(PLAYER));
    assert_eq!(
        connect.tc_url(),
        Some(server.server.url("").trim_end_matches('/'))
    );
    assert_eq!(connect.text("flashVer"), Some(FLASH_VERSION));
    assert_eq!(connect.get("videoFunction"), Some(&Value::Number(1.0)));
    assert_eq!(
        play,
        PlayRequest::new("cam").start(PlayStart::Recorded(Duration::ZERO))
    );
}

#[tokio::test]
async fn rtmpdump_asks_for_a_live_stream_or_a_part_of_a_recording() {
    let mut server = AskingServer::start().await;
    let recorded = |seconds| PlayRequest::new("cam").start(PlayStart::Recorded(Duration::from_secs(seconds)));
    for (options, expected) in [
        (&["--live"][..], PlayRequest::new("cam").start(PlayStart::Live)),
        (&["--start", "12"][..], recorded(12)),
        (
            &["--stop", "30"][..],
            recorded(0).duration(Duration::from_secs(30)),
        ),
        (
            &["-A", "12", "-B", "30"][..],
            recorded(12).duration(Duration::from_secs(18)),
        ),
    ] {
        let (_, play) = server.asked_by(PlayerKind::Rtmpdump, options).await;
        assert_eq!(play, expected, "{options:?}");
    }
}

#[tokio::test]
async fn the_names_that_ffmpeg_and_rtmpdump_are_told_to_ask_for_arrive_as_they_are() {
    let mut server = AskingServer::start().await;
    let options = [
        "-rtmp_app",
        "studio/a?key=1",
        "-rtmp_playpath",
        "mp4:a/b.mp4?x=y&z",
    ];
    let (connect, play) = server.asked_by(PlayerKind::Ffmpeg, &options).await;
    assert_eq!((connect.app(), connect.app_query()), ("studio/a", Some("key=1")));
    assert_eq!(play.name(), "mp4:a/b.mp4?x=y&z");

    let tc_url = "rtmp://example.org/other?x=y";
    let options = ["-a", "studio/a?key=1", "-y", "mp4:a/b.mp4?x=y&z", "-t", tc_url];
    let (connect, play) = server.asked_by(PlayerKind::Rtmpdump, &options).await;
    assert_eq!((connect.app(), connect.app_query()), ("studio/a", Some("key=1")));
    assert_eq!(connect.tc_url(), Some(tc_url));
    assert_eq!(play.name(), "mp4:a/b.mp4?x=y&z");

    let options = ["-rtmp_playpath", "studio?key=1"];
    let url = server.server.url("");
    let _publisher = PublisherKind::Ffmpeg.publish_with(&options, url.trim_end_matches('/'));
    assert_eq!(server.connect().await.app(), "live");
    assert_eq!(
        server.publish().await,
        PublishRequest::new("studio?key=1", PublishKind::Live)
    );
}

#[tokio::test]
async fn ffmpeg_and_rtmpdump_subscribe_before_they_play() {
    for (kind, options) in [
        (PlayerKind::Ffmpeg, ["-rtmp_subscribe", "feed"]),
        (PlayerKind::Rtmpdump, ["-d", "feed"]),
    ] {
        let mut server = AskingServer::start().await;
        let mut wire = Wire::to(server.server.addr()).await;
        let directory = scratch();
        let _player = kind.play_with(&options, &wire.url("cam"), directory.path(), "player");
        server.connect().await;
        assert_eq!(server.play().await.name(), "cam");
        let subscribe = wire.command("FCSubscribe").await;
        assert_eq!(subscribe.text_argument(0), Some("feed"), "{kind:?}");
        assert!(subscribe.transaction.expects_answer(), "{kind:?}");
    }
}

#[tokio::test]
async fn the_buffer_length_that_rtmpdump_is_told_to_have_is_on_the_wire() {
    let mut server = AskingServer::start().await;
    let mut wire = Wire::to(server.server.addr()).await;
    let directory = scratch();
    let options = ["--live", "-b", "1500"];
    let _player = PlayerKind::Rtmpdump.play_with(&options, &wire.url("cam"), directory.path(), "player");
    server.connect().await;
    server.play().await;
    let expected = Duration::from_millis(1500);
    wire.user_control(
        "buffer length",
        |event| matches!(event, UserControl::SetBufferLength { length, .. } if *length == expected),
    )
    .await;
}

/// GStreamer wants no answer to them, and says so with transaction 0.
#[tokio::test]
async fn gstreamer_publishes_and_plays_with_transaction_0() {
    let mut server = AskingServer::start().await;
    let mut wire = Wire::to(server.server.addr()).await;
    let publisher = PublisherKind::Rtmp2sink.publish(&wire.url("cam"));
    server.connect().await;
    assert_eq!(
        server.publish().await,
        PublishRequest::new("cam", PublishKind::Live)
    );
    for command in ["releaseStream", "FCPublish", "publish"] {
        assert_eq!(
            wire.command(command).await.transaction,
            TransactionId::NONE,
            "{command}"
        );
    }
    publisher.succeeded().await;

    let mut wire = Wire::to(server.server.addr()).await;
    let directory = scratch();
    let _player = PlayerKind::Rtmp2src.play(&wire.url("cam"), directory.path(), "player");
    server.connect().await;
    assert_eq!(server.play().await.name(), "cam");
    assert_eq!(wire.command("play").await.transaction, TransactionId::NONE);
}

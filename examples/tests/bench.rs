//! The load generator against servers on a free port of the loopback interface.

use std::future::pending;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use clap::Parser;
use rtmp_core::conn::{ServerConfig, ServerEvent, ServerMachine};
use rtmp_core::message::{ConnectReply, PlayRequest};
use rtmp_core::url::RtmpUrl;
use rtmp_core::{MediaMessage, Timestamp};
use rtmp_examples::bench::connect::{self, ConnectOptions};
use rtmp_examples::bench::flaps::{self, FlapsOptions};
use rtmp_examples::bench::floor::{self, FloorOptions};
use rtmp_examples::bench::idle::{self, IdleOptions, Stage};
use rtmp_examples::bench::players::{self, Check, PlayersOptions};
use rtmp_examples::bench::publishers::{self, PublishersOptions, PublishersReport};
use rtmp_examples::bench::throughput::{self, ThroughputOptions};
use rtmp_examples::bench::{BenchError, Report};
use rtmp_examples::tls::ClientTls;
use rtmp_server::tls::{TlsAcceptor, TlsConfig};
use rtmp_server::{Listener, Observers, PlayGrant, PlayObserver, Relay, Server, SessionInfo, Verdict};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::{Semaphore, oneshot};

/// 5 s of H.264 and AAC; the counts are those of `ffprobe -count_packets`.
const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/media/clip.flv");
const CLIP_VIDEO_FRAMES: u64 = 125;
const CLIP_AUDIO_FRAMES: u64 = 217;

/// Counts the players that are in the relay.
#[derive(Clone)]
struct Joined(Arc<Semaphore>);

#[async_trait]
impl PlayObserver for Joined {
    async fn on_play(&self, _: &SessionInfo, _: &PlayRequest) -> Verdict<PlayGrant> {
        self.0.add_permits(1);
        Verdict::accept()
    }
}

impl Joined {
    async fn wait_for(&self, players: u32) {
        let _permits = self.0.acquire_many(players).await.unwrap();
    }
}

/// A relay that runs as a task.
async fn relay() -> (SocketAddr, Joined) {
    let joined = Joined(Arc::new(Semaphore::new(0)));
    // Observers are asked in this order: whoever is counted has its place in the stream.
    let observers = Observers::new().relay(Relay::default()).play(joined.clone());
    let server = Server::bind("127.0.0.1:0").await.unwrap().observers(observers);
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve());
    (address, joined)
}

fn players(address: SocketAddr, count: usize) -> PlayersOptions {
    PlayersOptions {
        url: format!("rtmp://{address}/live/cam").parse().unwrap(),
        count,
        seconds: Duration::from_millis(500),
        ramp: 1000,
        check: Check::All,
        compare: Some(PathBuf::from(CLIP)),
        pid: None,
        tls: ClientTls::default(),
    }
}

fn publishers(address: SocketAddr) -> PublishersOptions {
    PublishersOptions {
        url: format!("rtmp://{address}/live/cam").parse().unwrap(),
        file: PathBuf::from(CLIP),
        count: 1,
        fast: true,
        stamp: true,
        seconds: None,
        rounds: Some(1),
        ramp: 1000,
        pid: None,
        tls: ClientTls::default(),
    }
}

async fn bench(arguments: &[&str]) -> Output {
    let mut tool = Command::new(Path::new(env!("CARGO_BIN_EXE_bench")));
    tool.args(arguments).kill_on_drop(true).output().await.unwrap()
}

#[tokio::test]
async fn players_that_wait_get_every_frame_of_the_file() {
    let (address, joined) = relay().await;
    let publish = async {
        joined.wait_for(4).await;
        publishers::run(&publishers(address), pending()).await
    };
    let options = players(address, 4);
    let (played, published) = tokio::join!(players::run(&options, pending()), publish);
    let (played, published) = (played.unwrap(), published.unwrap());

    assert_eq!(published.failures(), [""; 0]);
    assert_eq!((published.started, published.lost), (1, 0));
    assert!(published.messages > CLIP_VIDEO_FRAMES + CLIP_AUDIO_FRAMES);
    assert_eq!(played.failures(), [""; 0]);
    assert_eq!((played.joined, played.ended, played.checked_players), (4, 4, 4));
    assert_eq!(played.video_frames, 4 * CLIP_VIDEO_FRAMES);
    assert_eq!(played.audio_frames, 4 * CLIP_AUDIO_FRAMES);
    assert_eq!(played.missed_frames, 0);
    assert!(played.received_bytes > 4 * std::fs::metadata(CLIP).unwrap().len());
}

#[tokio::test]
async fn a_stream_that_is_not_the_file_is_a_fault() {
    let (address, joined) = relay().await;
    let other = PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/other.flv"));
    let mut bytes = std::fs::read(CLIP).unwrap();
    // Inside the coded data of an audio frame.
    let place = bytes.len() / 2 + 20;
    bytes[place] ^= 1;
    std::fs::write(&other, bytes).unwrap();
    let publish = async {
        joined.wait_for(1).await;
        publishers::run(
            &PublishersOptions {
                file: other,
                ..publishers(address)
            },
            pending(),
        )
        .await
    };
    let options = players(address, 1);
    let (played, published) = tokio::join!(players::run(&options, pending()), publish);
    assert_eq!(published.unwrap().failures(), [""; 0]);
    let played = played.unwrap();
    assert_eq!(played.faults, 1);
    assert!(
        played
            .failures()
            .iter()
            .any(|line| line.contains("is not what the file has there"))
    );
}

/// Serves one player these messages, and hangs up.
async fn serve_and_hang_up(listener: TcpListener, messages: &[MediaMessage]) {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut machine = ServerMachine::new(ServerConfig::default(), Duration::ZERO, |bytes| bytes.fill(7));
    let mut input = BytesMut::new();
    let mut served = false;
    while !served {
        while let Some(event) = machine.poll_event(&mut input, Duration::ZERO).unwrap() {
            match event {
                ServerEvent::Connect(_) => machine.accept_connect(&ConnectReply::default()).unwrap(),
                ServerEvent::Play { stream, .. } => {
                    machine.accept_play(stream).unwrap();
                    for message in messages {
                        machine.send_media(stream, message).unwrap();
                    }
                    served = true;
                }
                _ => {}
            }
        }
        socket.write_all_buf(machine.output()).await.unwrap();
        if !served {
            assert_ne!(socket.read_buf(&mut input).await.unwrap(), 0);
        }
    }
    socket.shutdown().await.unwrap();
    // The player hangs up, too.
    while socket.read_buf(&mut input).await.is_ok_and(|count| count > 0) {}
}

#[tokio::test]
async fn what_a_faulty_server_does_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = PlayersOptions {
        compare: None,
        ..players(listener.local_addr().unwrap(), 1)
    };
    // Video that begins between keyframes, without sequence header.
    let inter_frame = |millis| {
        let body = &b"\x27\x01\0\0\0\0\0\0\x02\x41\x01"[..];
        MediaMessage::video(Timestamp::from_millis(millis), body)
    };
    let messages = [inter_frame(80), inter_frame(40)];
    let (played, ()) = tokio::join!(
        players::run(&options, pending()),
        serve_and_hang_up(listener, &messages)
    );
    let played = played.unwrap();
    assert_eq!(
        (played.joined, played.lost, played.failed, played.faults),
        (1, 1, 0, 3)
    );
    let expected = [
        "1 of 1 players were cut off",
        "1 x the server closed the connection",
        "3 faults in what players received",
        "1 x the time of video went back from 80 ms to 40 ms",
        "1 x video began without its sequence header, at 80 ms",
        "1 x video did not begin with a keyframe, at 80 ms",
    ];
    assert_eq!(played.failures(), expected);
}

#[tokio::test]
async fn frames_that_are_left_out_are_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = PlayersOptions {
        compare: None,
        ..players(listener.local_addr().unwrap(), 1)
    };
    let header = MediaMessage::video(Timestamp::ZERO, &b"\x17\0\0\0\0\x01\x4D\x40\x1E\xFF\xE1\0\0"[..]);
    let keyframe = |number: u32| {
        let stamp = format!("\u{6}\u{5}\u{28}rtmp bench stamp{number:08x}{:016x}", 0);
        let body = [
            b"\x17\x01\0\0\0\0\0\0\x2C",
            stamp.as_bytes(),
            b"\x80\0\0\0\x02\x65\x01",
        ]
        .concat();
        MediaMessage::video(Timestamp::from_millis(number * 40), body)
    };
    let messages = [header, keyframe(0), keyframe(1), keyframe(4)];
    let (played, ()) = tokio::join!(
        players::run(&options, pending()),
        serve_and_hang_up(listener, &messages)
    );
    let played = played.unwrap();
    assert_eq!((played.faults, played.missed_frames), (0, 2));
    let expected = [
        "1 of 1 players were cut off",
        "1 x the server closed the connection",
        "2 video frames did not reach the checked players",
    ];
    assert_eq!(played.failures(), expected);
}

#[tokio::test]
async fn the_floor_serves_players_from_a_keyframe_on() {
    for merge in [0, 50] {
        let options = FloorOptions {
            listen: "127.0.0.1:0".to_owned(),
            file: PathBuf::from(CLIP),
            merge,
            fast: false,
            max_players: 10,
        };
        let (send_address, address) = oneshot::channel();
        let on_listening = |address| send_address.send(address).unwrap();
        let play = async { players::run(&players(address.await.unwrap(), 3), pending()).await };
        let played = tokio::select! {
            served = floor::run(&options, on_listening, pending()) => panic!("the floor ended: {served:?}"),
            played = play => played.unwrap(),
        };
        assert_eq!(played.failures(), [""; 0], "merged over {merge} ms");
        assert_eq!((played.joined, played.missed_frames), (3, 0));
        assert!(played.latency.is_some() && played.delivered_ratio.is_some());
    }
}

#[tokio::test]
async fn one_client_publishes_to_and_plays_from_the_floor_faster_than_time() {
    let options = FloorOptions {
        listen: "127.0.0.1:0".to_owned(),
        file: PathBuf::from(CLIP),
        merge: 0,
        fast: true,
        max_players: 10,
    };
    let (send_address, address) = oneshot::channel();
    let on_listening = |address| send_address.send(address).unwrap();
    let measure = async {
        let url: RtmpUrl = format!("rtmp://{}/live/cam", address.await.unwrap())
            .parse()
            .unwrap();
        let options = |publish: Option<&str>| ThroughputOptions {
            url: url.clone(),
            publish: publish.map(PathBuf::from),
            seconds: Duration::from_millis(500),
            pid: None,
            tls: ClientTls::default(),
        };
        let published = throughput::run(&options(Some(CLIP)), pending()).await.unwrap();
        let played = throughput::run(&options(None), pending()).await.unwrap();
        (published, played)
    };
    let (published, played) = tokio::select! {
        served = floor::run(&options, on_listening, pending()) => panic!("the floor ended: {served:?}"),
        reports = measure => reports,
    };
    for report in [published, played] {
        assert_eq!(report.failures(), [""; 0]);
        // More than a round of the file, which takes ten times as long in real time.
        assert!(
            report.messages > CLIP_VIDEO_FRAMES + CLIP_AUDIO_FRAMES,
            "{report}"
        );
        assert!(report.gigabits_per_second > 0.0, "{report}");
    }
}

#[tokio::test]
async fn throughput_without_a_stream_is_a_failure() {
    let (address, _) = relay().await;
    let url = format!("rtmp://{address}/live/nobody");
    let played = bench(&["throughput", &url, "--seconds", "0.2", "--json"]).await;
    assert_eq!(played.status.code(), Some(1));
    let figures: Value = serde_json::from_slice(&played.stdout).unwrap();
    assert_eq!(figures["messages"], 0);
    let errors = String::from_utf8(played.stderr).unwrap();
    assert_eq!(errors, "bench: 1 x nothing was sent or received\n");
}

#[tokio::test]
async fn connections_are_opened_and_counted() {
    let (address, _) = relay().await;
    let options = ConnectOptions {
        url: format!("rtmp://{address}/live").parse().unwrap(),
        count: 30,
        concurrency: 4,
        pid: None,
        tls: ClientTls::default(),
    };
    let report = connect::run(&options, pending()).await.unwrap();
    assert_eq!(report.failures(), [""; 0]);
    assert_eq!((report.connections, report.failed), (30, 0));
    assert_eq!(report.opening.map(|opening| opening.count), Some(30));
}

#[tokio::test]
async fn idle_connections_are_left_at_every_stage() {
    let (address, joined) = relay().await;
    for (stage, unfinished) in [
        (Stage::Tcp, 0),
        (Stage::Handshake, 0),
        (Stage::Connect, 0),
        (Stage::Connect, 1_000_000),
        (Stage::Publish, 15_000_000),
        (Stage::Play, 0),
    ] {
        let options = IdleOptions {
            url: format!("rtmp://{address}/live/cam").parse().unwrap(),
            count: 3,
            stage,
            unfinished,
            seconds: Duration::from_millis(100),
            ramp: 1000,
            pid: None,
            tls: ClientTls::default(),
        };
        let report = idle::run(&options, pending()).await.unwrap();
        assert_eq!(report.failures(), [""; 0]);
        assert_eq!((report.connections, report.failed), (3, 0), "{stage:?}");
    }
    joined.wait_for(3).await;
}

#[tokio::test]
async fn a_publisher_that_breaks_off_comes_back() {
    let (address, _) = relay().await;
    let options = FlapsOptions {
        url: format!("rtmp://{address}/live/cam").parse().unwrap(),
        count: 20,
        pid: None,
        tls: ClientTls::default(),
    };
    let report = flaps::run(&options, pending()).await.unwrap();
    assert_eq!(report.failures(), [""; 0]);
    assert_eq!((report.flaps, report.back.map(|back| back.count)), (20, Some(20)));
}

/// What the command line says of whom to trust.
#[derive(clap::Parser)]
struct Trust {
    #[command(flatten)]
    tls: ClientTls,
}

#[tokio::test]
async fn everything_goes_by_rtmps_as_well() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let tls = TlsConfig::builder(certificate.as_bytes(), key.as_bytes())
        .build()
        .unwrap();
    let listener = Listener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .tls(TlsAcceptor::new(tls));
    let joined = Joined(Arc::new(Semaphore::new(0)));
    let observers = Observers::new().relay(Relay::default()).play(joined.clone());
    let server = Server::from_listener(listener).observers(observers);
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve());

    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/bench-ca.pem");
    std::fs::write(file, &certificate).unwrap();
    let trusting = |arguments: &[&str]| Trust::parse_from([&["bench"], arguments].concat()).tls;
    let url: RtmpUrl = format!("rtmps://localhost:{}/live/cam", address.port())
        .parse()
        .unwrap();

    let connects = |tls| ConnectOptions {
        url: url.clone(),
        count: 10,
        concurrency: 4,
        pid: None,
        tls,
    };
    let trusted = connect::run(&connects(trusting(&["--ca", file])), pending())
        .await
        .unwrap();
    assert_eq!(trusted.failures(), [""; 0]);
    let stranger = connect::run(&connects(ClientTls::default()), pending())
        .await
        .unwrap();
    assert_eq!(stranger.failed, 10);
    assert!(
        stranger.failures()[1].contains("TLS"),
        "{:?}",
        stranger.failures()
    );

    // Half of the players check what they get, the others count it.
    let insecure = trusting(&["--insecure-accept-any-certificate"]);
    let played = PlayersOptions {
        url: url.clone(),
        check: Check::Some(2),
        tls: insecure.clone(),
        ..players(address, 4)
    };
    let publish = PublishersOptions {
        url: url.clone(),
        tls: insecure,
        ..publishers(address)
    };
    let publish = async {
        joined.wait_for(4).await;
        publishers::run(&publish, pending()).await
    };
    let (played, published) = tokio::join!(players::run(&played, pending()), publish);
    let (played, published) = (played.unwrap(), published.unwrap());
    assert_eq!(published.failures(), [""; 0]);
    assert_eq!(played.failures(), [""; 0]);
    assert_eq!(played.video_frames, 2 * CLIP_VIDEO_FRAMES);
    assert!(played.received_bytes > 4 * std::fs::metadata(CLIP).unwrap().len());
}

/// Publishes in real time until it is told to stop.
async fn publish_until(
    address: SocketAddr,
    stop: oneshot::Receiver<()>,
) -> Result<PublishersReport, BenchError> {
    let options = PublishersOptions {
        fast: false,
        rounds: None,
        ..publishers(address)
    };
    publishers::run(&options, async { stop.await.unwrap() }).await
}

#[tokio::test]
async fn the_tool_prints_its_figures_as_json() {
    let (address, _) = relay().await;
    let (stop, stopped) = oneshot::channel();
    let publishing = tokio::spawn(publish_until(address, stopped));
    let url = format!("rtmp://{address}/live/cam");
    let arguments = [
        "players",
        &url,
        "-n",
        "5",
        "--check",
        "2",
        "--compare",
        CLIP,
        "--seconds",
        "0.5",
        "--json",
    ];
    let played = bench(&arguments).await;
    stop.send(()).unwrap();

    assert!(
        played.status.success(),
        "{}",
        String::from_utf8_lossy(&played.stderr)
    );
    let figures: Value = serde_json::from_slice(&played.stdout).unwrap();
    assert_eq!(
        (&figures["joined"], &figures["checked_players"]),
        (&5.into(), &2.into())
    );
    assert_eq!((&figures["faults"], &figures["starved"]), (&0.into(), &0.into()));
    assert!(figures["worst_ratio"].as_f64().unwrap() > 0.5, "{figures}");
    assert!(figures["latency"]["count"].as_u64().unwrap() >= 2, "{figures}");
    let published = publishing.await.unwrap().unwrap();
    assert_eq!((published.failures().len(), published.lost), (0, 0));
}

#[tokio::test]
async fn the_tool_fails_in_one_line_where_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rtmp://{}/live/cam", listener.local_addr().unwrap());
    drop(listener);
    let played = bench(&["players", &url, "-n", "2"]).await;
    assert_eq!(played.status.code(), Some(1));
    let errors = String::from_utf8(played.stderr).unwrap();
    assert!(
        errors.starts_with("bench: 2 of 2 players could not join\nbench: 2 x can not connect: "),
        "{errors}"
    );

    assert_eq!(
        bench(&["players", "rtmp://localhost", "-n", "2"])
            .await
            .status
            .code(),
        Some(1)
    );
    assert_eq!(
        bench(&["players", "nonsense", "-n", "2"]).await.status.code(),
        Some(2)
    );
}

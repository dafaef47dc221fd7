//! Publishers and playbacks whose connections are lost, or given up because the server says so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rtmp_amf::amf0::Object;
use rtmp_client::reconnect::{
    ReconnectEvent, ReconnectPolicy, ReconnectingPlayback, ReconnectingPublisher, Timestamps, WhenDown,
};
use rtmp_client::{
    ClientBuilder, ConnectRequest, Error, Extensions, MediaMessage, Operation, RtmpUrl, Status, StatusCode,
    Timestamp, WhenUnpublished,
};
use rtmp_core::conn::ServerEvent;
use rtmp_core::flv::Metadata;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::support::{Raw, Server, URL, dialled_lines, settle, stream_id, text};

type Lines = mpsc::Receiver<(RtmpUrl, DuplexStream)>;

/// What a policy was told, as lines for people.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    /// A policy that tells this, with delays that are always half to all of a second.
    fn policy(&self) -> ReconnectPolicy {
        let told = Arc::clone(&self.0);
        ReconnectPolicy::default()
            .delays(Duration::from_secs(1), Duration::from_secs(1))
            .on_event(move |event| told.lock().unwrap().push(line(event)))
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The event without what chance has a part in.
fn line(event: &ReconnectEvent<'_>) -> String {
    match event {
        ReconnectEvent::Attempt { number, url, .. } => format!("attempt {number} at {url}"),
        ReconnectEvent::Connected { connection, .. } => format!("connected {connection}"),
        ReconnectEvent::Resumed { .. } => "resumed".to_owned(),
        other => other.to_string(),
    }
}

fn keyframe(at: u32) -> MediaMessage {
    MediaMessage::video(Timestamp::from_millis(at), &b"\x17\x01\0\0\0\x65"[..])
}

fn frame(at: u32) -> MediaMessage {
    MediaMessage::video(Timestamp::from_millis(at), &b"\x27\x01\0\0\0\x41"[..])
}

fn video_header(at: u32) -> MediaMessage {
    MediaMessage::video(Timestamp::from_millis(at), &b"\x17\0\0\0\0\x01"[..])
}

fn audio_header(at: u32) -> MediaMessage {
    MediaMessage::audio(Timestamp::from_millis(at), &b"\xAF\0\x12\x10"[..])
}

/// The sequence header of another audio track, as Enhanced RTMP has it.
fn second_audio_header(at: u32) -> MediaMessage {
    MediaMessage::audio(Timestamp::from_millis(at), &b"\x95\x00mp4a\x01\x12\x10"[..])
}

fn metadata(at: u32) -> MediaMessage {
    let payload = Metadata::new(Object::new().with("width", 640)).encode().unwrap();
    MediaMessage::data(Timestamp::from_millis(at), payload)
}

/// A frame each 40 ms, with a keyframe each second.
fn frame_at(at: u32) -> MediaMessage {
    if at.is_multiple_of(1000) {
        keyframe(at)
    } else {
        frame(at)
    }
}

fn publisher(builder: ClientBuilder, policy: ReconnectPolicy) -> ReconnectingPublisher {
    ReconnectingPublisher::new(builder, URL, policy).unwrap()
}

fn playback(builder: ClientBuilder, policy: ReconnectPolicy) -> ReconnectingPlayback {
    ReconnectingPlayback::new(builder, URL, policy).unwrap()
}

/// A server that lets the next client publish, with the address that was dialled and the client's `connect`.
async fn accept_publisher(lines: &mut Lines) -> (String, ConnectRequest, Server) {
    let (url, line) = lines.recv().await.unwrap();
    let mut server = Server::new(line);
    let connect = server.accept_connect().await;
    server.accept_publish().await;
    (url.full_text().to_owned(), connect, server)
}

async fn accept_player(lines: &mut Lines) -> (String, Server) {
    let (url, line) = lines.recv().await.unwrap();
    let mut server = Server::new(line);
    server.accept_connect().await;
    server.accept_play().await;
    (url.full_text().to_owned(), server)
}

/// A server that refuses the next client's publication.
async fn refuse_publisher(lines: &mut Lines, code: StatusCode) {
    let mut server = Server::new(lines.recv().await.unwrap().1);
    server.accept_connect().await;
    match server.next().await {
        Some(ServerEvent::Publish { stream, .. }) => {
            server
                .machine
                .reject_publish(stream, &Status::new(code, "no"))
                .unwrap();
            server.flush().await;
        }
        other => panic!("{other:?}"),
    }
    while server.next().await.is_some() {}
}

/// The media that a server gets until the client is gone or the publication is over.
async fn media_until_the_end(server: &mut Server) -> Vec<MediaMessage> {
    let mut received = Vec::new();
    while let Some(ServerEvent::Media { message, .. }) = server.next().await {
        received.push(message);
    }
    received
}

async fn ask_to_reconnect(server: &mut Server, tc_url: Option<&str>) {
    let status = Status::new(StatusCode::ConnectReconnectRequest, "maintenance");
    let status = match tc_url {
        Some(url) => status.with("tcUrl", url),
        None => status,
    };
    server.machine.send_connection_status(&status).unwrap();
    server.flush().await;
    settle().await;
}

fn millis(messages: &[MediaMessage]) -> Vec<u32> {
    messages
        .iter()
        .map(|message| message.timestamp.as_millis())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_publisher_goes_on_over_another_connection_with_its_configuration_and_a_keyframe() {
    let (builder, mut lines) = dialled_lines();
    let told = Told::default();
    let mut publisher = publisher(builder, told.policy());
    let (connected, (_, _, mut server)) = tokio::join!(publisher.connect(), accept_publisher(&mut lines));
    connected.unwrap();
    let before = [
        metadata(0),
        video_header(0),
        audio_header(0),
        second_audio_header(0),
        keyframe(0),
        frame(40),
    ];
    for message in &before {
        publisher.send(message.clone()).await.unwrap();
        assert_eq!(&server.media().await, message);
    }
    drop(server);
    settle().await;

    let serving = tokio::spawn(async move {
        let (_, _, mut server) = accept_publisher(&mut lines).await;
        media_until_the_end(&mut server).await
    });
    let mut sent = 0;
    for at in (80..6000).step_by(40) {
        publisher.send(frame_at(at)).await.unwrap();
        sent += 1;
        sleep(Duration::from_millis(40)).await;
    }
    assert_eq!(publisher.connections(), 2);
    let (dropped, progress) = (publisher.dropped(), publisher.progress());
    publisher.finish().await.unwrap();
    let after = serving.await.unwrap();

    let at = after[0].timestamp.as_millis();
    let again = [
        metadata(at),
        video_header(at),
        audio_header(at),
        second_audio_header(at),
        keyframe(at),
    ];
    assert_eq!(after[..5], again);
    assert_eq!(
        millis(&after[5..]),
        (at + 40..6000).step_by(40).collect::<Vec<_>>()
    );
    assert_eq!(dropped + after.len() as u64 - 4, sent);
    assert_eq!(progress.messages_sent, (before.len() + after.len()) as u64);
    assert_eq!(
        told.take(),
        [
            "attempt 0 at rtmp://example.org/live/cam",
            "connected 1",
            "connection lost: could not send media, the connection is closed: the server closed the line",
            "attempt 1 at rtmp://example.org/live/cam",
            "connected 2",
            "resumed",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_publisher_without_video_goes_on_at_once() {
    let audio = |at| MediaMessage::audio(Timestamp::from_millis(at), &b"\xAF\x01\x21"[..]);
    let (builder, mut lines) = dialled_lines();
    let mut publisher = publisher(builder, Told::default().policy()).when_down(WhenDown::Wait);
    let (_, (_, _, server)) = tokio::join!(publisher.connect(), accept_publisher(&mut lines));
    publisher.send(audio_header(0)).await.unwrap();
    publisher.send(audio(0)).await.unwrap();
    publisher.flush().await.unwrap();
    drop(server);
    settle().await;
    let (sent, (_, _, mut server)) = tokio::join!(publisher.send(audio(20)), accept_publisher(&mut lines));
    sent.unwrap();
    assert_eq!(server.media().await, audio_header(20));
    assert_eq!(server.media().await, audio(20));
    assert_eq!(publisher.dropped(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_waits_does_not_keep_the_publisher_from_connecting() {
    let (builder, mut lines) = dialled_lines();
    let policy = ReconnectPolicy::default().delays(Duration::ZERO, Duration::ZERO);
    let mut publisher = publisher(builder, policy);
    let (_, (_, _, server)) = tokio::join!(publisher.connect(), accept_publisher(&mut lines));
    drop(server);
    settle().await;
    let serving = tokio::spawn(async move {
        let (_, _, mut server) = accept_publisher(&mut lines).await;
        server.media().await
    });
    let mut sent = 0;
    while publisher.connections() == 1 {
        assert!(sent < 1_000_000, "it never connects");
        publisher.send(keyframe(sent)).await.unwrap();
        sent += 1;
    }
    // The first one behind those that were dropped.
    assert_eq!(
        u64::from(serving.await.unwrap().timestamp.as_millis()),
        publisher.dropped()
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_tried_again() {
    let (builder, mut lines) = dialled_lines();
    let told = Told::default();
    let mut first = publisher(builder.clone(), told.policy());
    // A name that is taken is so for the first connection, too.
    for code in [StatusCode::PublishDenied, StatusCode::PublishBadName] {
        let mut refused = publisher(builder.clone(), told.policy());
        let (error, ()) = tokio::join!(refused.connect(), refuse_publisher(&mut lines, code.clone()));
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error:?}");
        assert_eq!(error.status().unwrap().code, code);
        // It stays so.
        let error = refused.send(keyframe(0)).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::WrongState {
                    operation: Operation::Send,
                    ..
                }
            ),
            "{error:?}"
        );
    }
    let (_, (_, _, server)) = tokio::join!(first.connect(), accept_publisher(&mut lines));
    drop(server);
    settle().await;
    told.take();
    let mut first = first.when_down(WhenDown::Wait);
    let serve = async {
        // Our own connection may still be there for the server.
        refuse_publisher(&mut lines, StatusCode::PublishBadName).await;
        refuse_publisher(&mut lines, StatusCode::PublishDenied).await;
    };
    let (error, ()) = tokio::join!(first.send(keyframe(0)), serve);
    let error = error.unwrap_err();
    assert!(matches!(error, Error::GaveUp { retries: 2, .. }), "{error:?}");
    assert_eq!(
        text(&error),
        "gave up at retry 2: the server refused to publish: NetStream.Publish.Denied (no)"
    );
    assert!(!error.is_retryable());
    assert_eq!(told.take().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn tries_are_counted_and_their_delays_grow() {
    let (builder, lines) = dialled_lines();
    drop(lines);
    let begun = Instant::now();
    let tries = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&tries);
    let policy = ReconnectPolicy::default()
        .delays(Duration::from_secs(2), Duration::from_secs(10))
        .max_retries(4)
        .on_event(move |event| {
            if let ReconnectEvent::Failed { number, .. } = event {
                heard
                    .lock()
                    .unwrap()
                    .push((*number, begun.elapsed().as_secs_f64()));
            }
        });
    let mut publisher = publisher(builder, policy);
    let error = publisher.connect().await.unwrap_err();
    assert_eq!(
        text(&error),
        "gave up at retry 4: can not open a line to example.org: connection refused"
    );
    assert!(error.is_retryable());
    let tries = tries.lock().unwrap();
    let mut before = 0.0;
    for ((number, at), (expected, longest)) in
        tries
            .iter()
            .zip([(0, 0.0), (1, 2.0), (2, 4.0), (3, 8.0), (4, 10.0)])
    {
        assert_eq!(*number, expected);
        let delay = at - before;
        // The clock of the runtime counts whole milliseconds.
        assert!(delay >= longest / 2.0 && delay <= longest + 0.002, "{tries:?}");
        before = *at;
    }
    assert_eq!(tries.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_outage_has_a_time_limit() {
    // Nobody accepts: each try takes the time of a handshake.
    let (builder, _lines) = dialled_lines();
    let policy = Told::default().policy().time_limit(Duration::from_secs(25));
    let mut playback = playback(builder, policy);
    let begun = Instant::now();
    let error = playback.recv().await.unwrap_err();
    assert_eq!(
        text(&error),
        "gave up at retry 2: it took longer than 25s to connect again"
    );
    assert_eq!(begun.elapsed().as_secs(), 25);
    assert_eq!(playback.recv().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_goes_away_meets_growing_delays() {
    let (builder, mut lines) = dialled_lines();
    let policy = ReconnectPolicy::default()
        .delays(Duration::from_secs(1), Duration::from_secs(60))
        .max_retries(5);
    let mut playback = playback(builder, policy);
    let serving = tokio::spawn(async move {
        let mut times = Vec::new();
        while let Some((_, line)) = lines.recv().await {
            times.push(Instant::now());
            let mut server = Server::new(line);
            server.accept_connect().await;
            server.accept_play().await;
        }
        times
    });
    let error = playback.recv().await.unwrap_err();
    assert!(matches!(error, Error::GaveUp { retries: 5, .. }), "{error:?}");
    drop(playback);
    let times = serving.await.unwrap();
    assert_eq!(times.len(), 6);
    assert!(times[5] - times[4] >= Duration::from_secs(8), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn counting_begins_anew_behind_a_stable_connection() {
    let (builder, mut lines) = dialled_lines();
    let mut playback = playback(builder, Told::default().policy().max_retries(1));
    let serving = tokio::spawn(async move {
        for _ in 0..4 {
            let (_, server) = accept_player(&mut lines).await;
            sleep(Duration::from_secs(10)).await;
            drop(server);
        }
        let (_, mut server) = accept_player(&mut lines).await;
        server.machine.end_play(stream_id(1)).unwrap();
        server.flush().await;
        while server.next().await.is_some() {}
    });
    assert_eq!(playback.recv().await.unwrap(), None);
    drop(playback);
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_playback_goes_on_over_another_connection_with_its_times() {
    for (timestamps, expected) in [
        (Timestamps::Continue, [100, 140, 140, 140]),
        (Timestamps::AsReceived, [100, 140, 0, 7]),
    ] {
        let (builder, mut lines) = dialled_lines();
        let told = Told::default();
        let mut playback = playback(builder, told.policy()).timestamps(timestamps);
        let serve = async {
            let (_, mut server) = accept_player(&mut lines).await;
            for message in [keyframe(100), frame(140)] {
                server.send(stream_id(1), &message).await;
            }
            settle().await;
            drop(server);
            let (_, mut server) = accept_player(&mut lines).await;
            // The clock of another publisher.
            for message in [metadata(0), video_header(7), keyframe(40), frame(80)] {
                server.send(stream_id(1), &message).await;
            }
            server.machine.end_play(stream_id(1)).unwrap();
            server.flush().await;
            while server.next().await.is_some() {}
        };
        let receive = async {
            let mut received = Vec::new();
            while let Some(message) = playback.recv().await.unwrap() {
                received.push((playback.connection(), message.timestamp.as_millis()));
                assert_eq!(
                    playback.time().as_millis(),
                    u128::from(message.timestamp.as_millis())
                );
            }
            drop(playback);
            received
        };
        let (received, ()) = tokio::join!(receive, serve);
        let connections: Vec<_> = received.iter().map(|(connection, _)| *connection).collect();
        assert_eq!(connections, [1, 1, 2, 2, 2, 2]);
        let times: Vec<_> = received.iter().map(|(_, at)| *at).collect();
        assert_eq!(times[..4], expected);
        match timestamps {
            Timestamps::Continue => {
                assert!((640..=1150).contains(&times[4]), "{times:?}");
                assert_eq!(times[5], times[4] + 40);
            }
            Timestamps::AsReceived => assert_eq!(times[4..], [40, 80]),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_playback_that_waits_for_publishers_waits_for_the_server_too() {
    let (builder, mut lines) = dialled_lines();
    let told = Told::default();
    let mut playback = playback(builder, told.policy()).when_unpublished(WhenUnpublished::Wait);
    let serve = async {
        let (_, mut server) = accept_player(&mut lines).await;
        server.send(stream_id(1), &keyframe(0)).await;
        server.machine.notify_unpublished(stream_id(1)).unwrap();
        server.flush().await;
        settle().await;
        drop(server);
        let (_, mut server) = accept_player(&mut lines).await;
        server.send(stream_id(1), &keyframe(1000)).await;
        server
    };
    let receive = async {
        assert_eq!(playback.recv().await.unwrap().unwrap(), keyframe(0));
        assert!(playback.recv().await.unwrap().unwrap().is_keyframe());
        assert_eq!(playback.connection(), 2);
    };
    tokio::join!(receive, serve);
}

#[tokio::test(start_paused = true)]
async fn without_retries_an_error_is_as_it_is() {
    let (builder, mut lines) = dialled_lines();
    let mut playback = playback(builder, ReconnectPolicy::default().max_retries(0));
    let (_, (_, server)) = tokio::join!(playback.connect(), accept_player(&mut lines));
    drop(server);
    let error = playback.recv().await.unwrap_err();
    assert!(matches!(error, Error::Closed { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_followed_by_the_way() {
    let (builder, mut lines) = dialled_lines();
    let told = Told::default();
    let mut playback = playback(builder, told.policy());
    let serve = async {
        let mut raw = Raw::accept(lines.recv().await.unwrap().1).await;
        raw.expect("connect").await;
        let status =
            Status::new(StatusCode::ConnectRejected, "").with("redirect", "rtmp://b.example.org/live");
        raw.send_status(0, status).await;
        drop(raw);
        let (url, server) = accept_player(&mut lines).await;
        assert_eq!(url, "rtmp://b.example.org/live/cam");
        drop(server);
        // Redirects are for once.
        let (url, server) = accept_player(&mut lines).await;
        assert_eq!(url, URL);
        server
    };
    tokio::select! {
        received = playback.recv() => panic!("{received:?}"),
        _ = serve => {}
    }
    assert_eq!(told.take()[1], "redirected to rtmp://b.example.org/live/cam");
}

#[tokio::test(start_paused = true)]
async fn a_publisher_moves_at_a_keyframe_when_the_server_asks() {
    for (tc_url, expected) in [
        (
            Some("rtmp://b.example.org:1940/edge"),
            "rtmp://b.example.org:1940/edge/cam",
        ),
        (Some("/backup"), "rtmp://example.org/backup/cam"),
        (None, URL),
    ] {
        let (builder, mut lines) = dialled_lines();
        let told = Told::default();
        let mut publisher = publisher(builder, told.policy());
        let (_, (_, connect, mut old)) = tokio::join!(publisher.connect(), accept_publisher(&mut lines));
        assert!(
            connect
                .read_capabilities()
                .packet_extensions()
                .includes(Extensions::RECONNECT)
        );
        for message in [video_header(0), keyframe(0)] {
            publisher.send(message).await.unwrap();
        }
        ask_to_reconnect(&mut old, tc_url).await;
        // It goes on while the other connection is made.
        publisher.send(frame(40)).await.unwrap();
        let (url, _, mut new) = accept_publisher(&mut lines).await;
        assert_eq!(url, expected);
        settle().await;
        for message in [frame(80), keyframe(120), frame(160)] {
            publisher.send(message).await.unwrap();
        }
        assert_eq!(
            media_until_the_end(&mut old).await,
            [video_header(0), keyframe(0), frame(40), frame(80)]
        );
        assert!(old.next().await.is_none());
        for message in [video_header(120), keyframe(120), frame(160)] {
            assert_eq!(new.media().await, message);
        }
        assert_eq!((publisher.dropped(), publisher.connections()), (0, 2));
        assert_eq!(
            told.take()[2..],
            [
                format!(
                    "the server asks to reconnect to {}",
                    expected.parse::<RtmpUrl>().unwrap()
                ),
                "connected 2".to_owned(),
                "resumed".to_owned(),
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_before_the_keyframe_is_left_for_the_one_it_has_named() {
    let (builder, mut lines) = dialled_lines();
    let told = Told::default();
    let mut publisher = publisher(builder, told.policy());
    let (_, (_, _, mut old)) = tokio::join!(publisher.connect(), accept_publisher(&mut lines));
    publisher.send(keyframe(0)).await.unwrap();
    ask_to_reconnect(&mut old, Some("rtmp://b.example.org/live")).await;
    publisher.send(frame(40)).await.unwrap();
    let (_, _, mut new) = accept_publisher(&mut lines).await;
    settle().await;
    publisher.send(frame(80)).await.unwrap();
    settle().await;
    told.take();
    drop(old);
    settle().await;
    for message in [frame(120), keyframe(160)] {
        publisher.send(message).await.unwrap();
    }
    assert_eq!(new.media().await, keyframe(160));
    assert_eq!(publisher.dropped(), 1);
    assert_eq!(
        told.take(),
        [
            "connection lost: could not send media, the connection is closed: the server closed the line",
            "connected 2",
            "resumed",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_name_is_taken_by_ourselves_is_left_first() {
    let (builder, mut lines) = dialled_lines();
    let told = Told::default();
    let mut publisher = publisher(builder, told.policy());
    let (_, (_, _, mut old)) = tokio::join!(publisher.connect(), accept_publisher(&mut lines));
    publisher.send(keyframe(0)).await.unwrap();
    ask_to_reconnect(&mut old, None).await;
    publisher.send(frame(40)).await.unwrap();
    refuse_publisher(&mut lines, StatusCode::PublishBadName).await;
    settle().await;
    publisher.send(frame(80)).await.unwrap();
    assert_eq!(media_until_the_end(&mut old).await, [keyframe(0), frame(40)]);
    drop(old);
    let mut publisher = publisher.when_down(WhenDown::Wait);
    let (sent, (_, _, mut new)) = tokio::join!(publisher.send(keyframe(1000)), accept_publisher(&mut lines));
    sent.unwrap();
    assert_eq!(new.media().await, keyframe(1000));
    assert_eq!(publisher.dropped(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_too_often_is_not_followed() {
    let (builder, mut lines) = dialled_lines();
    let told = Told::default();
    let mut publisher = publisher(builder.max_redirects(2), told.policy());
    let (_, (_, _, mut server)) = tokio::join!(publisher.connect(), accept_publisher(&mut lines));
    let mut at = 0;
    for _ in 0..2 {
        ask_to_reconnect(&mut server, None).await;
        publisher.send(keyframe(at)).await.unwrap();
        (_, _, server) = accept_publisher(&mut lines).await;
        settle().await;
        publisher.send(keyframe(at + 40)).await.unwrap();
        at += 80;
    }
    told.take();
    ask_to_reconnect(&mut server, Some("rtmp://c.example.org/live")).await;
    publisher.send(keyframe(at)).await.unwrap();
    assert_eq!(
        told.take(),
        [
            "not moving: more than 2 redirects: rtmp://example.org/live/cam -> rtmp://example.org/live/cam -> \
          rtmp://example.org/live/cam -> rtmp://c.example.org/live/cam"
        ]
    );
    // A connection that has lasted is asked for the first time.
    sleep(Duration::from_secs(10)).await;
    ask_to_reconnect(&mut server, Some("rtmp://c.example.org/live")).await;
    publisher.send(keyframe(at + 40)).await.unwrap();
    assert_eq!(
        accept_publisher(&mut lines).await.0,
        "rtmp://c.example.org/live/cam"
    );
}

#[tokio::test(start_paused = true)]
async fn who_follows_no_redirects_does_not_say_so() {
    let (builder, mut lines) = dialled_lines();
    let told = Told::default();
    let mut publisher = publisher(builder.max_redirects(0), told.policy());
    let (_, (_, connect, mut server)) = tokio::join!(publisher.connect(), accept_publisher(&mut lines));
    assert!(
        !connect
            .read_capabilities()
            .packet_extensions()
            .includes(Extensions::RECONNECT)
    );
    told.take();
    ask_to_reconnect(&mut server, None).await;
    publisher.send(keyframe(0)).await.unwrap();
    settle().await;
    assert_eq!(told.take(), [""; 0]);
    assert!(lines.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_move_that_fails_leaves_the_connection_alone() {
    let (builder, mut lines) = dialled_lines();
    let told = Told::default();
    let mut publisher = publisher(builder, told.policy());
    let (_, (_, _, mut server)) = tokio::join!(publisher.connect(), accept_publisher(&mut lines));
    told.take();
    ask_to_reconnect(&mut server, Some("http://b.example.org/live")).await;
    publisher.send(keyframe(0)).await.unwrap();
    ask_to_reconnect(&mut server, Some("rtmp://b.example.org/live")).await;
    publisher.send(keyframe(40)).await.unwrap();
    refuse_publisher(&mut lines, StatusCode::PublishDenied).await;
    settle().await;
    publisher.send(keyframe(80)).await.unwrap();
    publisher.flush().await.unwrap();
    for at in [0, 40, 80] {
        assert_eq!(server.media().await, keyframe(at));
    }
    assert_eq!(
        told.take(),
        [
            "not moving: rtmp://example.org/live/cam redirects to a wrong URL: URLs of scheme http are not \
             supported, only rtmp and rtmps",
            "the server asks to reconnect to rtmp://b.example.org/live/cam",
            "not moving: the server refused to publish: NetStream.Publish.Denied (no)",
        ]
    );
    // Should the server go, the address that it has given comes first, and then the other one again.
    drop(server);
    settle().await;
    for expected in ["rtmp://b.example.org/live/cam", URL] {
        publisher.send(frame(120)).await.unwrap();
        let (url, line) = lines.recv().await.unwrap();
        assert_eq!(url.full_text(), expected);
        drop(line);
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_playback_moves_when_the_server_asks_and_loses_nothing_of_the_old_connection() {
    let (builder, mut lines) = dialled_lines();
    let mut playback = playback(builder, Told::default().policy());
    let (_, (_, mut old)) = tokio::join!(playback.connect(), accept_player(&mut lines));
    old.send(stream_id(1), &keyframe(0)).await;
    ask_to_reconnect(&mut old, Some("rtmp://b.example.org/live")).await;
    assert_eq!(playback.recv().await.unwrap().unwrap(), keyframe(0));
    let (url, mut new) = accept_player(&mut lines).await;
    assert_eq!(url, "rtmp://b.example.org/live/cam");
    old.send(stream_id(1), &frame(40)).await;
    new.send(stream_id(1), &keyframe(1000)).await;
    settle().await;
    assert_eq!(playback.recv().await.unwrap().unwrap(), frame(40));
    assert_eq!(playback.connection(), 1);
    assert_eq!(playback.recv().await.unwrap().unwrap(), keyframe(1000));
    assert_eq!(playback.connection(), 2);
    assert!(matches!(old.next().await, Some(ServerEvent::StopPlay { .. })));
    playback.close().await.unwrap();
}

#[tokio::test]
async fn a_handle_that_is_dropped_while_it_connects_leaves_nothing_behind() {
    let (builder, mut lines) = dialled_lines();
    let mut publisher = publisher(builder, Told::default().policy());
    tokio::select! {
        connected = publisher.connect() => panic!("{connected:?}"),
        line = lines.recv() => {
            let mut server = Server::new(line.unwrap().1);
            drop(publisher);
            assert!(server.next().await.is_none());
        }
    }
    // The builder that dials is gone with it.
    assert!(lines.recv().await.is_none());
}

#[tokio::test]
async fn a_url_without_a_stream_is_refused_at_once() {
    let (builder, _lines) = dialled_lines();
    let policy = ReconnectPolicy::default();
    let error = ReconnectingPublisher::new(builder, "rtmp://example.org/live", policy).unwrap_err();
    assert!(matches!(error, Error::MissingStreamName));
}

//! Servers that send a publisher or a playback elsewhere.

use std::time::Duration;

use rtmp_client::reconnect::WhenDown;
use rtmp_client::{Extensions, RtmpUrl, Status, StatusCode};
use rtmp_core::conn::ServerEvent;
use tokio::time::sleep;

use super::{
    Told, accept_player, accept_publisher, frame, keyframe, media_until_the_end, playback, publisher,
    refuse_publisher, video_header,
};
use crate::support::{Raw, Server, URL, dialled_lines, settle, stream_id};

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

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_without_end_is_followed_now_and_then_and_told_of_once() {
    let (builder, mut lines) = dialled_lines();
    let told = Told::default();
    let mut publisher = publisher(builder.max_redirects(2), told.policy());
    let (_, (_, _, mut server)) = tokio::join!(publisher.connect(), accept_publisher(&mut lines));
    told.take();
    // The connection is stable, and nobody takes the ones that are asked for.
    sleep(Duration::from_secs(10)).await;
    for url in ["rtmp://b.example.org/live", "http://b.example.org/live"] {
        for at in 0..50 {
            ask_to_reconnect(&mut server, Some(url)).await;
            publisher.send(keyframe(at)).await.unwrap();
            settle().await;
            // What was dialled is refused.
            while let Ok((_, line)) = lines.try_recv() {
                drop(line);
                settle().await;
                publisher.send(keyframe(at)).await.unwrap();
            }
            server.media().await;
        }
    }
    let told = told.take();
    let count = |text: &str| told.iter().filter(|line| line.contains(text)).count();
    assert_eq!(count("the server asks to reconnect"), 2, "{told:?}");
    assert_eq!(count("more than 2 redirects"), 1, "{told:?}");
    assert_eq!(count("redirects to a wrong URL"), 0, "{told:?}");
}

//! The line breaks at every byte of a conversation.

use rtmp_client::{ClientConn, ConnectRequest, Error, PlayRequest, PublishKind};
use rtmp_server::{CloseReason, Deadline, Observers, Relay, SessionConfig};
use rtmp_tests::media::{audio_header, frame, keyframe, metadata, padded, video_header};
use rtmp_tests::serve::PIPE_LEN;
use rtmp_tests::{Recorder, session_over};
use tokio::io::{AsyncRead, AsyncWrite, duplex};

use crate::line::{Cut, ENDS, End, Recorded};

pub(crate) const URL: &str = "rtmp://localhost/live/cam";

/// Every byte behind the handshake, and enough within it.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    let handshake = 1 + 2 * 1536;
    (0..handshake.min(len))
        .step_by(61)
        .chain(handshake.min(len)..=len)
}

pub(crate) async fn publishes(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<(), Error> {
    publishes_on(ClientConn::builder().from_io(io, URL).await?).await
}

pub(crate) async fn publishes_on(conn: ClientConn) -> Result<(), Error> {
    conn.connect(ConnectRequest::default()).await?;
    let stream = conn.create_stream().await?;
    let mut publisher = stream.publish("cam", PublishKind::Live).await?;
    for message in [
        metadata(0, 1),
        video_header(0, 2),
        audio_header(0, 3),
        padded(keyframe(0, 4), 500),
        frame(40, 5),
    ] {
        publisher.send(message).await?;
    }
    publisher.finish().await?;
    conn.close().await
}

pub(crate) async fn plays(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<usize, Error> {
    let conn = ClientConn::builder().from_io(io, URL).await?;
    conn.connect(ConnectRequest::default()).await?;
    let stream = conn.create_stream().await?;
    let mut playback = stream.play(PlayRequest::new("cam")).await?;
    let mut count = 0;
    while playback.recv().await?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// What a server hears of a publisher.
async fn what_a_publisher_sends() -> Vec<u8> {
    let (ours, theirs) = duplex(PIPE_LEN);
    let (theirs, heard) = Recorded::new(theirs);
    let session = session_over(
        theirs,
        &Observers::new().relay(Relay::default()),
        SessionConfig::default(),
    );
    publishes(ours).await.unwrap();
    session.ended().await;
    heard.lock().unwrap().clone()
}

/// What a publisher, or a player of five messages, hears of a server.
async fn what_a_server_sends(is_player: bool) -> Vec<u8> {
    let relay = Relay::default();
    let (ours, theirs) = duplex(PIPE_LEN);
    let (ours, heard) = Recorded::new(ours);
    let session = session_over(
        theirs,
        &Observers::new().relay(relay.clone()),
        SessionConfig::default(),
    );
    if is_player {
        let mut publisher = relay.publish("live", "cam").unwrap();
        for message in [
            metadata(0, 1),
            video_header(0, 2),
            padded(keyframe(0, 4), 500),
            frame(40, 5),
        ] {
            publisher.send(message);
        }
        let player = tokio::spawn(plays(ours));
        while relay.statistics().players == 0 {
            tokio::task::yield_now().await;
        }
        drop(publisher);
        player.await.unwrap().unwrap();
    } else {
        publishes(ours).await.unwrap();
    }
    session.ended().await;
    heard.lock().unwrap().clone()
}

/// Of each call that opens something there is one that closes it.
fn assert_closed(recorder: &Recorder, cut: usize) {
    for (opened, closed) in [
        ("on_connect ", "on_disconnect "),
        ("on_publish ", "on_unpublish "),
    ] {
        let (opened, closed) = (recorder.calls_with(opened), recorder.calls_with(closed));
        assert_eq!(opened.len(), closed.len(), "cut at {cut}: {:?}", recorder.calls());
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_ends_a_session_in_order_wherever_its_line_breaks() {
    let conversation = what_a_publisher_sends().await;
    assert!(conversation.len() > 4000, "{}", conversation.len());
    for end in ENDS {
        for cut in cuts(conversation.len()) {
            let relay = Relay::default();
            let recorder = Recorder::default();
            let observers = recorder.observers().relay(relay.clone());
            let io = Cut::new(&conversation[..cut], end);
            let reason = session_over(io, &observers, SessionConfig::default())
                .ended()
                .await;
            let is_expected = match end {
                End::Fin | End::Reset => matches!(reason, CloseReason::PeerClosed | CloseReason::Requested),
                End::Silence => matches!(
                    reason,
                    CloseReason::TimedOut {
                        deadline: Deadline::Handshake | Deadline::Connect | Deadline::Media | Deadline::Idle,
                        ..
                    }
                ),
            };
            assert!(is_expected, "{end:?} at {cut}: {reason:?}");
            assert_closed(&recorder, cut);
            assert_eq!(relay.stream_count(), 0, "{end:?} at {cut}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_has_a_typed_error_wherever_its_line_breaks() {
    let conversation = what_a_server_sends(false).await;
    for end in ENDS {
        for cut in cuts(conversation.len()) {
            // Behind the answer to `publish` nothing is needed of the server any more but an end.
            match publishes(Cut::new(&conversation[..cut], end)).await {
                Ok(()) => assert!(cut > 3073, "{end:?} at {cut}"),
                Err(error) => assert!(is_about_the_line(&error, end), "{end:?} at {cut}: {error:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_player_has_its_media_or_a_typed_error_wherever_its_line_breaks() {
    let conversation = what_a_server_sends(true).await;
    for end in ENDS {
        for cut in cuts(conversation.len()) {
            match plays(Cut::new(&conversation[..cut], end)).await {
                Ok(count) => assert_eq!(count, 4, "{end:?} at {cut}"),
                Err(error) => assert!(is_about_the_line(&error, end), "{end:?} at {cut}: {error:?}"),
            }
        }
    }
}

fn is_about_the_line(error: &Error, end: End) -> bool {
    match error {
        Error::Handshake { .. } | Error::Closed { .. } => true,
        Error::Timeout { .. } => end == End::Silence,
        _ => false,
    }
}

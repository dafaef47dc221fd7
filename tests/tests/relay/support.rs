//! What the suites of the relay share.

use rtmp_core::MediaMessage;
use rtmp_core::conn::ClientEvent;
use rtmp_core::message::UserControl;
use rtmp_server::{Observers, Relay};
use rtmp_tests::{Peer, session};
use tokio::io::DuplexStream;

/// A client of the relay, connected to `live`.
pub(crate) async fn peer(relay: &Relay) -> Peer<DuplexStream> {
    let (io, _session) = session(&Observers::new().relay(relay.clone()));
    Peer::connected(io, "live").await
}

/// A client that plays `cam`.
pub(crate) async fn player(relay: &Relay) -> Peer<DuplexStream> {
    let mut player = peer(relay).await;
    player.play("cam").await.unwrap();
    player
}

/// What a status or an event says, for comparison.
pub(crate) fn told(events: &[ClientEvent]) -> Vec<String> {
    let text = |event: &ClientEvent| match event {
        ClientEvent::Status { status, .. } => Some(status.code.to_string()),
        ClientEvent::UserControl(UserControl::StreamBegin(_)) => Some("Stream Begin".to_owned()),
        ClientEvent::UserControl(UserControl::StreamEof(_)) => Some("Stream EOF".to_owned()),
        ClientEvent::Media { .. } => Some("media".to_owned()),
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

/// The media among events.
pub(crate) fn media_in(events: Vec<ClientEvent>) -> Vec<MediaMessage> {
    let media = |event| match event {
        ClientEvent::Media { message, .. } => Some(message),
        _ => None,
    };
    events.into_iter().filter_map(media).collect()
}

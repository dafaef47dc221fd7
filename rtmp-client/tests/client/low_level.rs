//! Messages that callers send by themselves, and what they see of all others.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use rtmp_client::{
    BandwidthLimit, ChunkStreamId, ClientConn, Direction, Error, MessageStreamId, MessageType, Operation,
    RawMessage, Timestamp, UserControl,
};
use rtmp_core::message::{Control, Message};

use crate::support::{Raw, connect_raw, dial_raw, dial_raw_with, settle};

/// The client's next ping, behind whatever else it says.
async fn ping_request(raw: &mut Raw) -> u32 {
    loop {
        if let Message::UserControl(UserControl::PingRequest(value)) = raw.next_message().await.unwrap() {
            return value;
        }
    }
}

async fn answer_ping(raw: &mut Raw, value: u32) {
    raw.send_message(Message::UserControl(UserControl::PingResponse(value)))
        .await;
}

fn raw_message(message_type: MessageType, payload: Vec<u8>) -> RawMessage {
    RawMessage {
        chunk_stream: ChunkStreamId::new(77).unwrap(),
        timestamp: Timestamp::from_millis(40),
        message_type,
        stream: MessageStreamId::new(5),
        payload: payload.into(),
    }
}

#[tokio::test]
async fn a_raw_message_goes_out_as_it_is() {
    let (conn, mut raw) = dial_raw().await;
    let message = raw_message(MessageType::Other(99), vec![7; 300]);
    conn.send_raw(message.clone()).await.unwrap();
    assert_eq!(raw.next_message().await, Some(Message::Other(message)));
}

#[tokio::test]
async fn control_messages_and_events_go_out_in_order() {
    let (conn, mut raw) = dial_raw().await;
    conn.set_chunk_size(4096).await.unwrap();
    conn.set_window_ack_size(500_000).await.unwrap();
    conn.set_peer_bandwidth(600_000, BandwidthLimit::Soft)
        .await
        .unwrap();
    let event = UserControl::SetBufferLength {
        stream: MessageStreamId::new(1),
        length: Duration::from_secs(5),
    };
    conn.send_user_control(event.clone()).await.unwrap();
    let message = raw_message(MessageType::Other(99), vec![7; 4000]);
    conn.send_raw(message.clone()).await.unwrap();
    let expected = [
        Message::Control(Control::SetChunkSize(4096)),
        Message::Control(Control::WindowAckSize(500_000)),
        Message::Control(Control::SetPeerBandwidth {
            window: 600_000,
            limit: BandwidthLimit::Soft,
        }),
        Message::UserControl(event),
        Message::Other(message),
    ];
    for message in expected {
        assert_eq!(raw.next_message().await, Some(message));
    }
}

#[tokio::test]
async fn what_can_not_be_sent_is_the_callers_mistake_and_harms_nothing() {
    let (conn, mut raw) = dial_raw().await;
    let too_long = raw_message(MessageType::Other(99), vec![0; 1 << 24]);
    let error = conn.send_raw(too_long).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "message of 16777216 bytes, RTMP can carry 16777215"
    );
    for size in [0, 1 << 31] {
        let error = conn.set_chunk_size(size).await.unwrap_err();
        assert!(matches!(
            error,
            Error::Encode {
                operation: Operation::SendRaw,
                ..
            }
        ));
    }
    conn.set_window_ack_size(1).await.unwrap();
    let next = raw.next_message().await;
    assert_eq!(next, Some(Message::Control(Control::WindowAckSize(1))));
}

#[tokio::test(start_paused = true)]
async fn a_ping_returns_the_round_trip() {
    let (conn, mut raw) = connect_raw().await;
    // The same twice: an answer is an answer also if it takes as long as the last.
    for millis in [30, 30, 0, 0, 70] {
        let serve = async {
            let value = ping_request(&mut raw).await;
            tokio::time::advance(Duration::from_millis(millis)).await;
            answer_ping(&mut raw, value).await;
        };
        let (round_trip, ()) = tokio::join!(conn.ping(), serve);
        let round_trip = round_trip.unwrap();
        assert_eq!(round_trip.as_millis(), u128::from(millis));
        assert_eq!(conn.round_trip(), Some(round_trip));
    }
}

#[tokio::test]
async fn pings_at_the_same_time_share_an_answer() {
    let (conn, mut raw) = connect_raw().await;
    let serve = async {
        let value = ping_request(&mut raw).await;
        settle().await;
        // Not the one that was asked for.
        answer_ping(&mut raw, value.wrapping_add(1)).await;
        settle().await;
        answer_ping(&mut raw, value).await;
    };
    let (first, second, ()) = tokio::join!(conn.ping(), conn.ping(), serve);
    assert_eq!(first.unwrap(), second.unwrap());
    assert!(raw.next_message().now_or_never().is_none(), "a second ping");
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_is_not_answered_ends_with_the_command_timeout() {
    let (conn, mut raw) = connect_raw().await;
    let error = conn.ping().await.unwrap_err();
    assert_eq!(error.to_string(), "it took longer than 10s to ping");
    ping_request(&mut raw).await;
    let serve = async {
        let value = ping_request(&mut raw).await;
        answer_ping(&mut raw, value).await;
    };
    let (answered, ()) = tokio::join!(conn.ping(), serve);
    answered.unwrap();
}

#[tokio::test]
async fn a_tap_sees_every_message_both_ways() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let builder = ClientConn::builder().tap(move |direction, message| {
        notes.lock().unwrap().push((direction, message.message_type));
    });
    let (conn, mut raw) = dial_raw_with(builder).await;
    let (connected, ()) = tokio::join!(conn.connect(Default::default()), raw.accept_connect());
    connected.unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        [
            (Direction::Sent, MessageType::SetChunkSize),
            (Direction::Sent, MessageType::Command),
            (Direction::Received, MessageType::Command),
            (Direction::Sent, MessageType::WindowAckSize),
        ]
    );
}

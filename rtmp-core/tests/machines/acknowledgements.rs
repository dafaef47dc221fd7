//! When bytes are acknowledged, and what a peer's bandwidth limits do (RTMP 1.0 sections 5.4.3 to 5.4.5).

use rtmp_core::message::{BandwidthLimit, Control};

use crate::scripted::{AUDIO, Client, Server, connect_accepted, control, raw};

/// The sequence numbers that a publisher of `reads` reads of one message each of `len` bytes gets.
fn acknowledged(window: u32, reads: usize, len: usize) -> (Vec<u32>, u32) {
    let mut server = Server::publishing();
    server.say(&control(Control::WindowAckSize(window)));
    server.say(&control(Control::SetChunkSize(1_000_000)));
    server.exchange();
    let mut sequences = Vec::new();
    let mut sent = 0;
    for _ in 0..reads {
        server.send_raw(&raw(4, AUDIO, 1, vec![0; len]));
        sent += u32::try_from(server.peer.sent.len()).unwrap();
        for reply in server.exchange() {
            let sequence = reply.strip_prefix("2/0 Acknowledgement(").unwrap();
            sequences.push(sequence.trim_end_matches(')').parse().unwrap());
        }
    }
    (sequences, sent)
}

#[test]
fn half_the_window_at_the_latest_is_acknowledged() {
    let (sequences, sent) = acknowledged(10_000, 100, 999);
    // Each message has 999 bytes and a header of 1 to 12: the fifth one completes half a window.
    assert_eq!(sequences.len(), 20, "{sequences:?}");
    for pair in sequences.windows(2) {
        let step = pair[1] - pair[0];
        assert!((5000..5000 + 1011).contains(&step), "{sequences:?}");
    }
    assert!(sent - sequences[0] < 100_000 && sequences[19] <= sent + 1000);
}

#[test]
fn a_window_of_one_gets_one_acknowledgement_a_read_and_less_than_it_sent() {
    let (sequences, _) = acknowledged(1, 50, 1000);
    assert_eq!(sequences.len(), 50);
    let (sequences, sent) = acknowledged(1, 5000, 1);
    // An acknowledgement has 16 bytes at most.
    assert!(!sequences.is_empty() && 16 * sequences.len() < sent as usize / 8);
}

/// A peer with a small window sends no more of a long message before it hears of the part that came.
#[test]
fn what_came_of_a_message_is_acknowledged_before_the_rest_comes() {
    let mut server = Server::publishing();
    server.say(&control(Control::WindowAckSize(10_000)));
    server.say(&control(Control::SetChunkSize(1_000_000)));
    server.exchange();
    server.send_raw(&raw(4, AUDIO, 1, vec![0; 60_000]));
    let mut rest = server.peer.sent.split();
    let mut sequences = Vec::new();
    while !rest.is_empty() {
        server.peer.sent.unsplit(rest.split_to(rest.len().min(1000)));
        for reply in server.exchange() {
            let sequence = reply.strip_prefix("2/0 Acknowledgement(").unwrap();
            sequences.push(sequence.trim_end_matches(')').parse::<u32>().unwrap());
        }
    }
    assert_eq!(sequences.len(), 12, "{sequences:?}");
    assert!(
        sequences.is_sorted_by(|a, b| (5000..=6000).contains(&(b - a))),
        "{sequences:?}"
    );
}

#[test]
fn two_and_a_half_megabytes_are_assumed_until_the_peer_says_otherwise() {
    let mut server = Server::publishing();
    server.send_raw(&raw(4, AUDIO, 1, vec![0; 1_200_000]));
    assert_eq!(server.exchange(), [""; 0]);
    server.send_raw(&raw(4, AUDIO, 1, vec![0; 50_000]));
    let replies = server.exchange();
    assert!(
        matches!(&replies[..], [only] if only.starts_with("2/0 Acknowledgement(12")),
        "{replies:?}"
    );
}

#[test]
fn a_long_read_is_acknowledged_once() {
    let mut server = Server::publishing();
    server.say(&control(Control::WindowAckSize(2000)));
    for _ in 0..100 {
        server.send_raw(&raw(4, AUDIO, 1, vec![0; 1000]));
    }
    assert_eq!(server.exchange().len(), 1);
}

/// What a client answers to these limits, behind its window of 2,500,000.
fn answered(limits: &[(u32, BandwidthLimit)]) -> Vec<String> {
    let mut client = Client::connected();
    for &(window, limit) in limits {
        client.say(&control(Control::SetPeerBandwidth { window, limit }));
    }
    assert_eq!(client.events(), [""; 0]);
    client.replies()
}

#[test]
fn a_bandwidth_limit_is_answered_with_the_window_where_that_changes() {
    use BandwidthLimit::{Dynamic, Hard, Soft};
    let window = |size: u32| format!("2/0 WindowAckSize({size})");
    assert_eq!(answered(&[(2_500_000, Hard)]), [""; 0]);
    assert_eq!(
        answered(&[(1000, Hard), (1000, Hard), (3000, Hard)]),
        [window(1000), window(3000)]
    );
    assert_eq!(answered(&[(1000, Hard), (3000, Soft)]), [window(1000)]);
    assert_eq!(
        answered(&[(3000, Soft), (1000, Soft), (2000, Soft)]),
        [window(3000), window(1000)]
    );
    // Dynamic is Hard behind Hard, and nothing behind Soft.
    assert_eq!(
        answered(&[(1000, Hard), (3000, Dynamic), (2000, Dynamic)]),
        [1000, 3000, 2000].map(window)
    );
    assert_eq!(answered(&[(1000, Soft), (3000, Dynamic)]), [window(1000)]);
    // Every server known sends it first.
    assert_eq!(answered(&[(5_000_000, Dynamic)]), [window(5_000_000)]);
}

#[test]
fn a_client_announces_its_window_once() {
    let mut client = Client::connecting();
    let (window, limit) = (2_500_000, BandwidthLimit::Dynamic);
    client.say(&control(Control::WindowAckSize(window)));
    client.say(&control(Control::SetPeerBandwidth { window, limit }));
    client.send(0, connect_accepted());
    assert_eq!(client.events(), ["connected NetConnection.Connect.Success"]);
    client.say(&control(Control::SetPeerBandwidth { window, limit }));
    assert_eq!(client.events(), [""; 0]);
    assert_eq!(client.replies(), ["2/0 WindowAckSize(2500000)"]);
}

#[test]
fn a_client_acknowledges_what_it_plays() {
    let mut client = Client::with_stream();
    let play = rtmp_core::message::PlayRequest::new("cam");
    client.machine.play(crate::scripted::stream(1), &play).unwrap();
    client.replies();
    client.say(&control(Control::WindowAckSize(20_000)));
    client.send_raw(&raw(4, AUDIO, 1, vec![0; 11_000]));
    assert_eq!(client.events(), ["media 1 audio at 0 of 11000"]);
    let replies = client.replies();
    assert!(
        matches!(&replies[..], [only] if only.starts_with("2/0 Acknowledgement(11")),
        "{replies:?}"
    );
}

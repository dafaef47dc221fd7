//! Servers that send clients elsewhere.

use rtmp_amf::amf0::Object;
use rtmp_client::{CloseReason, Command, ConnectRequest, Error, Operation, PlayRequest, Status, StatusCode};

use crate::support::{create_stream_raw, dial_raw};

const TARGET: &str = "rtmp://other.example.org/live";

fn moved() -> Status {
    Status::new(StatusCode::ConnectRejected, "Moved.")
}

/// The form of Flash Media Server and Wowza.
fn moved_by_ex() -> Status {
    moved().with("ex", Object::new().with("code", 302).with("redirect", TARGET))
}

/// The form of SRS.
fn moved_by_property() -> Status {
    moved().with("redirect", TARGET)
}

#[tokio::test]
async fn a_redirect_in_the_answer_to_connect_is_told() {
    for status in [moved_by_ex(), moved_by_property()] {
        let (conn, mut raw) = dial_raw().await;
        let serve = async {
            let connect = raw.expect("connect").await;
            raw.send(0, Command::error(connect.transaction, &status)).await;
        };
        let (refused, ()) = tokio::join!(conn.connect(ConnectRequest::default()), serve);
        let error = refused.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }));
        assert_eq!(error.redirect(), Some(TARGET));
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn a_redirect_by_a_status_instead_of_an_answer_is_told() {
    let (conn, mut raw) = dial_raw().await;
    let serve = async {
        raw.expect("connect").await;
        raw.send_status(0, moved_by_property()).await;
        assert!(raw.next().await.is_none());
        drop(raw);
    };
    let client = async {
        let error = conn.connect(ConnectRequest::default()).await.unwrap_err();
        assert!(matches!(
            error,
            Error::Refused {
                operation: Operation::Connect,
                ..
            }
        ));
        assert_eq!(error.redirect(), Some(TARGET));
        conn.close().await.unwrap();
        assert!(matches!(conn.close_reason(), Some(CloseReason::Refused(_))));
    };
    tokio::join!(client, serve);
}

#[tokio::test]
async fn a_redirect_after_play_is_told_and_ends_the_connection() {
    let (conn, stream, mut raw) = create_stream_raw(1).await;
    let serve = async {
        raw.expect("play").await;
        raw.send_status(0, moved_by_property()).await;
        while raw.next().await.is_some() {}
        drop(raw);
    };
    let client = async {
        let error = stream.play(PlayRequest::new("cam")).await.unwrap_err();
        assert!(matches!(
            error,
            Error::Refused {
                operation: Operation::Play,
                ..
            }
        ));
        assert_eq!(error.redirect(), Some(TARGET));
        // What is asked for afterwards hears the same.
        let error = conn.create_stream().await.unwrap_err();
        assert_eq!(error.redirect(), Some(TARGET));
    };
    tokio::join!(client, serve);
}

#[tokio::test]
async fn other_refusals_are_no_redirects() {
    let odd = [
        moved(),
        moved().with("redirect", ""),
        moved().with("redirect", 5),
        moved().with("ex", TARGET),
        moved().with("ex", Object::new().with("code", 302)),
    ];
    for status in odd {
        let (conn, mut raw) = dial_raw().await;
        let serve = async {
            let connect = raw.expect("connect").await;
            raw.send(0, Command::error(connect.transaction, &status)).await;
        };
        let (refused, ()) = tokio::join!(conn.connect(ConnectRequest::default()), serve);
        assert_eq!(refused.unwrap_err().redirect(), None);
    }
}

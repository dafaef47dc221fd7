//! Servers that send clients elsewhere.

use rtmp_amf::amf0::Object;
use rtmp_client::{
    ClientBuilder, CloseReason, Command, ConnectRequest, Error, Operation, PlayRequest, Status, StatusCode,
};
use tokio::io::DuplexStream;

use crate::support::{Raw, Server, URL, create_stream_raw, dial_raw, dialled_lines};

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

/// How a server of the tests redirects.
type Redirect = fn(&str) -> Status;

const BY_EX: Redirect = |to| moved().with("ex", Object::new().with("code", 302).with("redirect", to));
const BY_PROPERTY: Redirect = |to| moved().with("redirect", to);

/// Refuses a client's `connect`, as an answer or as a status, and sees it go.
async fn redirect(line: DuplexStream, status: &Status, as_answer: bool) {
    let mut raw = Raw::accept(line).await;
    let connect = raw.expect("connect").await;
    if as_answer {
        raw.send(0, Command::error(connect.transaction, status)).await;
    } else {
        raw.send_status(0, status.clone()).await;
    }
    while raw.next().await.is_some() {}
}

/// Publishes where the first server redirects to each of `targets` in turn, and the last of them accepts.
/// Gives the addresses that were dialled, and the name under which the stream is published.
async fn push_by(
    builder: impl Fn(ClientBuilder) -> ClientBuilder,
    redirect_to: Redirect,
    as_answer: bool,
    targets: &[&str],
) -> (Vec<String>, Result<String, Error>) {
    let (dialling, mut lines) = dialled_lines();
    let mut redirects: Vec<_> = targets.iter().map(|target| redirect_to(target)).collect();
    redirects.reverse();
    let serving = tokio::spawn(async move {
        let (mut dialled, mut name) = (Vec::new(), String::new());
        while let Some((url, line)) = lines.recv().await {
            dialled.push(url.full_text().to_owned());
            if let Some(status) = redirects.pop() {
                redirect(line, &status, as_answer).await;
            } else {
                let mut server = Server::new(line);
                server.accept_connect().await;
                name = server.accept_publish().await.1;
            }
        }
        (dialled, name)
    });
    let builder = builder(dialling);
    let published = builder.push(URL).await;
    drop(builder);
    let (dialled, name) = serving.await.unwrap();
    (dialled, published.map(|_| name))
}

#[tokio::test]
async fn push_follows_a_redirect_in_each_form() {
    for redirect in [BY_EX, BY_PROPERTY] {
        for as_answer in [true, false] {
            let (dialled, name) = push_by(|builder| builder, redirect, as_answer, &[TARGET]).await;
            // The stream is the caller's, as the redirect names none.
            assert_eq!(dialled, [URL, "rtmp://other.example.org/live/cam"]);
            assert_eq!(name.unwrap(), "cam");
        }
    }
}

#[tokio::test]
async fn pull_follows_a_redirect_after_play_to_the_stream_that_it_names() {
    let (builder, mut lines) = dialled_lines();
    let serve = async {
        let mut raw = Raw::accept(lines.recv().await.unwrap().1).await;
        raw.accept_connect().await;
        raw.accept_create_stream(1).await;
        raw.expect("play").await;
        let ex = Object::new()
            .with("code", 302)
            .with("redirect", "rtmp://b.example.org/edge")
            .with("redirect2", "rtmp://b.example.org/edge/cam2?ticket=7");
        raw.send_status(0, moved().with("ex", ex)).await;
        while raw.next().await.is_some() {}
        let mut server = Server::new(lines.recv().await.unwrap().1);
        let connect = server.accept_connect().await;
        assert_eq!(connect.tc_url(), Some("rtmp://b.example.org/edge"));
        assert_eq!(server.accept_play().await.1, "cam2?ticket=7");
    };
    let (playback, ()) = tokio::join!(builder.pull(URL), serve);
    playback.unwrap();
}

#[tokio::test]
async fn redirects_that_go_round_are_refused_with_their_way() {
    let there = "rtmp://b.example.org/live/cam";
    let (dialled, error) = push_by(|builder| builder, BY_EX, true, &[there, URL]).await;
    assert_eq!(dialled, [URL, there]);
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the redirects go round: rtmp://example.org/live/cam -> rtmp://b.example.org/live/cam -> \
         rtmp://example.org/live/cam"
    );
    assert!(matches!(&error, Error::RedirectLoop { hops } if hops.len() == 3));
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn more_redirects_than_allowed_are_refused_with_their_way() {
    let hosts = ["rtmp://b/live", "rtmp://c/live", "rtmp://d/live", "rtmp://e/live"];
    let (dialled, error) = push_by(|builder| builder, BY_EX, true, &hosts).await;
    assert_eq!(dialled.len(), 4);
    match error.unwrap_err() {
        Error::TooManyRedirects { hops, limit } => {
            let hosts: Vec<_> = hops.iter().map(|url| url.host()).collect();
            assert_eq!((hosts, limit), (vec!["example.org", "b", "c", "d", "e"], 3));
        }
        other => panic!("{other:?}"),
    }
    let (_, name) = push_by(|builder| builder.max_redirects(4), BY_EX, true, &hosts).await;
    assert_eq!(name.unwrap(), "cam");
}

#[tokio::test]
async fn a_redirect_is_an_error_for_who_follows_none() {
    let (dialled, error) = push_by(|builder| builder.max_redirects(0), BY_EX, true, &[TARGET]).await;
    assert_eq!(dialled, [URL]);
    assert_eq!(error.unwrap_err().redirect(), Some(TARGET));
}

#[tokio::test]
async fn a_redirect_to_no_address_is_an_error_that_says_whose() {
    let (_, error) = push_by(|builder| builder, BY_EX, true, &["http://b.example.org/live"]).await;
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        "rtmp://example.org/live/cam redirects to a wrong URL"
    );
    assert!(matches!(error, Error::RedirectUrl { .. }));
}

#[tokio::test]
async fn who_leaves_rtmps_is_not_followed() {
    let (builder, mut lines) = dialled_lines();
    let serve = async {
        let (url, line) = lines.recv().await.unwrap();
        assert_eq!(url.port(), 443);
        redirect(line, &moved_by_ex(), true).await;
    };
    let (pushed, ()) = tokio::join!(builder.push("rtmps://example.org/live/cam"), serve);
    let error = pushed.unwrap_err();
    assert!(matches!(error, Error::InsecureRedirect { .. }), "{error:?}");
}

#[tokio::test]
async fn a_line_that_the_connector_can_not_open_is_told_and_may_be_tried_again() {
    let (builder, lines) = dialled_lines();
    drop(lines);
    let error = builder.push(URL).await.unwrap_err();
    assert_eq!(error.to_string(), "can not open a line to example.org");
    assert!(matches!(error, Error::Connector { .. }) && error.is_retryable());
}

//! Sections 3, 9 and 12 from the other side: hostile servers, and URLs that people paste.

use std::error::Error as _;
use std::time::Duration;

use rtmp_amf::amf0::{Object, Value};
use rtmp_client::{ClientConn, ConnectRequest, Error, PublishKind, Timeouts};
use rtmp_core::conn::ServerEvent;
use rtmp_core::message::{Command, TransactionId};
use rtmp_core::url::RtmpUrl;
use rtmp_tests::hostile_server::HostileServer;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::support::SOON;

/// An error with all its causes.
fn text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// What a client says that dials a server which sends this and closes.
async fn dialled(bytes: &[u8]) -> String {
    let server = HostileServer::start().await;
    let url = server.url("live/cam");
    let serve = async {
        let mut line = server.accept().await;
        line.send_bytes(bytes).await;
        let _ = line.io().shutdown().await;
        line
    };
    let (dial, _line) = tokio::join!(timeout(SOON, ClientConn::dial(&url)), serve);
    text(&dial.expect("no hang").expect_err("no handshake"))
}

#[tokio::test]
async fn h3_10_a_server_without_a_handshake_is_told_by_the_stage_and_what_came() {
    for (bytes, said) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "the first byte is 0x48, the peer seems to speak HTTP",
        ),
        (
            b"\x15\x03\x01\0\x02\x02\x46",
            "the first byte is 0x15, the peer seems to speak TLS",
        ),
        (b"\x06", "encrypted RTMP (version 6) is not supported"),
        (b"\x04", "the server speaks version 4 of RTMP, we speak version 3"),
        (b"", "the connection ended before S0 was complete"),
        (b"\x03\0\0\0", "the connection ended before S1 was complete"),
    ] {
        let error = dialled(bytes).await;
        assert!(error.contains("handshake") && error.contains(said), "{error}");
    }
}

fn command(name: &str, transaction: u32) -> Command {
    Command::new(name).with_transaction(TransactionId::new(transaction))
}

#[tokio::test]
async fn h9_20_answers_and_statuses_that_make_no_sense_are_passed_over() {
    let server = HostileServer::start().await;
    let url = server.url("live/cam");
    let serve = async {
        let mut line = server.accept().await;
        line.accept_connect().await;
        for name in ["_result", "_error"] {
            for transaction in [0, 1, 77] {
                line.say(0, command(name, transaction).with_argument(Object::new()))
                    .await;
            }
        }
        for argument in [
            Value::Null,
            Value::from("x"),
            Value::Object(Object::new()),
            Value::Number(f64::NAN),
        ] {
            for stream in [0, 1, 99] {
                line.say(stream, command("onStatus", 0).with_argument(argument.clone()))
                    .await;
            }
        }
        line.say(0, command("doAnything", 5).with_argument(vec![Value::Null]))
            .await;
        // `publish` is never answered, until the client gives up.
        while line.next().await.is_some() {}
    };
    let act = async {
        let conn = ClientConn::builder()
            .timeouts(Timeouts::default().command(Duration::from_millis(300)))
            .dial(&url)
            .await
            .expect("a handshake");
        conn.connect(ConnectRequest::default())
            .await
            .expect("a connection");
        let stream = conn.create_stream().await.expect("a stream");
        let unanswered = stream
            .publish("cam", PublishKind::Live)
            .await
            .expect_err("no answer");
        assert_eq!(text(&unanswered), "it took longer than 300ms to publish");
        drop((stream, conn));
    };
    timeout(SOON, async { tokio::join!(serve, act) })
        .await
        .expect("no hang");
}

fn split(url: &str) -> (String, String) {
    let url: RtmpUrl = url.parse().expect("a URL");
    (
        url.app().to_owned(),
        url.stream_name().unwrap_or_default().to_owned(),
    )
}

fn refused(url: &str) -> String {
    url.parse::<RtmpUrl>().expect_err(url).to_string()
}

#[test]
fn h12_1_app_and_name_are_split_by_the_documented_rule() {
    for (url, app, name) in [
        ("rtmp://h", "", ""),
        ("rtmp://h/", "", ""),
        ("rtmp://h/app", "app", ""),
        ("rtmp://h/app/", "app", ""),
        ("rtmp://h/app/name", "app", "name"),
        ("rtmp://h/app/inst/name", "app/inst", "name"),
        ("rtmp://h//app//name", "app", "name"),
    ] {
        assert_eq!(split(url), (app.to_owned(), name.to_owned()), "{url}");
    }
}

#[test]
fn h12_2_ipv6_addresses_work_in_brackets_and_only_there() {
    for (url, host, port) in [
        ("rtmp://[::1]:1936/a/b", "::1", 1936),
        ("rtmp://[::1]/a/b", "::1", 1935),
    ] {
        let url: RtmpUrl = url.parse().expect("a URL");
        assert_eq!((url.host(), url.port()), (host, port));
    }
    assert_eq!(
        refused("rtmp://::1/a/b"),
        "an IPv6 address in a URL needs brackets"
    );
    assert_eq!(refused("rtmp://[::1%25eth0]/a/b"), "invalid host in the URL");
}

#[test]
fn h12_3_ports_and_schemes_that_are_none_are_named() {
    for port in ["0", "65536", "x", " ", "-1"] {
        let error = refused(&format!("rtmp://h:{port}/a/b"));
        assert_eq!(error, "the port in the URL is not a number from 1 to 65535");
    }
    for scheme in ["rtmpt", "rtmpe", "http"] {
        let error = refused(&format!("{scheme}://h/a/b"));
        assert!(
            error.contains("rtmp") && error.contains("not supported") || error.contains("does not start"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn h12_4_queries_and_tokens_are_sent_byte_for_byte() {
    let server = HostileServer::start().await;
    let name = "cam?token=a%2Fb+c=&x=#1";
    let url = server.url(&format!("live/{name}"));
    let serve = async {
        let mut line = server.accept().await;
        line.accept_connect().await;
        loop {
            match line.next().await {
                Some(ServerEvent::Publish { request, .. }) => return request.name().to_owned(),
                Some(_) => {}
                None => panic!("no publish"),
            }
        }
    };
    tokio::select! {
        asked = timeout(SOON, serve) => assert_eq!(asked.expect("no hang"), name),
        ended = rtmp_client::push(&url) => panic!("{ended:?}"),
    }
}

#[test]
fn h12_5_what_could_smuggle_something_is_refused_without_being_shown() {
    let long = format!("rtmp://h/{}", "s3cret".repeat(12_000));
    for (url, said) in [
        (
            "rtmp://user:s3cret@h/a/b",
            "user name and password in front of the host are not supported",
        ),
        ("rtmp://h/a/s3cret\r\nb", "control character"),
        ("rtmp://h/a/s3cret\0", "control character"),
        (&long, "the limit is"),
    ] {
        let error = refused(url);
        assert!(error.contains(said) && !error.contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn h12_6_a_host_that_can_not_be_reached_is_named_with_the_last_cause() {
    let free = HostileServer::start().await.url("live/cam");
    let error = ClientConn::dial(&free)
        .await
        .expect_err("nobody listens any more");
    assert!(
        matches!(&error, Error::Dial { host, .. } if host == "127.0.0.1"),
        "{error:?}"
    );
    assert!(error.is_retryable());
    let error = ClientConn::dial("rtmp://nowhere.invalid/live/cam")
        .await
        .expect_err("no such host");
    assert!(
        matches!(&error, Error::Resolve { host, .. } if host == "nowhere.invalid"),
        "{error:?}"
    );
}

//! What the tools say to users who ask for something impossible: one line, and an exit code.

use std::net::Ipv4Addr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::process::Process;
use crate::programs::{PublisherKind, Relay, clip, free_port, scratch, tool_command};

/// A mistake in how the tool is called.
const USAGE: i32 = 2;

/// Runs a tool that is to fail, and asserts that it exits with 1 and says so in one line with each of `parts`.
async fn fails(tool: &str, arguments: &[&str], parts: &[&str]) {
    let mut command = tool_command(tool);
    command.args(arguments);
    let ended = Process::start(tool, &mut command).ended().await;
    let said = &ended.stderr;
    assert_eq!(ended.exit_code, Some(1), "{tool} {arguments:?} said: {said}");
    assert_eq!(said.lines().count(), 1, "{tool} {arguments:?} said: {said}");
    assert!(
        said.starts_with(&format!("{tool}: ")),
        "{tool} {arguments:?} said: {said}"
    );
    for part in parts {
        assert!(
            said.contains(part),
            "{tool} {arguments:?} said nothing of {part:?}: {said}"
        );
    }
}

async fn push_and_pull_fail(url: &str, parts: &[&str]) {
    let clip = clip();
    fails("push", &["--quiet", &clip.display().to_string(), url], parts).await;
    fails("pull", &["--quiet", url], parts).await;
}

#[tokio::test]
async fn wrong_arguments_are_mistakes_of_usage() {
    let cases: [(&str, &[&str], &str); 8] = [
        ("relay", &["--unknown"], "--unknown"),
        ("push", &[], "<FILE>"),
        ("push", &["clip.flv"], "<URL>"),
        ("push", &["clip.flv", "no url"], "no url"),
        (
            "push",
            &["--loop", "0", "clip.flv", "rtmp://localhost/live/cam"],
            "--loop",
        ),
        ("pull", &[], "<URL>"),
        ("pull", &["rtmp:///live/cam"], "rtmp:///live/cam"),
        (
            "pull",
            &["--timeout", "soon", "rtmp://localhost/live/cam"],
            "--timeout",
        ),
    ];
    for (tool, arguments, part) in cases {
        let mut command = tool_command(tool);
        command.args(arguments);
        let ended = Process::start(tool, &mut command).ended().await;
        assert_eq!(
            ended.exit_code,
            Some(USAGE),
            "{tool} {arguments:?} said: {}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains(part),
            "{tool} {arguments:?} said: {}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_told() {
    let relay = Relay::start().await;
    let url = relay.url("live/cam").replace("rtmp://", "rtmps://");
    push_and_pull_fail(&url, &["no TLS with 127.0.0.1", "it may not speak TLS there"]).await;
}

#[tokio::test]
async fn certificates_that_can_not_be_used_are_told() {
    let directory = scratch();
    let missing = directory.path().join("missing.pem").display().to_string();
    let empty = clip().display().to_string();
    let url = "rtmps://127.0.0.1/live/cam";
    fails("pull", &["--ca", &missing, url], &["can not read", &missing]).await;
    fails(
        "pull",
        &["--ca", &empty, url],
        &["there is no certificate in the root certificates"],
    )
    .await;
    let listening = [
        "--listen",
        "127.0.0.1:0",
        "--tls-listen",
        "127.0.0.1:0",
        "--tls-key",
        &empty,
        "--tls-cert",
    ];
    fails(
        "relay",
        &[&listening[..], &[&missing]].concat(),
        &["no RTMPS", "can not read", &missing],
    )
    .await;
    fails(
        "relay",
        &[&listening[..], &[&empty]].concat(),
        &["there is no certificate in the certificate chain"],
    )
    .await;
}

#[tokio::test]
async fn a_url_without_a_stream_name_is_refused() {
    push_and_pull_fail("rtmp://127.0.0.1/live", &["names no stream"]).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let port = free_port().to_string();
    let url = format!("rtmp://127.0.0.1:{port}/live/cam");
    push_and_pull_fail(&url, &["127.0.0.1", &port, "refused"]).await;
}

/// A label of more than 63 letters can not be in the name system, so the resolver need not ask anybody.
#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    let host = format!("{}.invalid", "a".repeat(64));
    push_and_pull_fail(&format!("rtmp://{host}/live/cam"), &[&host]).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("loopback has a free port");
    let url = format!(
        "rtmp://{}/live/cam",
        silent.local_addr().expect("a listener has an address")
    );
    push_and_pull_fail(&url, &["longer than", "shake hands"]).await;
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_no_rtmp_server() {
    let web = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("loopback has a free port");
    let url = format!(
        "rtmp://{}/live/cam",
        web.local_addr().expect("a listener has an address")
    );
    let serve = async {
        let mut lines = Vec::new();
        loop {
            let (mut line, _) = web.accept().await.expect("the tools dial");
            line.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .expect("the tools read");
            lines.push(line);
        }
    };
    tokio::select! {
        () = push_and_pull_fail(&url, &["handshake"]) => {}
        () = serve => {}
    }
}

#[tokio::test]
async fn a_file_that_can_not_be_published_is_named() {
    let directory = scratch();
    let url = format!("rtmp://127.0.0.1:{}/live/cam", free_port());
    let path = |name: &str| directory.path().join(name).display().to_string();

    fails(
        "push",
        &["--quiet", &path("missing.flv"), &url],
        &["missing.flv", "No such file"],
    )
    .await;
    fails("push", &["--quiet", &path("."), &url], &[&path(".")]).await;

    std::fs::write(path("text.flv"), "This is no FLV file.").expect("the file can be written");
    fails("push", &["--quiet", &path("text.flv"), &url], &["text.flv"]).await;

    std::fs::write(path("empty.flv"), "").expect("the file can be written");
    fails("push", &["--quiet", &path("empty.flv"), &url], &["empty.flv"]).await;
}

#[tokio::test]
async fn a_recording_that_can_not_be_written_is_named() {
    let directory = scratch();
    let file = directory.path().join("missing/out.flv").display().to_string();
    let relay = Relay::start().await;
    fails(
        "pull",
        &["--quiet", "-o", &file, &relay.url("live/cam")],
        &["out.flv", "No such file"],
    )
    .await;
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_in_the_words_of_the_server() {
    let mut relay = Relay::start().await;
    let url = relay.url("live/cam");
    let _first = PublisherKind::Push.publish(&url);
    relay.has_publishers(1).await;
    let clip = clip().display().to_string();
    fails(
        "push",
        &["--quiet", &clip, &url],
        &["refused", "NetStream.Publish.BadName"],
    )
    .await;
}

#[tokio::test]
async fn a_stream_that_nobody_publishes_is_given_up() {
    let relay = Relay::start().await;
    let url = relay.url("live/cam");
    fails("pull", &["--quiet", "--timeout", "1", &url], &["no media", "1 s"]).await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("loopback has a free port");
    let address = taken.local_addr().expect("a listener has an address").to_string();
    fails("relay", &["--listen", &address], &[&address]).await;
}

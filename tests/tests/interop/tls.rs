//! RTMPS with programs that have TLS of other makes (GnuTLS, OpenSSL), and a balancer in front.

use std::path::{Path, PathBuf};

use rtmp_tests::certificates::{Authority, Identity};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::frames::{assert_all, packets};
use crate::process::{Process, until};
use crate::programs::{HAPROXY, PlayerKind, PublisherKind, Relay, clip, free_port, scratch};

/// A relay that speaks RTMP and RTMPS, with a certificate for `localhost`.
struct TlsRelay {
    relay: Relay,
    authority: Authority,
    directory: TempDir,
    port: u16,
}

impl TlsRelay {
    async fn start() -> Self {
        let directory = scratch();
        let authority = Authority::new();
        write(directory.path(), &authority.issue("localhost"));
        std::fs::write(directory.path().join("ca.pem"), &authority.pem).expect("the file can be written");
        let file = |name: &str| directory.path().join(name).display().to_string();
        let mut relay = Relay::with_options(&[
            "--listen",
            "127.0.0.1:0",
            "--tls-listen",
            "127.0.0.1:0",
            "--tls-cert",
            &file("cert.pem"),
            "--tls-key",
            &file("key.pem"),
        ])
        .await;
        let address = relay.process.prints("listening on rtmps://").await;
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
        Self {
            relay,
            authority,
            directory,
            port: port.expect("relay prints an address"),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("rtmps://localhost:{}/{path}", self.port)
    }

    fn ca(&self) -> String {
        self.directory.path().join("ca.pem").display().to_string()
    }
}

fn write(directory: &Path, identity: &Identity) {
    for (name, pem) in [("cert.pem", &identity.certificate), ("key.pem", &identity.key)] {
        std::fs::write(directory.join(name), pem).expect("the file can be written");
    }
}

/// Each program verifies, but for GStreamer, which can be told no authority of its own.
async fn passes(publisher: PublisherKind, player: PlayerKind) {
    let mut tls = TlsRelay::start().await;
    let directory = scratch();
    let sent = publisher.sent_packets(directory.path()).await;
    let (url, ca) = (tls.url("live/cam"), tls.ca());
    let ffmpeg = ["-tls_verify", "1", "-ca_file", &ca];
    let options: &[&str] = match player {
        PlayerKind::Ffmpeg => &ffmpeg,
        PlayerKind::Rtmp2src => &["tls-validation-flags=0"],
        PlayerKind::Pull => &["--ca", &ca],
        PlayerKind::Rtmpdump => &["--live"],
    };
    let player = player.play_with(options, &url, directory.path(), "player");
    tls.relay.has_players(1).await;
    let options: &[&str] = match publisher {
        PublisherKind::Ffmpeg => &ffmpeg,
        PublisherKind::Rtmp2sink => &["tls-validation-flags=0"],
        PublisherKind::Push => &["--ca", &ca],
        PublisherKind::Rtmpsink => &[],
    };
    publisher.publish_with(options, &url).succeeded().await;
    let (name, may_lose) = (format!("{:?}", player.kind), player.kind.may_lose_at_end());
    assert_all(&name, &sent, &player.recorded().await, may_lose);
}

#[tokio::test]
async fn pull_plays_by_rtmps_what_ffmpeg_publishes() {
    passes(PublisherKind::Ffmpeg, PlayerKind::Pull).await;
}

#[tokio::test]
async fn ffmpeg_plays_by_rtmps_what_push_publishes() {
    passes(PublisherKind::Push, PlayerKind::Ffmpeg).await;
}

#[tokio::test]
async fn gstreamer_plays_by_rtmps_what_it_publishes() {
    passes(PublisherKind::Rtmp2sink, PlayerKind::Rtmp2src).await;
}

#[tokio::test]
async fn librtmp_plays_by_rtmps_what_librtmp_publishes() {
    passes(PublisherKind::Rtmpsink, PlayerKind::Rtmpdump).await;
}

/// FFmpeg verifies only if it is told to, and then it refuses a stranger.
#[tokio::test]
async fn ffmpeg_refuses_a_certificate_of_nobody_it_trusts() {
    let tls = TlsRelay::start().await;
    let directory = scratch();
    let stranger = directory.path().join("stranger.pem");
    std::fs::write(&stranger, Authority::new().pem).expect("the file can be written");
    let options = ["-tls_verify", "1", "-ca_file", &stranger.display().to_string()];
    let refused = PublisherKind::Ffmpeg
        .publish_with(&options, &tls.url("live/cam"))
        .ended()
        .await;
    assert_eq!(refused.exit_code, Some(1), "it printed:\n{}", refused.stderr);
}

/// What `openssl s_client` shows of the server, in this version of TLS.
async fn shown_to_openssl(tls: &TlsRelay, version: &str) -> String {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-connect", &format!("127.0.0.1:{}", tls.port)])
        .args([
            "-servername",
            "localhost",
            "-verify_hostname",
            "localhost",
            "-verify_return_error",
        ])
        .args(["-CAfile", &tls.ca(), version])
        .stdin(std::process::Stdio::null());
    let output = command.output().await.expect("openssl starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && text.contains("Verify return code: 0 (ok)"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let begin = text.find("-----BEGIN CERTIFICATE-----").expect("a certificate");
    let end = text.find("-----END CERTIFICATE-----").expect("a certificate");
    text[begin..end].to_owned()
}

#[tokio::test]
async fn openssl_verifies_the_relay_which_takes_a_new_certificate_at_sighup() {
    let mut tls = TlsRelay::start().await;
    let first = shown_to_openssl(&tls, "-tls1_2").await;
    assert_eq!(shown_to_openssl(&tls, "-tls1_3").await, first);

    let directory = scratch();
    let (url, ca) = (tls.url("live/cam"), tls.ca());
    let player = PlayerKind::Pull.play_with(&["--ca", &ca], &url, directory.path(), "player");
    tls.relay.has_players(1).await;
    write(tls.directory.path(), &tls.authority.issue("localhost"));
    tls.relay.process.signal("HUP").await;
    tls.relay.process.logs("certificate reloaded", 1).await;
    assert_ne!(shown_to_openssl(&tls, "-tls1_3").await, first);
    // The session that was there goes on.
    PublisherKind::Push
        .publish_with(&["--ca", &ca], &url)
        .succeeded()
        .await;
    assert_all("player", &packets(&clip()).await, &player.recorded().await, 0);

    std::fs::write(tls.directory.path().join("key.pem"), "nothing").expect("the file can be written");
    tls.relay.process.signal("HUP").await;
    tls.relay
        .process
        .logs(
            "certificate not reloaded: the private key can not be read as PEM",
            1,
        )
        .await;
    shown_to_openssl(&tls, "-tls1_3").await;
}

/// HAProxy with OpenSSL in front of a relay, to which it speaks the PROXY protocol in both versions. Its health checks
/// name nobody.
struct Haproxy {
    _process: Process,
    port: u16,
}

impl Haproxy {
    async fn start(directory: &Path, relay: &Relay, header: &str) -> Self {
        let port = free_port();
        let path: PathBuf = directory.join("haproxy.cfg");
        let configuration = format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
             listen rtmps\n bind 127.0.0.1:{port} ssl crt {pem}\n server relay {relay} {header} check inter 50ms\n",
            pem = directory.join("haproxy.pem").display(),
            relay = relay.address(),
        );
        std::fs::write(&path, configuration).expect("the file can be written");
        let mut command = Command::new(HAPROXY);
        command.arg("-db").arg("-f").arg(path);
        let mut process = Process::start("HAProxy", &mut command);
        until("HAProxy listened", async || {
            assert!(!process.has_ended(), "HAProxy ended{}", process.printed());
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        Self {
            _process: process,
            port,
        }
    }
}

async fn passes_through_haproxy(header: &str) {
    let directory = scratch();
    let authority = Authority::new();
    let identity = authority.issue("localhost");
    let file = |name: &str| directory.path().join(name);
    std::fs::write(file("haproxy.pem"), identity.certificate + &identity.key)
        .expect("the file can be written");
    std::fs::write(file("ca.pem"), authority.pem).expect("the file can be written");
    let mut relay = Relay::with_options(&[
        "--listen",
        "127.0.0.1:0",
        "--proxy-protocol",
        "127.0.0.0/8,10.0.0.0/8",
    ])
    .await;
    let haproxy = Haproxy::start(directory.path(), &relay, header).await;
    let url = format!("rtmps://localhost:{}/live/cam", haproxy.port);
    let ca = file("ca.pem").display().to_string();
    let player = PlayerKind::Pull.play_with(&["--ca", &ca], &url, directory.path(), "player");
    relay.has_players(1).await;
    PublisherKind::Push
        .publish_with(&["--ca", &ca], &url)
        .succeeded()
        .await;
    assert_all("player", &packets(&clip()).await, &player.recorded().await, 0);
    // A client that does not come through HAProxy has no header.
    let refused = PublisherKind::Push.publish(&relay.url("live/cam")).ended().await;
    assert_eq!(refused.exit_code, Some(1));
    relay
        .process
        .logs("no PROXY header: the connection begins with [03]", 1)
        .await;
}

#[tokio::test]
async fn clients_come_through_haproxy_with_version_1_of_the_proxy_protocol() {
    passes_through_haproxy("send-proxy").await;
}

#[tokio::test]
async fn clients_come_through_haproxy_with_version_2_of_the_proxy_protocol() {
    passes_through_haproxy("send-proxy-v2").await;
}

/// The checksum is HAProxy's own: it would be refused if ours were another.
#[tokio::test]
async fn clients_come_through_haproxy_with_a_checksum_in_the_header() {
    passes_through_haproxy("send-proxy-v2 proxy-v2-options crc32c,unique-id").await;
}

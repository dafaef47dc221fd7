//! The programs of the suite, and how each is told to serve, publish or play.

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::frames::{Packet, packets};
use crate::process::{Process, until};

/// How often a free port is asked for anew, when another process takes it first.
const PORT_ATTEMPTS: usize = 5;

/// 5 seconds: 125 video and 217 audio packets, a keyframe every second. `examples/media` tells how it was made.
pub(crate) fn clip() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/media/clip.flv")
}

/// A directory for the files of one test.
pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

/// The path of `relay`, `push` or `pull`, built with the profile of this suite.
pub(crate) fn tool(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(build_tools).join(name)
}

/// Builds the tools and gives the directory they are in, which is the one above this suite's.
fn build_tools() -> PathBuf {
    let suite = env::current_exe().expect("the suite knows its own path");
    let directory = suite
        .ancestors()
        .nth(2)
        .expect("the suite is in target/PROFILE/deps")
        .to_owned();
    let target = directory.parent().expect("the suite is in target/PROFILE/deps");
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let build = std::process::Command::new(env!("CARGO"))
        .args([
            "build",
            "--package",
            "rtmp-examples",
            "--bins",
            "--profile",
            profile,
            "--target-dir",
        ])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .expect("cargo starts");
    let errors = String::from_utf8_lossy(&build.stderr);
    assert!(build.status.success(), "the tools can not be built:\n{errors}");
    directory
}

/// One of our tools, with a log that is plain text.
pub(crate) fn tool_command(name: &str) -> Command {
    let mut command = Command::new(tool(name));
    command.env("NO_COLOR", "1").env("RUST_LOG", "info");
    command
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error"]);
    command
}

/// FFmpeg as a server, with all `options`.
pub(crate) fn ffmpeg_server(options: &[&str]) -> Process {
    Process::start("server FFmpeg", ffmpeg().args(options))
}

/// Lets FFmpeg copy the frames of the clip, so many times, into another file, with an index.
pub(crate) async fn copy_clip(times: usize, file: &Path) {
    let mut command = ffmpeg();
    command
        .args(["-stream_loop", &(times - 1).to_string(), "-i"])
        .arg(clip())
        .args(["-c", "copy"])
        .args(if file.extension().is_some_and(|extension| extension == "flv") {
            ["-flvflags", "add_keyframe_index"]
        } else {
            ["-movflags", "faststart"]
        })
        .arg(file);
    Process::start("FFmpeg copy", &mut command).succeeded().await;
}

/// A running `relay`.
pub(crate) struct Relay {
    pub(crate) process: Process,
    address: String,
}

impl Relay {
    pub(crate) async fn start() -> Self {
        Self::listen("127.0.0.1:0").await
    }

    pub(crate) async fn listen(address: &str) -> Self {
        Self::with_options(&["--listen", address]).await
    }

    /// The same with all `options`.
    pub(crate) async fn with_options(options: &[&str]) -> Self {
        let mut command = tool_command("relay");
        command.env("RUST_LOG", "debug").args(options);
        Self::from_process(Process::start("relay", &mut command)).await
    }

    /// A relay that was started by other means.
    pub(crate) async fn from_process(mut process: Process) -> Self {
        let address = process.prints("listening on rtmp://").await;
        Self { process, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("rtmp://{}/{path}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address.parse().expect("relay prints an address")
    }

    /// Waits until so many players have been accepted.
    pub(crate) async fn has_players(&mut self, count: usize) {
        self.process.logs(" playing ", count).await;
    }

    pub(crate) async fn has_publishers(&mut self, count: usize) {
        self.process.logs(" publishing ", count).await;
    }
}

/// A running nginx with the RTMP module: an application `live`, and `vod` with the recordings in its directory.
pub(crate) struct Nginx {
    pub(crate) process: Process,
    port: u16,
    directory: TempDir,
}

impl Nginx {
    pub(crate) async fn start() -> Self {
        for _ in 0..PORT_ATTEMPTS {
            let directory = scratch();
            let port = free_port();
            std::fs::write(
                directory.path().join("nginx.conf"),
                nginx_configuration(directory.path(), port),
            )
            .expect("the file can be written");
            let mut process = start_nginx(directory.path(), port).await;
            if !process.has_ended() {
                return Self {
                    process,
                    port,
                    directory,
                };
            }
            let ended = process.ended().await;
            let port_was_taken = ended.stderr.contains("Address already in use");
            assert!(
                port_was_taken,
                "nginx did not start; it printed:\n{}",
                ended.stderr
            );
        }
        panic!("nginx found no free port");
    }

    /// Kills it, and starts it again at the same address.
    pub(crate) async fn restart(self) -> Self {
        self.process.kill().await;
        Self {
            process: start_nginx(self.directory.path(), self.port).await,
            ..self
        }
    }

    /// The path of a recording that `vod` plays, to be written.
    pub(crate) fn recording(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn address(&self) -> (Ipv4Addr, u16) {
        (Ipv4Addr::LOCALHOST, self.port)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("rtmp://127.0.0.1:{}/{path}", self.port)
    }

    pub(crate) async fn has_players(&mut self, count: usize) {
        self.process.logs(" play: name=", count).await;
    }
}

/// Starts nginx with the configuration in the directory, and waits until it listens or ends.
async fn start_nginx(directory: &Path, port: u16) -> Process {
    let mut command = Command::new(NGINX);
    command
        .args(["-e", "stderr", "-p"])
        .arg(directory)
        .arg("-c")
        .arg(directory.join("nginx.conf"));
    let mut process = Process::start("nginx", &mut command);
    until("nginx listened", async || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() || process.has_ended()
    })
    .await;
    process
}

/// Not in the search path of ordinary users.
pub(crate) const HAPROXY: &str = "/usr/sbin/haproxy";

/// Not in the search path of ordinary users.
const NGINX: &str = "/usr/sbin/nginx";

/// The path of the RTMP module, where the package has put it.
pub(crate) fn nginx_module() -> PathBuf {
    let output = std::process::Command::new(NGINX).arg("-V").output();
    let output = output.unwrap_or_else(|error| panic!("{NGINX} does not start: {error}"));
    let settings = String::from_utf8_lossy(&output.stderr).into_owned();
    let directory = settings
        .split_whitespace()
        .find_map(|word| word.strip_prefix("--modules-path="));
    Path::new(directory.unwrap_or("/usr/lib/nginx/modules")).join("ngx_rtmp_module.so")
}

/// `publish_notify` lets nginx-rtmp tell players that the publisher is gone; FFmpeg would wait for ever otherwise.
fn nginx_configuration(directory: &Path, port: u16) -> String {
    let module = nginx_module();
    format!(
        "load_module {0};
        daemon off;
        master_process off;
        pid {1}/nginx.pid;
        error_log stderr info;
        events {{ worker_connections 64; }}
        rtmp {{ server {{
            listen 127.0.0.1:{port};
            application live {{ live on; publish_notify on; play_restart on; }}
            application vod {{ play {1}; }}
        }} }}",
        module.display(),
        directory.display(),
    )
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a listener has an address").port()
}

/// Programs that publish [`clip`], in real time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PublisherKind {
    Ffmpeg,
    /// GStreamer with an RTMP implementation of its own.
    Rtmp2sink,
    /// GStreamer with librtmp.
    Rtmpsink,
    Push,
}

impl PublisherKind {
    pub(crate) fn publish(self, url: &str) -> Process {
        self.publish_with(&[], url)
    }

    /// Publishes with more `options` before the URL: those of FFmpeg's output, of rtmp2sink, or of `push`.
    pub(crate) fn publish_with(self, options: &[&str], url: &str) -> Process {
        let mut command = match self {
            Self::Ffmpeg => {
                let mut command = ffmpeg();
                command
                    .arg("-re")
                    .arg("-i")
                    .arg(clip())
                    .args(["-c", "copy", "-f", "flv"])
                    .args(options)
                    .arg(url);
                command
            }
            Self::Rtmp2sink => {
                let location = format!("location={url}");
                gstreamer_remux(&[&["rtmp2sink", "sync=true", &location], options].concat())
            }
            Self::Rtmpsink => gstreamer_remux(&["rtmpsink", "sync=true", &format!("location={url} live=1")]),
            Self::Push => {
                let mut command = tool_command("push");
                command.args(options).arg(clip()).arg(url);
                command
            }
        };
        Process::start(format!("publisher {self:?}"), &mut command)
    }

    /// The packets it sends. GStreamer's muxer sets times of its own, the same ones for a file.
    pub(crate) async fn sent_packets(self, directory: &Path) -> Vec<Packet> {
        match self {
            Self::Ffmpeg | Self::Push => packets(&clip()).await,
            Self::Rtmp2sink | Self::Rtmpsink => {
                let file = directory.join("sent.flv");
                let mut remux = gstreamer_remux(&["filesink", &format!("location={}", file.display())]);
                Process::start("GStreamer muxer", &mut remux).succeeded().await;
                packets(&file).await
            }
        }
    }
}

/// GStreamer reads the clip, and muxes it anew for `sink`.
fn gstreamer_remux(sink: &[&str]) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    command
        .args([
            "-q",
            "filesrc",
            &format!("location={}", clip().display()),
            "!",
            "flvdemux",
            "name=d",
        ])
        .args(["flvmux", "name=m", "streamable=true", "!"])
        .args(sink)
        .args(["d.video", "!", "queue", "!", "h264parse", "!", "m.video"])
        .args(["d.audio", "!", "queue", "!", "aacparse", "!", "m.audio"]);
    command
}

/// Programs that play a stream, and record it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PlayerKind {
    Ffmpeg,
    Rtmpdump,
    /// GStreamer with an RTMP implementation of its own.
    Rtmp2src,
    Pull,
}

/// A program that plays, and its recording.
pub(crate) struct Player {
    pub(crate) kind: PlayerKind,
    pub(crate) process: Process,
    pub(crate) file: PathBuf,
}

impl PlayerKind {
    pub(crate) const ALL: [Self; 4] = [Self::Ffmpeg, Self::Rtmpdump, Self::Rtmp2src, Self::Pull];

    /// Plays `url` into `directory/name.flv`.
    pub(crate) fn play(self, url: &str, directory: &Path, name: &str) -> Player {
        self.play_with(&[], url, directory, name)
    }

    /// Plays with `options`: those of FFmpeg's input, rtmpdump's instead of `--live`, those of rtmp2src or of `pull`.
    pub(crate) fn play_with(self, options: &[&str], url: &str, directory: &Path, name: &str) -> Player {
        let file = directory.join(name).with_extension("flv");
        let mut command = match self {
            Self::Ffmpeg => {
                let mut command = ffmpeg();
                command
                    .args(options)
                    .args(["-i", url, "-c", "copy", "-flush_packets", "1", "-f", "flv"])
                    .arg(&file);
                command
            }
            Self::Rtmpdump => {
                let mut command = Command::new("rtmpdump");
                let options = if options.is_empty() { &["--live"] } else { options };
                command.args(options).args(["-r", url, "-o"]).arg(&file);
                command
            }
            Self::Rtmp2src => {
                let mut command = Command::new("gst-launch-1.0");
                let (source, sink) = (format!("location={url}"), format!("location={}", file.display()));
                command.args(["-q", "rtmp2src", &source]).args(options);
                command.args(["!", "filesink", &sink]);
                command
            }
            Self::Pull => {
                let mut command = tool_command("pull");
                command.args(options).arg("-o").arg(&file).arg(url);
                command
            }
        };
        let process = Process::start(format!("player {self:?} {name}"), &mut command);
        Player {
            kind: self,
            process,
            file,
        }
    }

    /// Whether the times in its recordings are those of the wire, and do not begin with 0.
    pub(crate) fn keeps_times(self) -> bool {
        match self {
            Self::Rtmpdump | Self::Rtmp2src => true,
            Self::Ffmpeg | Self::Pull => false,
        }
    }

    /// How many packets the program may drop at the end. GStreamer's rtmp2src throws away the message it has not
    /// handed on yet when Stream EOF arrives (`gst_rtmp2_src_task_func` of 1.22); it does so with every server.
    pub(crate) fn may_lose_at_end(self) -> usize {
        match self {
            Self::Rtmp2src => 1,
            Self::Ffmpeg | Self::Rtmpdump | Self::Pull => 0,
        }
    }
}

impl Player {
    /// Waits until the program ends by itself, and gives what it has recorded.
    pub(crate) async fn recorded(self) -> Vec<Packet> {
        match self.kind {
            PlayerKind::Pull => self.process.succeeded().await,
            // What they consider a success is not ours to judge; the recording is.
            PlayerKind::Ffmpeg | PlayerKind::Rtmpdump | PlayerKind::Rtmp2src => {
                drop(self.process.ended().await)
            }
        }
        packets(&self.file).await
    }
}

//! What has to be installed.

use std::process::Command;

use crate::programs::{HAPROXY, nginx_module};

#[test]
fn every_program_of_the_suite_is_installed() {
    let mut missing = Vec::new();
    for (program, argument, package) in [
        ("ffmpeg", "-version", "ffmpeg"),
        ("ffprobe", "-version", "ffmpeg"),
        ("rtmpdump", "--help", "rtmpdump"),
        ("gst-launch-1.0", "--version", "gstreamer1.0-tools"),
        ("openssl", "version", "openssl"),
        (HAPROXY, "-v", "haproxy"),
    ] {
        if Command::new(program).arg(argument).output().is_err() {
            missing.push(format!("{program} (Debian package {package})"));
        }
    }
    for (element, package) in [
        ("flvmux", "gstreamer1.0-plugins-good"),
        ("flvdemux", "gstreamer1.0-plugins-good"),
        ("aacparse", "gstreamer1.0-plugins-good"),
        ("h264parse", "gstreamer1.0-plugins-bad"),
        ("rtmp2src", "gstreamer1.0-plugins-bad"),
        ("rtmp2sink", "gstreamer1.0-plugins-bad"),
        ("rtmpsink", "gstreamer1.0-plugins-bad"),
    ] {
        let found = Command::new("gst-inspect-1.0")
            .args(["--exists", element])
            .status();
        if !found.is_ok_and(|status| status.success()) {
            missing.push(format!("GStreamer element {element} (Debian package {package})"));
        }
    }
    if !nginx_module().exists() {
        missing.push(format!(
            "{} (Debian package libnginx-mod-rtmp)",
            nginx_module().display()
        ));
    }
    assert!(missing.is_empty(), "not installed: {}", missing.join(", "));
}

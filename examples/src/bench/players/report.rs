//! What players met, in figures.

use std::fmt;

use serde::Serialize;

use super::super::process::{ProcessError, ProcessMeter};
use super::super::report::{ErrorCounts, Report, ServerUsage, Table};
use super::super::samples::{Percentiles, Samples};
use super::player::Stage;
use super::{Players, PlayersOptions};

/// What players met. Bytes are those on the wire; throughput and latency are of the time in which all had joined.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PlayersReport {
    /// Players that were started.
    pub players: usize,
    /// Of these, players that got audio or video.
    pub joined: usize,
    /// Players that never did.
    pub failed: usize,
    /// Players that were cut off later.
    pub lost: usize,
    /// Players that got nothing at all in the time measured, although they were connected.
    pub starved: usize,
    /// Players that were told that the stream is over.
    pub ended: usize,
    /// Whether the time measured began after all had joined, or had time to; otherwise it is that since the start.
    pub measured_after_joining: bool,
    /// The time measured.
    pub seconds: f64,
    /// Bytes that all players received in that time.
    pub received_bytes: u64,
    /// The same in a second.
    pub megabits_per_second: f64,
    /// What players that stayed received, as a share of what as many of the best would have: 1 if all got the same.
    pub delivered_ratio: Option<f64>,
    /// The share of the worst player.
    pub worst_ratio: Option<f64>,
    /// Players that checked all that they received.
    pub checked_players: usize,
    /// Messages that these received since they joined.
    pub messages: u64,
    /// Audio frames among them.
    pub audio_frames: u64,
    /// Video frames among them.
    pub video_frames: u64,
    /// Stamped video frames that they did not get, between two that they got.
    pub missed_frames: u64,
    /// From a frame's stamp to its arrival, for checked players.
    pub latency: Option<Percentiles>,
    /// From the start of the TCP connection to the first keyframe or, without video, to the first audio.
    pub connect_to_keyframe: Option<Percentiles>,
    /// The same from `play` on.
    pub play_to_keyframe: Option<Percentiles>,
    /// Violations of the order that players rely on, and differences from the file.
    pub faults: u64,
    /// The kinds of these faults as text, and of how many players each is one of the first.
    pub fault_texts: ErrorCounts,
    /// Why players failed or were lost.
    pub errors: ErrorCounts,
    /// What the server's process used.
    pub server: Option<ServerUsage>,
    /// What this process used, in percent of a core. Near 100 the load generator is the limit, not the server.
    pub own_core_percent: Option<f64>,
}

impl PlayersReport {
    pub(super) fn new(options: &PlayersOptions, players: &Players) -> Result<Self, ProcessError> {
        let mut report = Self {
            players: players.records.len(),
            joined: 0,
            failed: 0,
            lost: 0,
            starved: 0,
            ended: 0,
            measured_after_joining: players.window.is_open,
            seconds: players.window.begin.elapsed().as_secs_f64(),
            received_bytes: 0,
            megabits_per_second: 0.0,
            delivered_ratio: None,
            worst_ratio: None,
            checked_players: 0,
            messages: 0,
            audio_frames: 0,
            video_frames: 0,
            missed_frames: 0,
            latency: None,
            connect_to_keyframe: None,
            play_to_keyframe: None,
            faults: 0,
            fault_texts: ErrorCounts::default(),
            errors: ErrorCounts::default(),
            server: None,
            own_core_percent: None,
        };
        report.add_throughput(players);
        report.add_checks(options, players);
        report.server = ServerUsage::of(players.meter.as_ref(), report.received_bytes, report.joined)?;
        report.own_core_percent = players.own_meter.as_ref().and_then(ProcessMeter::core_percent);
        Ok(report)
    }

    fn add_throughput(&mut self, players: &Players) {
        let mut of_stayers = Vec::new();
        for (number, record) in players.records.iter().enumerate() {
            let before = players.window.bytes.get(number).copied().unwrap_or(0);
            let received = record.bytes().saturating_sub(before);
            self.received_bytes += received;
            if matches!(record.lock().stage, Stage::Playing) {
                of_stayers.push(received);
                self.starved += usize::from(received == 0 && self.measured_after_joining);
            }
        }
        self.megabits_per_second = self.received_bytes as f64 * 8.0 / 1e6 / self.seconds.max(1e-6);
        if let Some(&best @ 1..) = of_stayers.iter().max()
            && self.measured_after_joining
        {
            let share = |bytes: u64| bytes as f64 / best as f64;
            self.delivered_ratio = Some(share(of_stayers.iter().sum()) / of_stayers.len() as f64);
            self.worst_ratio = of_stayers.iter().min().map(|&worst| share(worst));
        }
    }

    fn add_checks(&mut self, options: &PlayersOptions, players: &Players) {
        let (mut latency, mut connect, mut play) =
            (Samples::default(), Samples::default(), Samples::default());
        for (number, record) in players.records.iter().enumerate() {
            let state = record.lock();
            let checker = &state.checker;
            let has_media = checker.has_media();
            self.joined += usize::from(has_media);
            match &state.stage {
                Stage::Playing => {}
                Stage::Joining => self.fail("connected, and no audio or video came"),
                Stage::Ended if has_media => self.ended += 1,
                Stage::Ended => self.fail("the stream ended before any audio or video came"),
                Stage::Failed(error) => {
                    self.failed += 1;
                    self.errors.add(error);
                }
                Stage::Lost(error) => {
                    self.lost += 1;
                    self.errors.add(error);
                }
            }
            self.faults += checker.fault_count();
            checker
                .faults()
                .iter()
                .for_each(|fault| self.fault_texts.add_text(fault.to_string()));
            state
                .connect_to_keyframe
                .into_iter()
                .for_each(|time| connect.add(time));
            state.play_to_keyframe.into_iter().for_each(|time| play.add(time));
            if options.check.includes(number, options.count) {
                let counts = checker.counts();
                self.checked_players += 1;
                self.messages += counts.messages;
                self.audio_frames += counts.audio_frames;
                self.video_frames += counts.video_frames;
                self.missed_frames += counts.missed_frames;
                latency.extend(&state.latency);
            }
        }
        self.latency = latency.percentiles();
        self.connect_to_keyframe = connect.percentiles();
        self.play_to_keyframe = play.percentiles();
    }

    fn fail(&mut self, why: &str) {
        self.failed += 1;
        self.errors.add_text(why.to_owned());
    }
}

impl Report for PlayersReport {
    fn failures(&self) -> Vec<String> {
        let Self {
            players,
            failed,
            lost,
            starved,
            missed_frames,
            faults,
            ..
        } = self;
        let mut failures = Vec::new();
        if *failed > 0 {
            failures.push(format!("{failed} of {players} players could not join"));
        }
        if *lost > 0 {
            failures.push(format!("{lost} of {players} players were cut off"));
        }
        failures.extend(self.errors.lines());
        if *starved > 0 {
            failures.push(format!(
                "{starved} of {players} players got nothing in the time measured"
            ));
        }
        if *missed_frames > 0 {
            failures.push(format!(
                "{missed_frames} video frames did not reach the checked players"
            ));
        }
        if *faults > 0 {
            failures.push(format!("{faults} faults in what players received"));
        }
        failures.extend(self.fault_texts.lines());
        failures
    }
}

impl fmt::Display for PlayersReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::default();
        let Self {
            players,
            joined,
            failed,
            lost,
            starved,
            ended,
            ..
        } = self;
        table.row(
            "players",
            format_args!("{players}: {joined} joined, {failed} failed, {lost} lost, {ended} ended"),
        );
        if *starved > 0 {
            table.row("starved", starved);
        }
        let each = self.megabits_per_second / (*joined).max(1) as f64;
        let with_joining = if self.measured_after_joining {
            ""
        } else {
            ", joining included"
        };
        table.row(
            "received",
            format_args!(
                "{:.3} GB in {:.1} s: {:.1} Mb/s, {each:.3} Mb/s each{with_joining}",
                self.received_bytes as f64 / 1e9,
                self.seconds,
                self.megabits_per_second
            ),
        );
        if let (Some(ratio), Some(worst)) = (self.delivered_ratio, self.worst_ratio) {
            table.row(
                "delivered",
                format_args!(
                    "{:.2} % of the best player's, worst {:.2} %",
                    ratio * 100.0,
                    worst * 100.0
                ),
            );
        }
        table.row(
            "checked",
            format_args!(
                "{} players, {} messages, {} video and {} audio frames, {} missed, {} faults",
                self.checked_players,
                self.messages,
                self.video_frames,
                self.audio_frames,
                self.missed_frames,
                self.faults
            ),
        );
        table.optional_row("latency", self.latency);
        table.optional_row(
            "below 1 s",
            self.latency
                .map(|latency| format!("{:.3} % of frames", latency.percent_within_1s)),
        );
        table.optional_row("connect to keyframe", self.connect_to_keyframe);
        table.optional_row("play to keyframe", self.play_to_keyframe);
        if let Some(server) = &self.server {
            server.add_rows(&mut table);
        }
        table.own_cpu(self.own_core_percent);
        table.fmt(f)
    }
}

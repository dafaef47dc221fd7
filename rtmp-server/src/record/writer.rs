//! What the threads do for a recording.

use std::collections::{BTreeMap, VecDeque};

use rtmp_core::MediaMessage;
use rtmp_core::flv::Configuration;
use rtmp_core::message::{Shortened, Status, StatusCode};
use tracing::{debug, info, warn};

use super::job::Job;
use super::output::Output;
use super::pool::Turn;
use super::queue::Lost;
use super::{RecordConfig, RecordError, RecordEvent, RecordMode};
use crate::files::{Claim, MediaName, MediaRoot};

/// Writes what is in the queue to files, turn by turn, until it is closed or something fails.
pub(super) struct Writer {
    root: MediaRoot,
    config: RecordConfig,
    name: MediaName,
    mode: RecordMode,
    /// Open from the first turn to the last.
    files: Option<Files>,
    /// Empty between two turns.
    messages: VecDeque<MediaMessage>,
    /// What a segment begins with: the newest metadata and headers.
    configurations: BTreeMap<Configuration, MediaMessage>,
    has_video: bool,
    /// Later segments of the recording that is replaced are still there.
    has_old_segments: bool,
}

/// The file that is written, and the one that stays locked: who has the first has all segments of its name.
struct Files {
    first: Option<Claim>,
    number: u32,
    output: Output,
}

/// Metadata and headers of this many tracks begin each segment.
const MAX_CONFIGURATION_COUNT: usize = 64;
const MAX_CONFIGURATION_LEN: usize = 64 << 10;

impl Writer {
    pub(super) fn new(root: MediaRoot, config: RecordConfig, name: MediaName, mode: RecordMode) -> Self {
        Self {
            root,
            config,
            name,
            mode,
            files: None,
            messages: VecDeque::new(),
            configurations: BTreeMap::new(),
            has_video: false,
            has_old_segments: mode == RecordMode::Replace,
        }
    }

    /// Writes what there is. After an error there is no other turn.
    pub(super) fn turn(&mut self, job: &Job) -> Result<Turn, RecordError> {
        let result = self.write(job);
        if let Err(error) = &result {
            let name = self.name.stream_name();
            warn!(name = %Shortened(&name), "recording failed: {}", error.cause());
            job.queue.abandon();
            job.queue.push_status(error.status());
            self.config.tell(&RecordEvent::Failed {
                name: self.name.clone(),
                error: error.clone(),
            });
        }
        result
    }

    fn begin(&mut self, job: &Job) -> Result<Files, RecordError> {
        let first = Claim::new(&self.root, &self.name)?;
        let number = match self.mode {
            RecordMode::Append => self.last_segment(),
            RecordMode::Replace => 1,
        };
        Ok(if number == 1 {
            Files {
                first: None,
                number,
                output: self.open(first, self.mode, job)?,
            }
        } else {
            let last = Claim::new(&self.root, &self.name.segment(number))?;
            Files {
                first: Some(first),
                number,
                output: self.open(last, self.mode, job)?,
            }
        })
    }

    fn last_segment(&self) -> u32 {
        let exists = |number: &u32| self.root.has(&self.name.segment(*number));
        (2..=u32::MAX).take_while(exists).last().unwrap_or(1)
    }

    fn open(&self, claim: Claim, mode: RecordMode, job: &Job) -> Result<Output, RecordError> {
        let started = RecordEvent::Started {
            name: claim.name().clone(),
            path: claim.path().clone(),
        };
        let output = Output::open(claim, mode, &self.config)?;
        let name = self.name.stream_name();
        debug!(name = %Shortened(&name), behind = output.len(), "recording");
        if job.figures.count_file() == 1 {
            let status = Status::new(StatusCode::RecordStart, "Started recording.");
            job.queue.push_status(status);
        }
        self.config.tell(&started);
        Ok(output)
    }

    fn write(&mut self, job: &Job) -> Result<Turn, RecordError> {
        let mut files = match self.files.take() {
            Some(files) => files,
            None => self.begin(job)?,
        };
        let mut batch = job.queue.take(std::mem::take(&mut self.messages));
        let result = self.write_batch(&mut batch.messages, &mut files, job);
        self.tell_loss(batch.lost, job);
        if let Err(error) = result {
            files.output.rescue();
            return Err(error);
        }
        if batch.is_last {
            return self.complete(files.output).map(|_| Turn::Last);
        }
        self.files = Some(files);
        self.messages = batch.messages;
        Ok(if job.queue.end_turn() {
            Turn::More
        } else {
            Turn::Done
        })
    }

    fn write_batch(
        &mut self,
        messages: &mut VecDeque<MediaMessage>,
        files: &mut Files,
        job: &Job,
    ) -> Result<(), RecordError> {
        let count = messages.len() as u64;
        let mut before = files.output.written();
        let is_cut = self.config.segment_duration.is_some() || self.config.segment_len.is_some();
        for message in messages.drain(..) {
            if is_cut {
                if self.may_begin_segment(&message) && self.is_segment_over(&files.output) {
                    before = 0;
                    self.begin_segment(files, job)?;
                }
                self.note_configuration(&message);
            }
            files.output.record(&message)?;
        }
        files.output.flush()?;
        let written = files.output.written().saturating_sub(before);
        job.figures.count_written(count, written);
        if written > 0 {
            self.remove_old_segments()?;
        }
        Ok(())
    }

    fn remove_old_segments(&mut self) -> Result<(), RecordError> {
        if std::mem::take(&mut self.has_old_segments) {
            for number in 2..=self.last_segment() {
                self.root.remove(&self.name.segment(number))?;
            }
        }
        Ok(())
    }

    fn may_begin_segment(&mut self, message: &MediaMessage) -> bool {
        let is_keyframe = message.is_keyframe_of(0);
        self.has_video |= is_keyframe;
        is_keyframe || (!self.has_video && message.is_coded_frames())
    }

    fn is_segment_over(&self, output: &Output) -> bool {
        let RecordConfig {
            segment_duration,
            segment_len,
            ..
        } = &self.config;
        segment_duration.is_some_and(|limit| output.duration() >= limit && !output.duration().is_zero())
            || segment_len.is_some_and(|limit| output.len() >= limit && output.len() > 0)
    }

    /// Completes the file and begins the next, with the headers that are in force.
    fn begin_segment(&mut self, files: &mut Files, job: &Job) -> Result<(), RecordError> {
        self.remove_old_segments()?;
        let number = files.number.saturating_add(1);
        let claim = Claim::new(&self.root, &self.name.segment(number))?;
        let output = self.open(claim, RecordMode::Replace, job)?;
        let complete = std::mem::replace(&mut files.output, output);
        files.number = number;
        let claim = self.complete(complete)?;
        if files.first.is_none() {
            files.first = claim;
        }
        self.configurations
            .values()
            .try_for_each(|message| files.output.record(message))
    }

    fn note_configuration(&mut self, message: &MediaMessage) {
        for configuration in message.configurations() {
            if message.payload.len() <= MAX_CONFIGURATION_LEN
                && (self.configurations.len() < MAX_CONFIGURATION_COUNT
                    || self.configurations.contains_key(&configuration))
            {
                self.configurations.insert(configuration, message.clone());
            }
        }
    }

    fn tell_loss(&self, lost: Lost, job: &Job) {
        if lost == Lost::default() {
            return;
        }
        let Lost { messages, bytes } = lost;
        let name = self.name.stream_name();
        warn!(name = %Shortened(&name), messages, bytes, "the disk is too slow, the recording has a gap");
        job.figures.count_lost(lost);
        self.config.tell(&RecordEvent::Lost {
            name: self.name.clone(),
            messages,
            bytes,
        });
    }

    fn complete(&self, output: Output) -> Result<Option<Claim>, RecordError> {
        let (file, claim) = output.complete()?;
        if let Some(file) = file {
            let name = self.name.stream_name();
            info!(name = %Shortened(&name), duration = ?file.duration, len = file.len, "recorded");
            self.config.tell(&RecordEvent::Completed(file));
        }
        Ok(claim)
    }
}

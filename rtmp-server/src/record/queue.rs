//! What waits for the disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rtmp_core::MediaMessage;
use rtmp_core::flv::Configuration;
use rtmp_core::message::Status;

use super::RecordConfig;

/// A bounded queue from a session, which never waits, to a thread that does.
///
/// When it is full it loses the group of pictures that has not ended, as far as that is still here, and everything up
/// to the next keyframe for which the queue is half empty again. Headers that are lost with it come before that.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    /// The writer is to be woken at the next flush.
    is_wake_due: AtomicBool,
    write_interval: Duration,
    max_len: usize,
    max_messages: usize,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<MediaMessage>,
    /// Bytes of the messages, and of those that the writer has and has not written yet.
    len: usize,
    written_later: usize,
    is_closed: bool,
    /// The writer has nothing to do, and waits for the first message.
    is_idle: bool,
    /// Nobody takes anything any more.
    is_abandoned: bool,
    has_video: bool,
    is_losing: bool,
    lost: Lost,
    lost_configurations: BTreeMap<Configuration, MediaMessage>,
    /// What the publisher is told: that it has begun, that it has failed.
    statuses: VecDeque<Status>,
}

/// What was left out because the disk was too slow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

/// What a writer gets at a time.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) messages: VecDeque<MediaMessage>,
    /// What is missing in front of the first message, or behind the last.
    pub(super) lost: Lost,
    pub(super) is_last: bool,
}

/// What a message takes besides its payload, roughly. Without it a flood of empty messages would count for nothing.
const MESSAGE_OVERHEAD: usize = 64;
const MAX_CONFIGURATION_LEN: usize = 64 << 10;
const MAX_CONFIGURATION_COUNT: usize = 64;

impl Queue {
    pub(super) fn new(config: &RecordConfig) -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            is_wake_due: AtomicBool::new(false),
            write_interval: config.write_interval,
            max_len: config.max_queue_len,
            max_messages: config.max_queue_messages,
        }
    }

    /// Locked for a few lines at a time.
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, message: &MediaMessage) {
        let mut state = self.lock();
        if state.is_closed || state.is_abandoned {
            return;
        }
        state.has_video = state.has_video || message.is_keyframe_of(0);
        if state.is_losing {
            let is_half_empty = state.len + state.written_later <= self.max_len / 2
                && state.messages.len() <= self.max_messages / 2;
            if !(is_half_empty && state.may_begin_with(message)) {
                return state.lose(message.clone());
            }
            state.is_losing = false;
            for configuration in std::mem::take(&mut state.lost_configurations).into_values() {
                state.add(configuration);
            }
        } else if !state.has_room_for(message, self) {
            state.is_losing = true;
            state.lose_unfinished_group();
            return state.lose(message.clone());
        }
        state.add(message.clone());
        if state.is_idle || self.is_write_due(&state) {
            self.is_wake_due.store(true, Ordering::Relaxed);
        }
    }

    /// Wakes the writer, if there is reason to. A wake costs more than everything else here, so what comes while it
    /// lets messages gather wakes nobody.
    pub(super) fn flush(&self) {
        if self.is_wake_due.swap(false, Ordering::Relaxed) {
            self.filled.notify_one();
        }
    }

    /// Whether so much has gathered that it can not wait.
    fn is_write_due(&self, state: &State) -> bool {
        self.write_interval.is_zero()
            || state.len >= self.max_len / 4
            || state.messages.len() >= self.max_messages / 4
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Nothing more is taken.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.is_abandoned = true;
        state.messages = VecDeque::new();
        state.lost_configurations.clear();
    }

    /// Waits for messages, or for the end, and lets them gather. What was taken before counts as written.
    pub(super) fn take(&self, emptied: VecDeque<MediaMessage>) -> Batch {
        let mut due = Instant::now() + self.write_interval;
        let mut state = self.lock();
        state.written_later = 0;
        while !state.is_closed && (state.messages.is_empty() || !self.is_write_due(&state)) {
            let left = due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                let waited = self.filled.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            } else if state.messages.is_empty() {
                state.is_idle = true;
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.is_idle = false;
                due = Instant::now() + self.write_interval;
            } else {
                break;
            }
        }
        state.written_later = std::mem::take(&mut state.len);
        let is_over = state.is_closed;
        // While it lasts a loss grows; it is told once.
        let is_complete = !state.is_losing || is_over;
        Batch {
            messages: std::mem::replace(&mut state.messages, emptied),
            lost: if is_complete {
                std::mem::take(&mut state.lost)
            } else {
                Lost::default()
            },
            is_last: is_over,
        }
    }

    pub(super) fn push_status(&self, status: Status) {
        self.lock().statuses.push_back(status);
    }

    pub(super) fn take_status(&self) -> Option<Status> {
        self.lock().statuses.pop_front()
    }
}

impl State {
    fn has_room_for(&self, message: &MediaMessage, queue: &Queue) -> bool {
        self.len + self.written_later + cost(message) <= queue.max_len
            && self.messages.len() < queue.max_messages
    }

    /// Whether what follows can be decoded without what was lost.
    fn may_begin_with(&self, message: &MediaMessage) -> bool {
        if self.has_video {
            message.is_keyframe_of(0)
        } else {
            message.is_coded_frames()
        }
    }

    fn add(&mut self, message: MediaMessage) {
        self.len += cost(&message);
        self.messages.push_back(message);
    }

    fn lose(&mut self, message: MediaMessage) {
        self.lost.messages += 1;
        self.lost.bytes += message.payload.len() as u64;
        for configuration in message.configurations() {
            if message.payload.len() <= MAX_CONFIGURATION_LEN
                && (self.lost_configurations.len() < MAX_CONFIGURATION_COUNT
                    || self.lost_configurations.contains_key(&configuration))
            {
                self.lost_configurations.insert(configuration, message.clone());
            }
        }
    }

    fn lose_unfinished_group(&mut self) {
        let Some(keyframe) = self
            .messages
            .iter()
            .rposition(|message| message.is_keyframe_of(0))
        else {
            return;
        };
        for message in self.messages.split_off(keyframe) {
            self.len -= cost(&message);
            self.lose(message);
        }
    }
}

fn cost(message: &MediaMessage) -> usize {
    message.payload.len() + MESSAGE_OVERHEAD
}

#[cfg(test)]
mod tests {
    use rtmp_core::Timestamp;

    use super::*;

    fn config() -> RecordConfig {
        RecordConfig::default().write_interval(Duration::ZERO)
    }

    fn queue(max_messages: usize) -> Queue {
        Queue::new(&config().max_queue_messages(max_messages))
    }

    fn video(millis: u32, body: &'static [u8]) -> MediaMessage {
        MediaMessage::video(Timestamp::from_millis(millis), body)
    }

    fn keyframe(millis: u32) -> MediaMessage {
        video(millis, b"\x17\x01\0\0\0\x65")
    }

    fn frame(millis: u32) -> MediaMessage {
        video(millis, b"\x27\x01\0\0\0\x41")
    }

    fn header(millis: u32) -> MediaMessage {
        video(millis, b"\x17\0\0\0\0\x01")
    }

    fn audio(millis: u32) -> MediaMessage {
        MediaMessage::audio(Timestamp::from_millis(millis), &b"\xAF\x01\x21"[..])
    }

    fn take(queue: &Queue) -> (Vec<u32>, u64) {
        let batch = queue.take(VecDeque::new());
        let times = batch.messages.iter().map(|message| message.timestamp.as_millis());
        (times.collect(), batch.lost.messages)
    }

    #[test]
    fn what_is_pushed_is_taken_in_order() {
        let queue = queue(8);
        for message in [keyframe(0), audio(3), frame(40)] {
            queue.push(&message);
        }
        assert_eq!(take(&queue), (vec![0, 3, 40], 0));
        queue.push(&frame(80));
        queue.close();
        queue.push(&frame(120));
        let batch = queue.take(VecDeque::new());
        assert_eq!((batch.messages.len(), batch.is_last), (1, true));
    }

    #[test]
    fn a_full_queue_loses_whole_groups_of_pictures_and_says_how_much() {
        let queue = queue(6);
        let group = |start| {
            [
                keyframe(start),
                frame(start + 1),
                audio(start + 2),
                frame(start + 3),
            ]
        };
        for start in [0, 10, 20, 30] {
            for message in group(start) {
                queue.push(&message);
            }
        }
        // The second group has no room for its end, and the others come while more than half is taken.
        assert_eq!(take(&queue).0, [0, 1, 2, 3]);
        for message in group(40) {
            queue.push(&message);
        }
        assert_eq!(take(&queue), (vec![40, 41, 42, 43], 12));
    }

    #[test]
    fn the_rest_of_a_group_whose_start_is_written_is_kept_as_far_as_it_goes() {
        let queue = queue(2);
        queue.push(&keyframe(0));
        assert_eq!(take(&queue).0, [0]);
        for message in [frame(1), frame(2), frame(3), frame(4)] {
            queue.push(&message);
        }
        assert_eq!(take(&queue).0, [1, 2]);
        queue.push(&frame(5));
        queue.push(&keyframe(6));
        assert_eq!(take(&queue), (vec![6], 3));
    }

    #[test]
    fn headers_that_are_lost_come_before_the_next_group() {
        let queue = queue(2);
        for message in [keyframe(0), frame(1), frame(2), header(3), header(4)] {
            queue.push(&message);
        }
        queue.push(&keyframe(5));
        assert_eq!(take(&queue), (vec![4, 5], 5));
    }

    #[test]
    fn without_video_any_frame_of_audio_ends_the_loss() {
        let queue = queue(2);
        for millis in [0, 1, 2, 3] {
            queue.push(&audio(millis));
        }
        assert_eq!(take(&queue).0, [0, 1]);
        queue.push(&audio(4));
        assert_eq!(take(&queue), (vec![4], 2));
    }

    #[test]
    fn bytes_that_the_writer_has_taken_count_until_it_comes_for_more() {
        let config = config().max_queue_len(300);
        let queue = Queue::new(&config);
        for millis in 0..4 {
            queue.push(&keyframe(millis));
        }
        assert_eq!(take(&queue).0, [0, 1, 2, 3]);
        queue.push(&keyframe(4));
        queue.push(&keyframe(5));
        queue.close();
        assert_eq!(take(&queue), (vec![], 2));
    }

    /// With an hour to wait, a test that waits does not end.
    #[test]
    fn what_has_gathered_is_taken_before_its_time_if_it_is_much_or_the_last() {
        let config = config()
            .write_interval(Duration::from_secs(3600))
            .max_queue_messages(8);
        let queue = Queue::new(&config);
        queue.push(&keyframe(0));
        queue.push(&frame(40));
        assert_eq!(take(&queue).0, [0, 40]);
        queue.push(&frame(80));
        queue.close();
        assert_eq!(take(&queue).0, [80]);
    }

    #[test]
    fn what_comes_within_the_interval_is_taken_together() {
        let config = config().write_interval(Duration::from_millis(1));
        let queue = Queue::new(&config);
        queue.push(&keyframe(0));
        queue.push(&frame(40));
        queue.push(&frame(80));
        assert_eq!(take(&queue).0, [0, 40, 80]);
    }

    #[test]
    fn an_abandoned_queue_holds_nothing() {
        let queue = queue(8);
        queue.push(&keyframe(0));
        queue.abandon();
        queue.push(&keyframe(1));
        queue.close();
        assert_eq!(take(&queue), (vec![], 0));
    }
}

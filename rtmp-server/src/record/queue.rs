//! What waits for the disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rtmp_core::MediaMessage;
use rtmp_core::flv::Configuration;
use rtmp_core::message::Status;

use super::RecordConfig;

/// A bounded queue from a session, which never waits, to the turns of a thread that does.
///
/// When it is full it loses the group of pictures that has not ended, as far as that is still here, and everything up
/// to the next keyframe for which the queue is half empty again. Headers that are lost with it come before that.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
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
    /// The writer waits for its turn, or has it.
    is_scheduled: bool,
    /// That turn is to come soon.
    is_hurried: bool,
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

/// What a writer needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    /// A turn.
    pub(super) turn: bool,
    /// Its turn at once.
    pub(super) hurry: bool,
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
            // The first turn begins the file.
            state: Mutex::new(State {
                is_scheduled: true,
                ..State::default()
            }),
            max_len: config.max_queue_len,
            max_messages: config.max_queue_messages,
        }
    }

    /// Locked for a few lines at a time.
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message, or loses it. The writer need not be woken before all messages that came in one piece are here.
    pub(super) fn push(&self, message: &MediaMessage) -> Need {
        let mut state = self.lock();
        if state.is_closed || state.is_abandoned {
            return Need::default();
        }
        state.has_video = state.has_video || message.is_keyframe_of(0);
        if state.is_losing {
            let is_half_empty = state.len + state.written_later <= self.max_len / 2
                && state.messages.len() <= self.max_messages / 2;
            if !(is_half_empty && state.may_begin_with(message)) {
                state.lose(message.clone());
                return Need::default();
            }
            state.is_losing = false;
            for configuration in std::mem::take(&mut state.lost_configurations).into_values() {
                state.add(configuration);
            }
        } else if !state.has_room_for(message, self) {
            state.is_losing = true;
            state.lose_unfinished_group();
            state.lose(message.clone());
            return Need::default();
        }
        state.add(message.clone());
        let is_urgent = state.len >= self.max_len / 4 || state.messages.len() >= self.max_messages / 4;
        Need {
            turn: !std::mem::replace(&mut state.is_scheduled, true),
            hurry: is_urgent && !std::mem::replace(&mut state.is_hurried, true),
        }
    }

    /// Nothing more comes.
    pub(super) fn close(&self) -> Need {
        let mut state = self.lock();
        if std::mem::replace(&mut state.is_closed, true) || state.is_abandoned {
            return Need::default();
        }
        Need {
            turn: !std::mem::replace(&mut state.is_scheduled, true),
            hurry: true,
        }
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

    /// Takes what there is. What was taken before counts as written.
    pub(super) fn take(&self, emptied: VecDeque<MediaMessage>) -> Batch {
        let mut state = self.lock();
        state.is_hurried = false;
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

    /// What was taken is written. `true` if there is more; otherwise the next message asks for a turn.
    pub(super) fn end_turn(&self) -> bool {
        let mut state = self.lock();
        state.written_later = 0;
        state.is_scheduled = state.is_closed || !state.messages.is_empty();
        state.is_scheduled
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

    fn queue(max_messages: usize) -> Queue {
        Queue::new(&RecordConfig::default().max_queue_messages(max_messages))
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
        queue.end_turn();
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
    fn bytes_that_the_writer_has_taken_count_until_they_are_written() {
        let queue = Queue::new(&RecordConfig::default().max_queue_len(300));
        for millis in 0..4 {
            queue.push(&keyframe(millis));
        }
        let batch = queue.take(VecDeque::new());
        assert_eq!(batch.messages.len(), 4);
        queue.push(&keyframe(4));
        assert!(!queue.end_turn());
        queue.push(&keyframe(5));
        assert_eq!(take(&queue), (vec![5], 1));
    }

    #[test]
    fn a_turn_is_asked_for_once_until_it_has_ended_with_nothing_left() {
        let queue = queue(100);
        let [nothing, turn] = [false, true].map(|turn| Need { turn, hurry: false });
        assert_eq!(
            queue.push(&keyframe(0)),
            nothing,
            "the first turn begins the file"
        );
        queue.take(VecDeque::new());
        assert_eq!(queue.push(&frame(40)), nothing);
        assert!(queue.end_turn());
        assert_eq!(take(&queue).0, [40]);
        assert_eq!(queue.push(&frame(80)), turn);
        assert_eq!(queue.push(&frame(120)), nothing);
    }

    #[test]
    fn much_and_the_end_can_not_wait() {
        let queue = queue(8);
        let hurry = |messages: &[MediaMessage]| {
            let needs = messages.iter().map(|message| queue.push(message).hurry);
            needs.collect::<Vec<_>>()
        };
        assert_eq!(hurry(&[keyframe(0), frame(1), frame(2)]), [false, true, false]);
        take(&queue);
        assert_eq!(hurry(&[keyframe(3), frame(4)]), [false, true]);
        take(&queue);
        let [first, again] = [queue.close(), queue.close()];
        assert_eq!((first.turn, first.hurry, again), (true, true, Need::default()));
    }

    #[test]
    fn an_abandoned_queue_holds_nothing() {
        let queue = queue(8);
        queue.push(&keyframe(0));
        queue.abandon();
        assert_eq!(queue.push(&keyframe(1)), Need::default());
        assert_eq!(queue.close(), Need::default());
        assert_eq!(take(&queue), (vec![], 0));
    }
}

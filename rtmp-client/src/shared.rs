//! What the handles of a connection and its driver share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rtmp_amf::amf0::Value;
use rtmp_core::chunk::MessageStreamId;
use rtmp_core::message::{Command, Status};
use rtmp_core::url::RtmpUrl;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::calls::{Calls, IncomingCall};
use crate::driver::{Reply, Request};
use crate::error::{CloseReason, Operation, StreamEnd};
use crate::event::{Event, Events};
use crate::health::Health;
use crate::publisher::Queued;
use crate::queue::{self, Capacity};
use crate::{ConnectionStatus, Error};

/// A handle's way to the driver. The driver ends when the last one is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) shared: Arc<Shared>,
}

impl Link {
    /// Asks the driver for something and waits for the answer.
    pub(crate) async fn request<T>(
        &self,
        operation: impl FnOnce() -> Operation,
        make: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let answered = match self.requests.send(make(reply)).await {
            Ok(()) => answer.await.ok(),
            Err(_) => None,
        };
        answered.unwrap_or_else(|| {
            Err(Error::Closed {
                operation: operation(),
                reason: self.shared.close_reason().unwrap_or(CloseReason::RuntimeShutdown),
            })
        })
    }

    pub(crate) async fn call(
        &self,
        stream: MessageStreamId,
        procedure: &str,
        arguments: Vec<Value>,
    ) -> Result<Command, Error> {
        let procedure: Box<str> = procedure.into();
        let operation = || Operation::Call(procedure.clone());
        let request = |reply| Request::Call {
            stream,
            procedure: procedure.clone(),
            arguments,
            reply,
        };
        self.request(operation, request).await
    }
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) url: RtmpUrl,
    event_capacity: Capacity,
    state: Mutex<State>,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_acknowledged: AtomicU64,
    begun: Instant,
}

#[derive(Debug)]
struct State {
    status: ConnectionStatus,
    close_reason: Option<CloseReason>,
    /// The connection ended before all media of publishers were written.
    has_lost_media: bool,
    round_trip: Option<Duration>,
    subscribers: Vec<queue::Sender<Event>>,
    /// To who answers the server's calls.
    calls: Option<queue::Sender<IncomingCall>>,
    /// To who follows the server's requests to reconnect.
    move_requests: Option<queue::Sender<Status>>,
    publishers: Vec<queue::Watch<Queued>>,
}

impl Shared {
    pub(crate) fn new(url: RtmpUrl, event_capacity: Capacity) -> Self {
        Self {
            url,
            event_capacity,
            state: Mutex::new(State {
                status: ConnectionStatus::HandshakeDone,
                close_reason: None,
                has_lost_media: false,
                round_trip: None,
                subscribers: Vec::new(),
                calls: None,
                move_requests: None,
                publishers: Vec::new(),
            }),
            bytes_received: AtomicU64::new(0),
            bytes_sent: AtomicU64::new(0),
            bytes_acknowledged: AtomicU64::new(0),
            begun: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn status(&self) -> ConnectionStatus {
        self.lock().status
    }

    pub(crate) fn set_status(&self, status: ConnectionStatus) {
        self.lock().status = status;
    }

    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.lock().close_reason.clone()
    }

    pub(crate) fn has_lost_media(&self) -> bool {
        self.lock().has_lost_media
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.lock().round_trip
    }

    pub(crate) fn set_round_trip(&self, round_trip: Duration) {
        self.lock().round_trip = Some(round_trip);
    }

    pub(crate) fn bytes_received(&self) -> u64 {
        self.bytes_received.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes_sent(&self) -> u64 {
        self.bytes_sent.load(Ordering::Relaxed)
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.bytes_sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn note_acknowledged(&self, bytes: u64) {
        self.bytes_acknowledged.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn watch_publisher(&self, queue: queue::Watch<Queued>) {
        let mut state = self.lock();
        state.publishers.retain(|publisher| !publisher.is_gone());
        state.publishers.push(queue);
    }

    /// Each number is right by itself; together they are as of about the same time.
    pub(crate) fn health(&self) -> Health {
        let mut health = Health {
            age: self.begun.elapsed(),
            bytes_received: self.bytes_received(),
            bytes_sent: self.bytes_sent(),
            bytes_acknowledged: self.bytes_acknowledged.load(Ordering::Relaxed),
            ..Health::default()
        };
        let state = self.lock();
        health.round_trip = state.round_trip;
        for publisher in &state.publishers {
            if let Some((fill, since)) = publisher.look(|queued| queued.since) {
                health.queued_messages += fill.items;
                health.queued_bytes += fill.bytes;
                health.queue_age = health.queue_age.max(since.elapsed());
            }
        }
        health
    }

    pub(crate) fn subscribe(&self) -> Events {
        let (sender, receiver) = queue::queue(self.event_capacity);
        let mut state = self.lock();
        match state.close_reason.clone() {
            Some(reason) => close(&sender, reason),
            None => state.subscribers.push(sender),
        }
        Events::new(receiver)
    }

    pub(crate) fn publish(&self, event: &Event) {
        let mut state = self.lock();
        state.subscribers.retain(|subscriber| !subscriber.is_closed());
        for subscriber in &state.subscribers {
            subscriber.push_over(event.clone(), event.held_len());
        }
    }

    /// Gives the server's calls to a new queue; one from before ends.
    pub(crate) fn take_calls(&self) -> Calls {
        let (sender, receiver) = queue::queue(self.event_capacity);
        let mut state = self.lock();
        // On a closed connection the queue ends at once.
        if state.close_reason.is_none() {
            state.calls = Some(sender);
        }
        Calls::new(receiver)
    }

    pub(crate) fn take_move_requests(&self) -> queue::Receiver<Status> {
        let (sender, receiver) = queue::queue(Capacity { items: 1, bytes: 1 });
        self.lock().move_requests = Some(sender);
        receiver
    }

    pub(crate) fn request_move(&self, status: Status) {
        if let Some(requests) = &self.lock().move_requests {
            requests.push_over(status, 0);
        }
    }

    /// Says whether somebody took it.
    pub(crate) fn offer_call(&self, call: IncomingCall, len: usize) -> bool {
        match &self.lock().calls {
            Some(calls) if calls.has_room() => {
                calls.push(call, len);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn close(&self, reason: &CloseReason, has_lost_media: bool) {
        let mut state = self.lock();
        state.status = ConnectionStatus::Closed;
        state.close_reason = Some(reason.clone());
        state.has_lost_media = has_lost_media;
        state.calls = None;
        state.move_requests = None;
        for subscriber in state.subscribers.drain(..) {
            close(&subscriber, reason.clone());
        }
    }
}

fn close(subscriber: &queue::Sender<Event>, reason: CloseReason) {
    let event = Event::Closed {
        reason: reason.clone(),
    };
    subscriber.push_over(event.clone(), event.held_len());
    subscriber.end(StreamEnd::Closed(reason));
}

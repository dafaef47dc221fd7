//! The questions of clients as values, for who prefers a loop to callbacks.

use std::fmt;

use async_trait::async_trait;
use rtmp_core::message::{ConnectReply, ConnectRequest, PlayRequest, PublishRequest, Status, StatusCode};
use tokio::sync::{mpsc, oneshot};

use crate::{ConnectObserver, PlayGrant, PlayObserver, PublishGrant, PublishObserver, SessionInfo, Verdict};

/// Makes an observer that asks, and a queue of what it asks.
///
/// The queue holds `capacity` requests (at least one); while it is full further clients wait. A request that is dropped,
/// or not answered within the [verdict timeout](crate::Timeouts::verdict), is refused, and so is everything once
/// [`Requests`] is dropped.
///
/// ```
/// use rtmp_server::{Observers, Relay, Request, request_channel};
///
/// # fn example() -> Observers {
/// let (observer, mut requests) = request_channel(16);
/// tokio::spawn(async move {
///     while let Some(request) = requests.recv().await {
///         match request {
///             Request::Publish(publish) if publish.request().query() != Some("token=t0k3n") => {
///                 publish.reject("wrong token");
///             }
///             other => other.accept(),
///         }
///     }
/// });
/// Observers::new().requests(observer).relay(Relay::default())
/// # }
/// ```
#[must_use]
pub fn request_channel(capacity: usize) -> (RequestObserver, Requests) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    (RequestObserver(sender), Requests(receiver))
}

/// Asks through a channel, from [`request_channel`].
#[derive(Clone, Debug)]
pub struct RequestObserver(mpsc::Sender<Request>);

/// The queue of requests, from [`request_channel`].
#[derive(Debug)]
pub struct Requests(mpsc::Receiver<Request>);

impl Requests {
    /// The next request, or `None` when no server asks any more.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a request is either returned or stays.
    pub async fn recv(&mut self) -> Option<Request> {
        self.0.recv().await
    }
}

/// A question of a client, to be answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum Request {
    /// May it connect?
    Connect(Asked<ConnectRequest, ConnectReply>),
    /// May it publish?
    Publish(Asked<PublishRequest, PublishGrant>),
    /// May it play?
    Play(Asked<PlayRequest, PlayGrant>),
}

impl Request {
    /// Yes, without anything special.
    pub fn accept(self) {
        match self {
            Self::Connect(asked) => asked.accept(),
            Self::Publish(asked) => asked.accept(),
            Self::Play(asked) => asked.accept(),
        }
    }

    /// No, with a description for people.
    pub fn reject(self, description: impl Into<String>) {
        match self {
            Self::Connect(asked) => asked.reject(description),
            Self::Publish(asked) => asked.reject(description),
            Self::Play(asked) => asked.reject(description),
        }
    }

    /// The session that asks.
    #[must_use]
    pub fn session(&self) -> &SessionInfo {
        match self {
            Self::Connect(asked) => asked.session(),
            Self::Publish(asked) => asked.session(),
            Self::Play(asked) => asked.session(),
        }
    }
}

/// A question with its particulars: `R` is asked for, and `G` may be granted.
pub struct Asked<R, G> {
    session: SessionInfo,
    request: R,
    refusal: StatusCode,
    answer: oneshot::Sender<Verdict<G>>,
}

impl<R, G> Asked<R, G> {
    /// The session that asks.
    #[must_use]
    pub fn session(&self) -> &SessionInfo {
        &self.session
    }

    /// What is asked for.
    #[must_use]
    pub fn request(&self) -> &R {
        &self.request
    }

    /// Answers.
    pub fn answer(self, verdict: Verdict<G>) {
        // Nobody hears it if the client has gone meanwhile.
        let _ = self.answer.send(verdict);
    }

    /// Yes, with this.
    pub fn grant(self, grant: G) {
        self.answer(Verdict::Accept(grant));
    }

    /// No, with the code that is usual for such a request and a description for people. [`answer`](Self::answer) takes
    /// any other code.
    pub fn reject(self, description: impl Into<String>) {
        let status = Status::new(self.refusal.clone(), description);
        self.answer(Verdict::Reject(status));
    }
}

impl<R, G: Default> Asked<R, G> {
    /// Yes, without anything special.
    pub fn accept(self) {
        self.grant(G::default());
    }
}

impl<R: fmt::Debug, G> fmt::Debug for Asked<R, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("session", &self.session)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

impl RequestObserver {
    async fn ask<R, G>(
        &self,
        session: &SessionInfo,
        request: R,
        refusal: StatusCode,
        wrap: fn(Asked<R, G>) -> Request,
    ) -> Verdict<G> {
        let (answer, answered) = oneshot::channel();
        let asked = Asked {
            session: session.clone(),
            request,
            refusal: refusal.clone(),
            answer,
        };
        let verdict = match self.0.send(wrap(asked)).await {
            Ok(()) => answered.await.ok(),
            Err(_) => None,
        };
        verdict.unwrap_or_else(|| Verdict::reject(refusal, "nobody decides"))
    }
}

#[async_trait]
impl ConnectObserver for RequestObserver {
    async fn on_connect(&self, session: &SessionInfo, request: &ConnectRequest) -> Verdict<ConnectReply> {
        self.ask(
            session,
            request.clone(),
            StatusCode::ConnectRejected,
            Request::Connect,
        )
        .await
    }
}

#[async_trait]
impl PublishObserver for RequestObserver {
    async fn on_publish(&self, session: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
        self.ask(
            session,
            request.clone(),
            StatusCode::PublishBadName,
            Request::Publish,
        )
        .await
    }
}

#[async_trait]
impl PlayObserver for RequestObserver {
    async fn on_play(&self, session: &SessionInfo, request: &PlayRequest) -> Verdict<PlayGrant> {
        self.ask(session, request.clone(), StatusCode::PlayFailed, Request::Play)
            .await
    }
}

//! A relay that lets only those publish who know the stream's token; everybody may watch.
//!
//! ```text
//! cargo run --example token_server
//! cargo run --release --bin push -- examples/media/clip.flv "rtmp://localhost/live/cam?token=t0k3n"
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use rtmp_core::message::{PublishRequest, StatusCode};
use rtmp_server::{CloseReason, Observers, PublishGrant, PublishObserver, Relay, Server};
use rtmp_server::{SessionInfo, StreamInfo, Verdict};

struct Gate {
    tokens: Arc<HashMap<&'static str, &'static str>>,
}

#[async_trait]
impl PublishObserver for Gate {
    async fn on_publish(&self, _: &SessionInfo, request: &PublishRequest) -> Verdict<PublishGrant> {
        let token = request.query().and_then(|query| query.strip_prefix("token="));
        match self.tokens.get(request.stream_name()) {
            Some(expected) if token == Some(expected) => Verdict::accept(),
            _ => Verdict::reject(StatusCode::PublishBadName, "unknown stream or wrong token"),
        }
    }

    async fn on_unpublish(&self, stream: &StreamInfo, reason: &CloseReason) {
        let received = stream.session().statistics().bytes_received;
        println!("{} has ended after {received} bytes: {reason}", stream.name());
    }
}

#[tokio::main]
async fn main() -> Result<(), rtmp_server::ServerError> {
    let gate = Gate {
        tokens: Arc::new(HashMap::from([("cam", "t0k3n")])),
    };
    // Asked in this order: first the gate, then the relay takes the stream.
    let observers = Observers::new().publish(gate).relay(Relay::default());
    let server = Server::bind("0.0.0.0:1935").await?.observers(observers);
    println!("listening on rtmp://{}", server.local_addr()?);
    server.serve_until(tokio::signal::ctrl_c()).await;
    Ok(())
}

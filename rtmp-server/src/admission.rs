//! Who may come in: how many connections each address has, and a word in the log about those that are turned away.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

/// Refusals within this time after a line in the log are only counted.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Counts the connections of each address.
#[derive(Debug)]
pub(crate) struct Admission {
    max_per_address: Option<usize>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    counts: HashMap<IpAddr, usize>,
    logged_at: Option<Instant>,
    not_logged: u64,
}

/// Why a connection is closed as soon as it is there; see [`ServerConfig`](crate::ServerConfig).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{count} connections, max_connections is {limit}")]
    TooManyConnections { count: usize, limit: usize },
    #[error("{count} connections of its address, max_connections_per_address is {limit}")]
    TooManyOfAddress { count: usize, limit: usize },
}

/// A connection that is counted; no longer when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Admission {
    pub(crate) fn new(max_per_address: Option<usize>) -> Self {
        Self {
            max_per_address,
            state: Mutex::default(),
        }
    }

    /// Counts a connection, or turns it away. `None` means that there is nothing to count.
    pub(crate) fn admit(self: &Arc<Self>, peer: SocketAddr) -> Result<Option<Place>, Refusal> {
        let Some(limit) = self.max_per_address else {
            return Ok(None);
        };
        let address = network_of(peer.ip());
        let count = self.with(|state| {
            let count = state.counts.get(&address).copied().unwrap_or_default() + 1;
            if count <= limit {
                state.counts.insert(address, count);
            }
            count
        });
        if count > limit {
            let refusal = Refusal::TooManyOfAddress { count, limit };
            self.note_refusal(peer, refusal);
            return Err(refusal);
        }
        Ok(Some(Place {
            admission: Arc::clone(self),
            address,
        }))
    }

    /// Logs a refusal, unless there was one just now.
    pub(crate) fn note_refusal(&self, peer: SocketAddr, refusal: Refusal) {
        let now = Instant::now();
        let to_log = self.with(|state| {
            let is_silent = state
                .logged_at
                .is_some_and(|last| now.duration_since(last) < LOG_INTERVAL);
            if is_silent {
                state.not_logged += 1;
                return None;
            }
            state.logged_at = Some(now);
            Some(std::mem::take(&mut state.not_logged))
        });
        if let Some(not_logged) = to_log {
            warn!(%peer, not_logged, "refused: {refusal}");
        }
    }

    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.with(|state| {
            if let Some(count) = state.counts.get_mut(&self.address) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    state.counts.remove(&self.address);
                }
            }
        });
    }
}

/// What counts as one address: in IPv6 the /64 that a single customer has at least.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(admission: &Arc<Admission>, address: &str) -> Option<Place> {
        let peer = SocketAddr::new(address.parse().unwrap(), 1);
        admission.admit(peer).ok().map(|place| place.expect("a limit"))
    }

    #[test]
    fn each_ipv4_address_and_each_ipv6_network_has_its_own_count() {
        let admission = Arc::new(Admission::new(Some(2)));
        let first = admits(&admission, "192.0.2.1").unwrap();
        let _second = admits(&admission, "::ffff:192.0.2.1").unwrap();
        assert!(admits(&admission, "192.0.2.1").is_none());
        let _other = admits(&admission, "192.0.2.2").unwrap();
        drop(first);
        let _third = admits(&admission, "192.0.2.1").unwrap();
        let _a = admits(&admission, "2001:db8::1").unwrap();
        let _b = admits(&admission, "2001:db8::2:3:4:5").unwrap();
        assert!(admits(&admission, "2001:db8::6").is_none());
        assert!(admits(&admission, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn a_refusal_says_which_limit_what_was_met_and_how_much_is_allowed() {
        let admission = Arc::new(Admission::new(Some(1)));
        let _place = admits(&admission, "192.0.2.1").unwrap();
        let second = admission.admit("192.0.2.1:2".parse().unwrap()).unwrap_err();
        assert_eq!(
            second.to_string(),
            "2 connections of its address, max_connections_per_address is 1"
        );
        assert_eq!(
            Refusal::TooManyConnections {
                count: 10_001,
                limit: 10_000
            }
            .to_string(),
            "10001 connections, max_connections is 10000"
        );
    }

    #[test]
    fn addresses_without_connections_are_forgotten() {
        let admission = Arc::new(Admission::new(Some(1)));
        let places: Vec<_> = (0..100)
            .map(|number| admits(&admission, &format!("192.0.2.{number}")))
            .collect();
        assert!(places.iter().all(Option::is_some));
        drop(places);
        assert!(admission.with(|state| state.counts.is_empty()));
    }
}

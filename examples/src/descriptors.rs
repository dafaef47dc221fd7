//! The limit of open files, which counts connections too.

/// Descriptors that a program needs besides its connections.
const OTHERS: u64 = 64;

/// More connections are asked for than the process may open.
#[derive(Debug, thiserror::Error)]
#[error(
    "{connections} connections need {needed} file descriptors and the limit is {limit}; try `ulimit -n {needed}`"
)]
pub struct DescriptorError {
    /// The connections that are wanted.
    pub connections: usize,
    /// The descriptors that they need.
    pub needed: u64,
    /// How many are allowed.
    pub limit: u64,
}

/// Makes sure that so many connections can be open, raising the limit as far as we may.
///
/// # Errors
///
/// [`DescriptorError`] if that is not far enough.
#[cfg(unix)]
pub fn reserve_descriptors(connections: usize) -> Result<(), DescriptorError> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let needed = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHERS);
    let suffices = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    let now = getrlimit(Resource::Nofile);
    if suffices(now.current) {
        return Ok(());
    }
    // The hard limit is for root to raise, who may be us.
    let maximum = if suffices(now.maximum) {
        now.maximum
    } else {
        Some(needed)
    };
    let wanted = Rlimit {
        current: Some(needed),
        maximum,
    };
    if setrlimit(Resource::Nofile, wanted).is_ok() {
        return Ok(());
    }
    let most = Rlimit {
        current: now.maximum,
        ..now
    };
    let limit = match setrlimit(Resource::Nofile, most) {
        Ok(()) => now.maximum,
        Err(_) => now.current,
    };
    Err(DescriptorError {
        connections,
        needed,
        limit: limit.unwrap_or(u64::MAX),
    })
}

/// Other systems have no such limit.
///
/// # Errors
///
/// None.
#[cfg(not(unix))]
pub fn reserve_descriptors(_connections: usize) -> Result<(), DescriptorError> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn few_connections_fit_and_absurdly_many_are_refused_with_the_figures() {
        assert!(reserve_descriptors(16).is_ok());
        let error = reserve_descriptors(usize::MAX / 2).unwrap_err();
        assert!(error.to_string().contains("the limit is"), "{error}");
        assert!(error.limit < error.needed);
    }
}

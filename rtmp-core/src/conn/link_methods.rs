//! What both machines offer of the link beneath them.

/// The methods that a machine passes on to its link. It needs the fields `link` and `phase` and a `wrong_phase`.
macro_rules! link_methods {
    () => {
        /// Whether the handshake is done.
        #[must_use]
        pub fn is_handshake_done(&self) -> bool {
            !matches!(self.phase, Phase::Handshake(_))
        }

        /// Whether `connect` was accepted and the connection is not closed.
        #[must_use]
        pub fn is_connected(&self) -> bool {
            matches!(self.phase, Phase::Connected)
        }

        /// Whether the connection is over: refused, or closed by [`close`](Self::close).
        #[must_use]
        pub fn is_closed(&self) -> bool {
            matches!(self.phase, Phase::Closed)
        }

        /// Asks the peer for a sign of life. `now` is the time on the clock that [`new`](Self::new) was given.
        ///
        /// # Errors
        ///
        /// [`ProtocolError::WrongPhase`] during the handshake.
        pub fn ping(&mut self, now: Duration) -> Result<(), ProtocolError> {
            self.check_handshake_done("ping")?;
            self.link.send_ping(now)
        }

        /// The time from the last answered ping to its answer.
        #[must_use]
        pub fn round_trip(&self) -> Option<Duration> {
            self.link.round_trip()
        }

        /// Bytes that the peer says it has received, unwrapped: with what was written, the bytes in flight. Peers count
        /// differently, with or without the handshake, and some never acknowledge; take it for a measure, not for a
        /// gate.
        #[must_use]
        pub fn acknowledged(&self) -> u64 {
            self.link.acknowledged()
        }

        /// Whether more may be sent, or input handled: less than
        /// [`OUTPUT_HIGH_WATER`](crate::conn::OUTPUT_HIGH_WATER) bytes are in the output, and as little waits behind the
        /// message that is being sent. A long message leaves room for those that may
        /// [overtake](crate::conn#what-overtakes-what) it.
        #[must_use]
        pub fn has_room(&self) -> bool {
            self.link.has_room()
        }

        /// Bytes that were not taken off the output yet, those included that are not in it yet.
        #[must_use]
        pub fn unsent_len(&self) -> usize {
            self.link.unsent_len()
        }

        /// Bytes of the messages that have overtaken others so far. With it a caller can tell when something is
        /// written: when the bytes written, less these, are as many as the bytes written and unsent, less these, were
        /// when it was sent.
        #[must_use]
        pub fn overtaking_len(&self) -> u64 {
            self.link.overtaking_len()
        }

        /// Lets `tap` see every message from now on, as it is received and sent. What a caller puts into wire form
        /// itself, as a relay does, does not come by here.
        pub fn set_tap(&mut self, tap: impl FnMut(Direction, &RawMessage) + Send + 'static) {
            self.link.set_tap(Box::new(tap));
        }

        /// Sends a protocol control message: another chunk size or window, for instance.
        ///
        /// # Errors
        ///
        /// [`ProtocolError::WrongPhase`] during the handshake, [`ProtocolError::Encode`] for an impossible chunk size.
        pub fn send_control(&mut self, control: Control) -> Result<(), ProtocolError> {
            self.check_handshake_done("send a control message")?;
            self.link.send_control(control)
        }

        /// Sends a user control event.
        ///
        /// # Errors
        ///
        /// [`ProtocolError::WrongPhase`] during the handshake.
        pub fn send_user_control(&mut self, event: UserControl) -> Result<(), ProtocolError> {
            self.check_handshake_done("send a user control event")?;
            self.link.send_user_control(event)
        }

        /// Sends any message as it is, on the chunk stream it names. Nothing is checked but what the chunk stream needs.
        ///
        /// # Errors
        ///
        /// [`ProtocolError::WrongPhase`] during the handshake, [`ProtocolError::Encode`] if the message is too long.
        pub fn send_raw(&mut self, message: &RawMessage) -> Result<(), ProtocolError> {
            self.check_handshake_done("send a message")?;
            self.link.send_raw(message)
        }

        fn check_handshake_done(&self, operation: &'static str) -> Result<(), ProtocolError> {
            if self.is_handshake_done() {
                Ok(())
            } else {
                Err(self.wrong_phase(operation))
            }
        }
    };
}

pub(super) use link_methods;

//! The caller's answers to players, and what it tells them.

use std::time::Duration;

use bytes::BytesMut;
use rtmp_amf::amf0::{self, Value};

use super::{Played, Role, ServerMachine, StreamOrigin, Undecided};
use crate::Timestamp;
use crate::chunk::MessageStreamId;
use crate::conn::ProtocolError;
use crate::message::{MediaMessage, MessageError, Status, StatusCode, UserControl};

impl ServerMachine {
    /// Lets the client play a live stream: Stream Begin, Play.Reset if the request empties the playlist, Play.Start.
    /// Media follow.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if no `play` on this stream waits for an answer.
    pub fn accept_play(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        self.begin_play(stream, StreamOrigin::Live)
    }

    /// Lets the client play a recorded stream: Stream Is Recorded, then the same as for a live one
    /// (RTMP 1.0 section 7.2.2.1).
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if no `play` on this stream waits for an answer.
    pub fn accept_recorded_play(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        self.begin_play(stream, StreamOrigin::Recorded)
    }

    /// Puts what the client asks for behind what it plays already. [`switch_play`](Self::switch_play) tells it when
    /// that begins.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if no `play` on this stream waits for an answer, or if nothing is played there.
    pub fn append_play(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        const OPERATION: &str = "append to the playlist";
        self.check_playing(stream, OPERATION)?;
        self.take_undecided_play(stream, OPERATION)?;
        Ok(())
    }

    /// Goes over to the next entry of the playlist: `onPlayStatus` Play.Switch, Stream Begin, Play.Start. Its media
    /// follow.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn switch_play(
        &mut self,
        stream: MessageStreamId,
        origin: StreamOrigin,
    ) -> Result<(), ProtocolError> {
        self.check_playing(stream, "go on in the playlist")?;
        let switch = Status::new(StatusCode::PlaySwitch, "Going on in the playlist.");
        self.send_play_status(stream, Timestamp::ZERO, &switch)?;
        self.send_begin(stream, origin)?;
        self.send_status(stream, &Status::new(StatusCode::PlayStart, "Started playing."))
    }

    fn begin_play(&mut self, stream: MessageStreamId, origin: StreamOrigin) -> Result<(), ProtocolError> {
        let reset = self.take_undecided_play(stream, "accept play")?;
        self.streams.set_role(stream, Role::Playing);
        self.link.allow_media();
        self.send_start(stream, origin, reset)
    }

    fn send_start(
        &mut self,
        stream: MessageStreamId,
        origin: StreamOrigin,
        reset: bool,
    ) -> Result<(), ProtocolError> {
        self.send_begin(stream, origin)?;
        if reset {
            self.send_status(
                stream,
                &Status::new(StatusCode::PlayReset, "Playing and resetting."),
            )?;
        }
        self.send_status(stream, &Status::new(StatusCode::PlayStart, "Started playing."))
    }

    fn send_begin(&mut self, stream: MessageStreamId, origin: StreamOrigin) -> Result<(), ProtocolError> {
        if origin == StreamOrigin::Recorded {
            self.link
                .send_user_control(UserControl::StreamIsRecorded(stream))?;
        }
        self.link.send_user_control(UserControl::StreamBegin(stream))
    }

    /// Refuses to let the client play. It may try again.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if no `play` on this stream waits for an answer.
    pub fn reject_play(&mut self, stream: MessageStreamId, status: &Status) -> Result<(), ProtocolError> {
        self.take_undecided_play(stream, "reject play")?;
        self.send_status(stream, status)
    }

    /// Ends playback from the server's side: Play.Stop and Stream EOF.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn end_play(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        self.check_playing(stream, "end playback")?;
        self.streams.set_role(stream, Role::Idle);
        self.send_stop(stream)
    }

    /// Says that a recorded stream was sent to its end, or to the end of the time that was asked for: `onPlayStatus`
    /// Play.Complete with what was played, then Play.Stop and Stream EOF. The client may still seek, for it has not
    /// shown all of it yet, or append to the playlist.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn complete_play(&mut self, stream: MessageStreamId, played: Played) -> Result<(), ProtocolError> {
        self.check_playing(stream, "complete playback")?;
        let complete = Status::new(StatusCode::PlayComplete, "Played to the end.")
            .with("duration", played.duration.as_secs_f64())
            // Exact up to 8 PiB.
            .with("bytes", played.bytes as f64);
        self.send_play_status(stream, played.end, &complete)?;
        self.send_stop(stream)
    }

    /// Ends playback because its media can not be had any more: a status that says why, then Stream EOF.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn fail_play(&mut self, stream: MessageStreamId, status: &Status) -> Result<(), ProtocolError> {
        self.check_playing(stream, "fail playback")?;
        self.streams.set_role(stream, Role::Idle);
        self.send_status(stream, status)?;
        self.link.send_user_control(UserControl::StreamEof(stream))
    }

    /// Tells a player that it has been sent as much as it wants to hold, and that the rest follows as it plays. Not
    /// specified; sent by Flash Media Server.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn notify_buffer_empty(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        self.check_playing(stream, "tell of the buffer")?;
        self.link.send_user_control(UserControl::BufferEmpty(stream))
    }

    /// Tells a player that more follows [`notify_buffer_empty`](Self::notify_buffer_empty). Not specified; sent by
    /// Flash Media Server.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn notify_buffer_ready(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        self.check_playing(stream, "tell of the buffer")?;
        self.link.send_user_control(UserControl::BufferReady(stream))
    }

    /// Tells a player that the publisher is gone. Most players end then; the stream can still go on.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn notify_unpublished(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        self.check_playing(stream, "tell of the publisher")?;
        self.link.send_user_control(UserControl::StreamEof(stream))?;
        self.send_status(
            stream,
            &Status::new(StatusCode::PlayUnpublishNotify, "The publisher is gone."),
        )
    }

    /// Tells a player that a publisher has come. Media follow.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn notify_published(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        self.check_playing(stream, "tell of the publisher")?;
        self.link.send_user_control(UserControl::StreamBegin(stream))?;
        self.send_status(
            stream,
            &Status::new(StatusCode::PlayPublishNotify, "The stream is being published."),
        )
    }

    /// Tells a player something about what it plays, such as
    /// [`StatusCode::PlayInsufficientBandwidth`]. Playback goes on.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn notify_player(&mut self, stream: MessageStreamId, status: &Status) -> Result<(), ProtocolError> {
        self.check_playing(stream, "tell the player")?;
        self.send_status(stream, status)
    }

    /// Says that a stream is paused, or goes on.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn confirm_pause(&mut self, stream: MessageStreamId, paused: bool) -> Result<(), ProtocolError> {
        self.check_playing(stream, "pause")?;
        let (event, status) = if paused {
            (
                UserControl::StreamEof(stream),
                Status::new(StatusCode::PauseNotify, "Paused."),
            )
        } else {
            (
                UserControl::StreamBegin(stream),
                Status::new(StatusCode::UnpauseNotify, "Playing again."),
            )
        };
        self.link.send_user_control(event)?;
        self.send_status(stream, &status)
    }

    /// Goes on at another position: Seek.Notify, Stream Begin, Play.Start. Media from there follow.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn accept_seek(&mut self, stream: MessageStreamId, position: Duration) -> Result<(), ProtocolError> {
        self.check_playing(stream, "seek")?;
        let description = format!("Playing from {} ms.", position.as_millis());
        self.send_status(stream, &Status::new(StatusCode::SeekNotify, description))?;
        self.link.send_user_control(UserControl::StreamBegin(stream))?;
        self.send_status(stream, &Status::new(StatusCode::PlayStart, "Started playing."))
    }

    /// Refuses to go to another position; playback goes on where it is.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn reject_seek(&mut self, stream: MessageStreamId, status: &Status) -> Result<(), ProtocolError> {
        self.check_playing(stream, "refuse to seek")?;
        self.send_status(stream, status)
    }

    /// Says that what `play2` asks for will be done: Play.Transition. [`complete_transition`](Self::complete_transition)
    /// tells when the media of the other stream follow; [`switch_play`](Self::switch_play), when they do so as the next
    /// entry of the playlist; [`restart_play`](Self::restart_play), when it was emptied; [`end_play`](Self::end_play), when
    /// the client stops.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn accept_transition(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        self.check_playing(stream, "go over to another stream")?;
        self.send_status(
            stream,
            &Status::new(StatusCode::PlayTransition, "Going over to another stream."),
        )
    }

    /// Plays something else from now on, with an empty playlist: Stream Begin, Play.Reset, Play.Start. Its media follow.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn restart_play(
        &mut self,
        stream: MessageStreamId,
        origin: StreamOrigin,
    ) -> Result<(), ProtocolError> {
        self.check_playing(stream, "begin anew")?;
        self.send_start(stream, origin, true)
    }

    /// Says that the media of another stream follow: `onPlayStatus` Play.TransitionComplete.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn complete_transition(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        self.check_playing(stream, "go over to another stream")?;
        let complete = Status::new(StatusCode::PlayTransitionComplete, "");
        self.send_play_status(stream, Timestamp::ZERO, &complete)
    }

    /// Refuses to go over to another stream; playback goes on where it is.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn reject_transition(
        &mut self,
        stream: MessageStreamId,
        status: &Status,
    ) -> Result<(), ProtocolError> {
        self.check_playing(stream, "refuse to go over to another stream")?;
        self.send_status(stream, status)
    }

    /// Says that audio or video is sent again: Seek.Notify, Play.Start (RTMP 1.0 sections 7.2.2.4 and 7.2.2.5).
    ///
    /// # Errors
    ///
    /// [`ProtocolError::WrongStream`] if the stream is not being played.
    pub fn confirm_receive(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        self.check_playing(stream, "receive")?;
        self.send_status(stream, &Status::new(StatusCode::SeekNotify, "Sent again."))?;
        self.send_status(stream, &Status::new(StatusCode::PlayStart, "Started playing."))
    }

    /// `onPlayStatus`, which is a data message, so that it keeps its place among the media.
    fn send_play_status(
        &mut self,
        stream: MessageStreamId,
        at: Timestamp,
        status: &Status,
    ) -> Result<(), ProtocolError> {
        let values = [Value::from("onPlayStatus"), status.to_value()];
        let mut body = BytesMut::new();
        // A status of ours has no value that AMF0 can not carry.
        amf0::encode_all(&values, &mut body)
            .map_err(|error| ProtocolError::EncodeMessage(MessageError::Encode(error)))?;
        self.link
            .send_media(stream, &MediaMessage::data(at, body.freeze()))
    }

    fn send_stop(&mut self, stream: MessageStreamId) -> Result<(), ProtocolError> {
        self.send_status(stream, &Status::new(StatusCode::PlayStop, "Stopped playing."))?;
        self.link.send_user_control(UserControl::StreamEof(stream))
    }

    /// Whether the playlist is emptied.
    fn take_undecided_play(
        &mut self,
        stream: MessageStreamId,
        operation: &'static str,
    ) -> Result<bool, ProtocolError> {
        match self.undecided {
            Some(Undecided::Play { stream: asked, reset }) if asked == stream => {
                self.undecided = None;
                Ok(reset)
            }
            _ => Err(ProtocolError::WrongStream { operation, stream }),
        }
    }

    fn check_playing(&self, stream: MessageStreamId, operation: &'static str) -> Result<(), ProtocolError> {
        match self.streams.role(stream) {
            Some(Role::Playing) => Ok(()),
            _ => Err(ProtocolError::WrongStream { operation, stream }),
        }
    }
}

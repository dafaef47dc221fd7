//! Data messages: what is kept, what passes, and what is put around them.

use bytes::BytesMut;
use rtmp_amf::amf0::{self, Object, Value};
use rtmp_client::{ClientConn, ConnectRequest, PublishKind};
use rtmp_core::MediaMessage;
use rtmp_core::flv::{FlvDecoder, FlvRecorder, with_set_data_frame};
use rtmp_server::{Relay, SessionConfig};
use rtmp_tests::media::{audio, keyframe, metadata, video_header};
use tokio::io::duplex;
use tokio_util::codec::Decoder;

use crate::support::{Host, URL, at, client, peer, player};

fn data(millis: u32, values: &[Value]) -> MediaMessage {
    let mut body = BytesMut::new();
    amf0::encode_all(values, &mut body).unwrap();
    MediaMessage::data(at(millis), body)
}

#[tokio::test(start_paused = true)]
async fn d1_cue_points_and_text_reach_players_and_recordings_and_only_metadata_are_kept() {
    let relay = Relay::default();
    let mut watcher = player(&relay).await;
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    let cue = Object::new()
        .with("name", "ad")
        .with("time", 1.5)
        .with("type", "event");
    let text = Object::new().with("text", "Hello").with("language", "en");
    let properties = Value::EcmaArray(Object::new().with("width", 1280.0));
    let kept = |millis| data(millis, &["onMetaData".into(), properties.clone()]);
    let sent = [
        kept(0),
        video_header(0, 2),
        keyframe(0, 3),
        data(10, &["onCuePoint".into(), Value::Object(cue)]),
        data(20, &["onTextData".into(), Value::EcmaArray(text)]),
        data(30, &["onFI".into(), Value::Null]),
        data(40, &["|RtmpSampleAccess".into(), true.into(), false.into()]),
    ];
    publisher.send(stream, &sent).await;
    assert_eq!(watcher.media(sent.len()).await, sent);

    let mut recorder = FlvRecorder::new();
    let mut file = BytesMut::new();
    for message in &sent {
        recorder.record(message, &mut file).unwrap();
    }
    let mut decoder = FlvDecoder::new();
    let mut tags = Vec::new();
    while let Some(tag) = decoder.decode(&mut file).unwrap() {
        tags.push(MediaMessage::from(tag));
    }
    assert_eq!(tags[1..], sent[1..], "behind the recorder's own metadata");

    // Who comes later gets the metadata and what follows the keyframe, and nothing from before it.
    publisher
        .send(
            stream,
            &[data(1990, &["onCuePoint".into(), Value::Null]), keyframe(2000, 4)],
        )
        .await;
    watcher.media(2).await;
    let mut late = player(&relay).await;
    assert_eq!(
        late.rest_of_media().await,
        [kept(2000), video_header(2000, 2), keyframe(2000, 4)]
    );
}

#[tokio::test(start_paused = true)]
async fn d2_the_whole_metadata_are_kept_byte_for_byte() {
    let relay = Relay::default();
    let mut early = player(&relay).await;
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    // Repeated and empty keys, nesting, an order that no map keeps, bytes that are no text, a wrong count.
    let body = b"\x02\0\x0aonMetaData\x08\0\0\0\x63\
        \0\x05width\0\x40\x94\0\0\0\0\0\0\
        \0\x05width\x02\0\x031\xFF2\
        \0\0\x05\
        \0\x04deep\x03\0\x01z\x0A\0\0\0\x01\x06\0\0\x09\
        \0\x01a\x02\0\x03b\0c\
        \0\0\x09";
    let wrapped = MediaMessage::data(at(0), with_set_data_frame(&body.as_ref().into()));
    publisher.send(stream, &[wrapped, audio(0, 1)]).await;
    let mut late = {
        early.media(2).await;
        player(&relay).await
    };
    publisher.send(stream, &[audio(20, 2)]).await;
    assert_eq!(late.next_media().await, MediaMessage::data(at(20), &body[..]));
}

#[tokio::test(start_paused = true)]
async fn d3_set_data_frame_is_added_on_the_way_to_a_server_and_taken_off_on_the_way_to_players() {
    let (ours, theirs) = duplex(1 << 16);
    let mut host = Host::new(theirs);
    let server = tokio::spawn(async move { host.media().await });
    let conn = ClientConn::builder().from_io(ours, URL).await.unwrap();
    conn.connect(ConnectRequest::default()).await.unwrap();
    let stream = conn.create_stream().await.unwrap();
    let mut publisher = stream.publish("cam", PublishKind::Live).await.unwrap();
    let properties = Object::new().with("width", 1280.0).with("encoder", "x");
    publisher.send_metadata(properties.clone()).await.unwrap();
    let pushed = server.await.unwrap();
    let plain = data(0, &["onMetaData".into(), Value::EcmaArray(properties.clone())]);
    assert_eq!(pushed.payload, with_set_data_frame(&plain.payload));

    let relay = Relay::default();
    let mut watcher = player(&relay).await;
    let (conn, _) = client(&relay, SessionConfig::default()).await;
    let stream = conn.create_stream().await.unwrap();
    let mut publisher = stream.publish("cam", PublishKind::Live).await.unwrap();
    publisher.send_metadata(properties).await.unwrap();
    assert_eq!(watcher.next_media().await, plain);
}

#[tokio::test(start_paused = true)]
async fn metadata_that_are_null_empty_repeated_or_missing_end_no_publication() {
    let relay = Relay::default();
    let mut watcher = player(&relay).await;
    let mut publisher = peer(&relay).await;
    let stream = publisher.publish("cam").await.unwrap();
    let name = || Value::from("onMetaData");
    let sent = [
        audio(0, 1),
        data(0, &[name(), Value::Null]),
        data(0, &[name(), Value::Undefined]),
        data(0, &[name()]),
        data(0, &[name(), Value::EcmaArray(Object::new())]),
        data(0, &[Value::Null]),
        metadata(0, 2),
        metadata(0, 2),
        metadata(0, 3),
        audio(20, 4),
    ];
    publisher.send(stream, &sent).await;
    assert_eq!(watcher.media(sent.len()).await, sent);
    let nothing = data(0, &["@setDataFrame".into(), name(), Value::Null]);
    publisher.send(stream, &[nothing, audio(40, 5)]).await;
    assert_eq!(
        watcher.media(2).await,
        [data(0, &[name(), Value::Null]), audio(40, 5)]
    );
}

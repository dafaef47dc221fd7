//! Addresses as people write them, and what reaches the server of them.

use rtmp_core::url::{AppName, RtmpUrl, StreamName};
use rtmp_server::Observers;
use rtmp_tests::RunningServer;

use crate::support::Desk;

/// What a server is asked by a client that publishes to this address behind `rtmp://host`: `app` and `tcUrl` of
/// connect, and the name to publish.
async fn asked(path: &str) -> [String; 3] {
    published(|host| RtmpUrl::parse(&format!("rtmp://{host}{path}")).unwrap()).await
}

async fn published(url: impl FnOnce(&str) -> RtmpUrl) -> [String; 3] {
    let desk = Desk::default();
    let server = RunningServer::start(desk.observers()).await;
    let host = server.addr().to_string();
    let publisher = rtmp_client::push(url(&host)).await.unwrap();
    publisher.finish().await.unwrap();
    server.shutdown().await;
    let connect = &desk.connects()[0];
    let text = |key| connect.text(key).unwrap().replace(&host, "host");
    [text("app"), text("tcUrl"), desk.publishes()[0].name().to_owned()]
}

#[tokio::test]
async fn i16_a_query_goes_with_the_stream_name_untouched() {
    let [app, tc_url, name] = asked("/live/key?a=b&c=d%2B&e=/x/?y+").await;
    assert_eq!([app.as_str(), &tc_url], ["live", "rtmp://host/live"]);
    assert_eq!(name, "key?a=b&c=d%2B&e=/x/?y+");
}

#[tokio::test]
async fn i17_a_query_behind_the_app_stays_there() {
    let [app, tc_url, name] = asked("/live?token=1/key").await;
    assert_eq!(
        [app.as_str(), &tc_url, &name],
        ["live?token=1", "rtmp://host/live?token=1", "key"]
    );
    let app = AppName::parse(app).unwrap();
    assert_eq!((app.name(), app.query()), ("live", Some("token=1")));
}

#[tokio::test]
async fn i18_slashes_too_many_are_dropped_where_the_split_is_and_kept_in_the_key() {
    for (path, app, name) in [("//live//key", "live", "key"), ("/live/a/b/c", "live/a", "b/c")] {
        let [asked_app, _, asked_name] = asked(path).await;
        assert_eq!((asked_app.as_str(), asked_name.as_str()), (app, name), "{path}");
    }
    // The name is missing behind the last one, rather than something else in its place.
    let url = RtmpUrl::parse("rtmp://host/live/key/").unwrap();
    assert_eq!((url.app(), url.stream_name()), ("live/key", None));
    // What names a stream has no slashes at its ends; what was written is there as well.
    let name = StreamName::parse("/a//b/?t=1").unwrap();
    assert_eq!((name.name(), name.raw()), ("a//b", "/a//b/?t=1"));
}

#[tokio::test]
async fn i19_an_app_may_have_an_instance() {
    let [app, tc_url, name] = asked("/live/_definst_/key").await;
    assert_eq!(
        [app.as_str(), &tc_url, &name],
        ["live/_definst_", "rtmp://host/live/_definst_", "key"]
    );
    assert_eq!(AppName::parse(app).unwrap().instance(), Some("_definst_"));
}

#[tokio::test]
async fn i20_a_url_is_never_split_inside_its_query_and_its_parts_can_be_given() {
    let url = RtmpUrl::parse("rtmp://host/key?token=1").unwrap();
    assert_eq!((url.app_with_query(), url.stream_name()), ("key?token=1", None));
    let [app, _, name] = asked("/live/key?path=/a/b&c=d").await;
    assert_eq!((app.as_str(), name.as_str()), ("live", "key?path=/a/b&c=d"));
    let explicit = |host: &str| {
        RtmpUrl::from_server(&format!("rtmp://{host}/one/two/three?x=/y"))
            .unwrap()
            .with_stream("a/b?t=/1")
            .unwrap()
    };
    let [app, tc_url, name] = published(explicit).await;
    assert_eq!(
        [app.as_str(), &tc_url, &name],
        ["one/two/three?x=/y", "rtmp://host/one/two/three?x=/y", "a/b?t=/1"]
    );
}

#[tokio::test]
async fn i13_the_address_is_always_sent() {
    let desk = Desk::default();
    let server = RunningServer::start(Observers::new().connect(desk.clone())).await;
    drop(server.peer("live").await);
    assert!(desk.connects()[0].tc_url().is_some());
    server.shutdown().await;
}

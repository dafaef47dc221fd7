//! `connect` and its answer (RTMP 1.0 section 7.2.1.1).

use std::fmt;

use rtmp_amf::AmfString;
use rtmp_amf::amf0::{Object, Value};

use super::{Capabilities, Command, Shortened, Status, StatusCode};

/// The arguments of `connect`: an object of properties and any number of further values, all of them open.
///
/// A client adds to it what a service asks for; `app` and `tcUrl` are filled in from the URL unless they are set. A
/// server finds in it whatever the client sent, in order.
///
/// ```
/// use rtmp_core::message::ConnectRequest;
///
/// let request = ConnectRequest::default().property("swfUrl", "https://example.org/p.swf").argument("t0k3n");
/// assert_eq!(request.text("swfUrl"), Some("https://example.org/p.swf"));
/// ```
#[derive(Clone, PartialEq)]
pub struct ConnectRequest {
    properties: Object,
    arguments: Vec<Value>,
}

impl Default for ConnectRequest {
    /// What encoders and players of today send: a codec mask for servers that drop what is not in it, and a version
    /// text of the form that servers know to be an encoder's.
    fn default() -> Self {
        let flash_version = concat!(
            "FMLE/3.0 (compatible; rtmp-client/",
            env!("CARGO_PKG_VERSION"),
            ")"
        );
        let properties = Object::new()
            .with("type", "nonprivate")
            .with("flashVer", flash_version)
            .with("fpad", false)
            .with("capabilities", 15.0)
            .with("audioCodecs", 4071.0)
            .with("videoCodecs", 252.0)
            .with("videoFunction", 1.0)
            .with("objectEncoding", 0.0);
        let request = Self {
            properties,
            arguments: Vec::new(),
        };
        request.capabilities(&Capabilities::pass_through())
    }
}

impl ConnectRequest {
    /// A request without any property; [`default`](Self::default) is what servers expect.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            properties: Object::new(),
            arguments: Vec::new(),
        }
    }

    /// Sets a property of the connect object, in its place if it is there, otherwise at the end.
    #[must_use]
    pub fn property(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.properties.insert(key, value.into());
        self
    }

    /// Sets the properties that say what the client can do with codecs (Enhanced RTMP v2).
    #[must_use]
    pub fn capabilities(mut self, capabilities: &Capabilities) -> Self {
        capabilities.write(&mut self.properties);
        self
    }

    /// What the client says it can do with codecs (Enhanced RTMP v2).
    #[must_use]
    pub fn read_capabilities(&self) -> Capabilities {
        Capabilities::read(&self.properties)
    }

    /// Appends a value behind the connect object; some services take a token there.
    #[must_use]
    pub fn argument(mut self, value: impl Into<Value>) -> Self {
        self.arguments.push(value.into());
        self
    }

    /// The connect object, in the order it was sent.
    #[must_use]
    pub fn properties(&self) -> &Object {
        &self.properties
    }

    /// The values behind the connect object.
    #[must_use]
    pub fn arguments(&self) -> &[Value] {
        &self.arguments
    }

    /// A property by its name, whatever its case: peers disagree on `tcUrl` and `flashVer`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.properties.get_ignore_case(key)
    }

    /// A property that is text in UTF-8.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// The application: `app` up to its query, without slashes at its ends. Empty if there is none.
    #[must_use]
    pub fn app(&self) -> &str {
        let app = self.text("app").unwrap_or_default();
        app.split('?').next().unwrap_or_default().trim_matches('/')
    }

    /// The query in `app`, as some clients send their credentials.
    #[must_use]
    pub fn app_query(&self) -> Option<&str> {
        self.text("app")
            .and_then(|app| app.split_once('?'))
            .map(|(_, query)| query)
    }

    /// The address that the client connected to, without the quotation marks that some put around it.
    #[must_use]
    pub fn tc_url(&self) -> Option<&str> {
        self.text("tcUrl").map(|url| url.trim_matches(['"', '\'']))
    }

    /// Whether the client asks for AMF3 (`objectEncoding` 3).
    #[must_use]
    pub fn asks_for_amf3(&self) -> bool {
        self.get("objectEncoding").and_then(Value::to_number) == Some(3.0)
    }

    /// Reads the arguments. The object may be an ECMA array; without one there are no properties.
    #[must_use]
    pub fn from_command(command: Command) -> Self {
        let properties = command.object.into_object().unwrap_or_default();
        Self {
            properties,
            arguments: command.arguments,
        }
    }

    /// The command, with `app` first and `tcUrl` where they are not set.
    pub(crate) fn to_command(&self, app: &str, tc_url: &str) -> Command {
        let mut properties = Object::new();
        if self.get("app").is_none() {
            properties.push("app", Value::from(app));
        }
        for (key, value) in self.properties.iter() {
            properties.push(key.clone(), value.clone());
        }
        if self.get("tcUrl").is_none() {
            properties.push("tcUrl", Value::from(tc_url));
        }
        let mut command = Command::new(AmfString::from_static("connect")).with_object(properties);
        command.arguments.clone_from(&self.arguments);
        command
    }
}

impl fmt::Debug for ConnectRequest {
    /// Names the properties, and shows no values but the application: the others may hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.properties.iter().map(|(key, _)| key).collect();
        f.debug_struct("ConnectRequest")
            .field("app", &Shortened(self.text("app").unwrap_or_default()))
            .field("properties", &keys)
            .field("arguments", &self.arguments.len())
            .finish()
    }
}

/// The answer to an accepted `connect`: an object of server properties, and an information object.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectReply {
    /// The first object: what the server is.
    pub properties: Object,
    /// The second: level, code, description and whatever else the server says.
    pub status: Status,
}

impl Default for ConnectReply {
    /// What players and encoders expect. Some compare `fmsVer` with a version number, so it has the form that Flash
    /// Media Server gave it.
    fn default() -> Self {
        Self {
            properties: Object::new()
                .with("fmsVer", "FMS/3,5,7,7009")
                .with("capabilities", 31.0)
                .with("mode", 1.0),
            status: Status::new(StatusCode::ConnectSuccess, "Connection succeeded.")
                .with("objectEncoding", 0.0),
        }
        .capabilities(&Capabilities::pass_through())
    }
}

impl ConnectReply {
    /// Sets the properties that say what the server can do with codecs (Enhanced RTMP v2).
    #[must_use]
    pub fn capabilities(mut self, capabilities: &Capabilities) -> Self {
        capabilities.write(&mut self.properties);
        self
    }

    /// What the server says it can do with codecs (Enhanced RTMP v2).
    #[must_use]
    pub fn read_capabilities(&self) -> Capabilities {
        Capabilities::read(&self.properties)
    }

    /// Agrees to AMF3 (`objectEncoding` 3) with a client that [asks for it](ConnectRequest::asks_for_amf3); without it
    /// AMF0 is agreed on. Only then is AMF3 data sent to the client. Commands go out in AMF0 in any case, which every
    /// client reads.
    #[must_use]
    pub fn with_amf3(mut self) -> Self {
        self.status.details.insert("objectEncoding", 3.0);
        self
    }

    pub(crate) fn agrees_to_amf3(&self) -> bool {
        self.status
            .details
            .get("objectEncoding")
            .and_then(Value::to_number)
            == Some(3.0)
    }

    pub(crate) fn from_command(command: &Command) -> Self {
        // The information object is the last argument; some servers leave one of the two out.
        let status = command
            .arguments
            .last()
            .map_or_else(|| Status::from_value(&Value::Null), Status::from_value);
        Self {
            properties: command.object.as_object().cloned().unwrap_or_default(),
            status,
        }
    }

    /// The `_result`, with the object encoding that some clients can not do without.
    pub(crate) fn to_command(&self) -> Command {
        let mut status = self.status.clone();
        if status.details.get("objectEncoding").is_none() {
            status.details.push("objectEncoding", 0.0);
        }
        Command::new(AmfString::from_static("_result"))
            .with_object(self.properties.clone())
            .with_argument(status.to_value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_loses_its_query_and_its_slashes() {
        let request = |app: &str| ConnectRequest::empty().property("app", app);
        assert_eq!(request("live/").app(), "live");
        assert_eq!(request("/live/_definst_?a=b?c").app(), "live/_definst_");
        assert_eq!(request("live?a=b?c").app_query(), Some("a=b?c"));
        assert_eq!(ConnectRequest::empty().app(), "");
    }

    #[test]
    fn properties_are_found_in_any_case_and_tc_url_without_quotes() {
        let request = ConnectRequest::empty().property("tcurl", "\"rtmp://h/live\"");
        assert_eq!(request.tc_url(), Some("rtmp://h/live"));
    }

    #[test]
    fn what_the_caller_sets_is_not_overwritten() {
        let command = ConnectRequest::empty()
            .property("app", "mine")
            .to_command("theirs", "rtmp://h/theirs");
        let request = ConnectRequest::from_command(command);
        assert_eq!(
            (request.app(), request.tc_url()),
            ("mine", Some("rtmp://h/theirs"))
        );
    }

    #[test]
    fn debug_output_shows_no_values() {
        let request = ConnectRequest::default()
            .property("password", "hush")
            .argument("t0k3n");
        let shown = format!("{request:?}");
        assert!(
            shown.contains("password") && !shown.contains("hush") && !shown.contains("t0k3n"),
            "{shown}"
        );
    }
}

//! The client of the tests: what it sends and gets is bytes on a socket, so that nothing is put right on the way.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// How long an answer may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request, as it is about to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

pub(crate) fn request(method: &str, target: impl Into<String>) -> Request {
    Request {
        method: method.to_owned(),
        target: target.into(),
        headers: vec![("Host".to_owned(), "registry.test".to_owned())],
        body: None,
    }
}

pub(crate) fn get(target: impl Into<String>) -> Request {
    request("GET", target)
}

pub(crate) fn head(target: impl Into<String>) -> Request {
    request("HEAD", target)
}

pub(crate) fn delete(target: impl Into<String>) -> Request {
    request("DELETE", target)
}

pub(crate) fn put(target: impl Into<String>, body: impl Into<Vec<u8>>) -> Request {
    let mut request = request("PUT", target);
    request.body = Some(body.into());
    request
}

pub(crate) fn post(target: impl Into<String>, body: impl Into<Vec<u8>>) -> Request {
    let mut request = request("POST", target);
    request.body = Some(body.into());
    request
}

/// A request with a body of JSON.
pub(crate) fn json(method: &str, target: impl Into<String>, body: &serde_json::Value) -> Request {
    let mut request = request(method, target).header("Content-Type", "application/json");
    request.body = Some(body.to_string().into_bytes());
    request
}

impl Request {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// To that host rather than the usual one.
    pub(crate) fn host(mut self, host: &str) -> Self {
        self.headers.retain(|(name, _)| name != "Host");
        self.header("Host", host)
    }

    /// With a user name and a password, or what a client sends in their place.
    pub(crate) fn basic(self, user: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        self.header("Authorization", &format!("Basic {pair}"))
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// The same body for another route.
    pub(crate) fn with_method_and_target_of(mut self, other: &Self) -> Self {
        self.method.clone_from(&other.method);
        self.target.clone_from(&other.target);
        self
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The request without its body.
    pub(crate) fn head_bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header. A name that is there twice is a fault of every answer here.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str());
        let first = values.next();
        assert_eq!(values.next(), None, "{name} is there twice: {self:?}");
        first
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A refusal of the API: a problem document that says `words`, which no cache may keep.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, words: &str) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        for (name, value) in [
            ("Content-Type", "application/problem+json"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ] {
            assert_eq!(self.header(name), Some(value), "{name}");
        }
        let problem = self.json();
        let field = |name: &str| problem.get(name).unwrap();
        assert_eq!(field("type"), "about:blank");
        assert_eq!(*field("status"), status);
        assert!(!field("title").as_str().unwrap().is_empty());
        let detail = field("detail").as_str().unwrap();
        assert!(detail.contains(words), "{detail}");
        assert_eq!(field("message"), detail);
        assert_eq!(field("code").as_str(), self.header("X-Tarn-Error"));
        assert_eq!(
            field("request_id").as_str(),
            self.header("X-Request-Id"),
            "{problem}"
        );
        let realm = self.header("WWW-Authenticate");
        assert_eq!(realm.is_some(), status == 401, "{realm:?}");
        self
    }

    /// The code of a refusal.
    #[track_caller]
    pub(crate) fn code(self, code: &str) -> Self {
        assert_eq!(self.header("X-Tarn-Error"), Some(code), "{}", self.text());
        self
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {:?}", self.text(), self.headers);
        self
    }

    /// A refusal: one line of plain text that says `words`, which no cache may keep, and a request id.
    #[track_caller]
    pub(crate) fn refusal(self, status: u16, words: &str) -> Self {
        let text = self.text();
        assert_eq!(self.status, status, "{text}");
        assert!(text.contains(words), "{text}");
        assert!(
            text.ends_with('\n') && text.lines().count() == 1,
            "{text:?}"
        );
        for (name, value) in [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ] {
            assert_eq!(self.header(name), Some(value), "{name}");
        }
        assert!(self.header("X-Request-Id").is_some());
        assert!(self.header("X-Tarn-Error").is_some());
        let realm = self.header("WWW-Authenticate");
        if status == 401 {
            assert!(realm.is_some_and(|realm| realm.starts_with("Basic realm=\"")));
        } else {
            assert_eq!(realm, None);
        }
        self
    }
}

/// An open connection.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            received: Vec::new(),
        }
    }

    /// A connection from another address of this machine.
    pub(crate) async fn open_from(source: &str, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        let source: SocketAddr = format!("{source}:0").parse().unwrap();
        socket.bind(source).unwrap();
        Self {
            stream: socket.connect(address).await.unwrap(),
            received: Vec::new(),
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends what the server may no longer want to have. Whether it all went out.
    pub(crate) async fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Says that nothing more is to come.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    pub(crate) async fn send(&mut self, request: &Request) -> Answer {
        self.write(&request.bytes()).await;
        self.answer(request.is_head()).await
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self, to_head: bool) -> Answer {
        timeout(PATIENCE, self.read_answer(to_head)).await.unwrap()
    }

    async fn read_answer(&mut self, to_head: bool) -> Answer {
        let end = loop {
            if let Some(at) = self
                .received
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
            {
                break at;
            }
            assert!(self.more().await, "no answer: {:?}", self.received);
        };
        let rest = self.received.split_off(end + 4);
        let text = String::from_utf8(std::mem::replace(&mut self.received, rest)).unwrap();
        let mut lines = text.trim_end().lines();
        let status = lines.next().unwrap();
        let status = status.strip_prefix("HTTP/1.1 ").unwrap();
        let mut answer = Answer {
            status: status[..3].parse().unwrap(),
            headers: lines
                .map(|line| line.split_once(": ").unwrap())
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: Vec::new(),
        };
        if to_head || matches!(answer.status, 100 | 204 | 304) {
            return answer;
        }
        if answer.header("Transfer-Encoding") == Some("chunked") {
            loop {
                let size = self.line().await;
                let size = usize::from_str_radix(&size, 16).unwrap();
                answer.body.extend(self.exactly(size).await);
                assert_eq!(self.line().await, "");
                if size == 0 {
                    return answer;
                }
            }
        }
        let length: usize = answer.header("Content-Length").unwrap().parse().unwrap();
        answer.body = self.exactly(length).await;
        answer
    }

    /// The next bytes of an answer, so many.
    async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.received.len() < length {
            assert!(self.more().await, "the answer is cut off");
        }
        let rest = self.received.split_off(length);
        std::mem::replace(&mut self.received, rest)
    }

    /// The next line of an answer, without its end.
    async fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.received.windows(2).position(|two| two == b"\r\n") {
                let line = self.exactly(at + 2).await;
                return str::from_utf8(&line).unwrap().trim_end().to_owned();
            }
            assert!(self.more().await, "the answer is cut off");
        }
    }

    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.received).await.unwrap_or(0) > 0
    }

    /// Takes 64 KiB at a time, with a pause after each, until the server closes. Gives how many bytes came.
    pub(crate) async fn trickle(&mut self, pause: Duration) -> usize {
        let mut piece = vec![0; 64 << 10];
        let mut all = 0;
        while let Ok(read @ 1..) = self.stream.read(&mut piece).await {
            all += read;
            tokio::time::sleep(pause).await;
        }
        all
    }

    /// Waits until the server closes, and takes nothing but that from it.
    pub(crate) async fn is_closed_within(&mut self, time: Duration) -> bool {
        assert!(self.received.is_empty(), "more came than was asked for");
        match timeout(time, self.more()).await {
            Ok(more) => !more,
            Err(_) => false,
        }
    }
}

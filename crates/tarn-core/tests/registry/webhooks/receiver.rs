//! A receiver of webhooks on this machine: answers as the test says, and remembers every request.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received {
    /// The first line and the headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1);
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What a receiver does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// Sends these bytes and closes the connection.
    Bytes(Vec<u8>),
    /// Sends these bytes, then the last of them for ever.
    Endless(Vec<u8>),
    /// Sends these bytes and no more, and keeps the connection open.
    Stalling(Vec<u8>),
    /// Nothing, and keeps the connection open.
    Nothing,
}

pub(crate) fn status(line: &str) -> Says {
    Says::Bytes(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n").into_bytes())
}

/// Listens until it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    says: Arc<Mutex<Says>>,
    listening: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Receiver {
    /// One that takes everything.
    pub(crate) async fn new() -> Self {
        Self::saying(status("204 No Content")).await
    }

    pub(crate) async fn saying(says: Says) -> Self {
        Self::start(says, None).await
    }

    pub(crate) async fn start(says: Says, tls: Option<TlsAcceptor>) -> Self {
        // On every address of the loopback network.
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let says = Arc::new(Mutex::new(says));
        let listening = tokio::spawn({
            let (received, says) = (Arc::clone(&received), Arc::clone(&says));
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (received, says) = (Arc::clone(&received), Arc::clone(&says));
                    let tls = tls.clone();
                    tokio::spawn(async move {
                        match tls {
                            None => answer(stream, &received, &says).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    answer(stream, &received, &says).await;
                                }
                            }
                        }
                    });
                }
            }
        });
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            received,
            says,
            listening,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// All requests so far, oldest first.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    received: &Mutex<Vec<Received>>,
    says: &Mutex<Says>,
) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    received.lock().unwrap().push(request);
    let says = says.lock().unwrap().clone();
    match says {
        Says::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Says::Endless(bytes) => {
            let more = vec![*bytes.last().unwrap(); 1 << 16];
            let mut written = stream.write_all(&bytes).await;
            while written.is_ok() {
                written = stream.write_all(&more).await;
            }
        }
        Says::Stalling(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }
        Says::Nothing => std::future::pending().await,
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some((head, body)) = end.and_then(|end| bytes.split_at_checked(end + 4)) {
            let head = String::from_utf8(head.to_vec()).unwrap();
            let mut request = Received {
                head: head.to_lowercase(),
                body: body.to_vec(),
            };
            let length = request.header("content-length").unwrap().parse().unwrap();
            while request.body.len() < length {
                if stream.read_buf(&mut request.body).await.ok()? == 0 {
                    return None;
                }
            }
            return Some(request);
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

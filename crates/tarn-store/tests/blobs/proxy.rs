//! A proxy that does to connections what networks and tired servers do.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What happens to one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// It is closed after so many bytes of answers.
    CutAfter(usize),
    /// Nothing more comes after so many bytes of answers.
    StallAfter(usize),
    /// Its requests are not read.
    Deaf,
    /// Its requests are read and answered with 500.
    Broken,
}

/// A proxy in front of a server.
pub(crate) struct Proxy {
    /// `http://127.0.0.1:PORT`
    pub(crate) endpoint: String,
    /// What happens to the next connections, and to all after those.
    faults: Arc<Mutex<(VecDeque<Fault>, Option<Fault>)>>,
}

impl Proxy {
    pub(crate) async fn start(server: &str) -> Self {
        let server = server.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let faults = Arc::new(Mutex::new((VecDeque::new(), None)));
        let shared: Arc<Mutex<(VecDeque<Fault>, Option<Fault>)>> = Arc::clone(&faults);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let fault = {
                    let mut faults = shared.lock().unwrap();
                    faults.0.pop_front().or(faults.1)
                };
                tokio::spawn(carry(client, server.clone(), fault));
            }
        });
        Self { endpoint, faults }
    }

    /// What happens to the next connections, and then to all others.
    pub(crate) fn set(&self, next: &[Fault], then: Option<Fault>) {
        *self.faults.lock().unwrap() = (next.iter().copied().collect(), then);
    }
}

async fn carry(mut client: TcpStream, server: String, fault: Option<Fault>) {
    match fault {
        Some(Fault::Deaf) => return std::future::pending().await,
        Some(Fault::Broken) => {
            let mut request = vec![0; 1 << 16];
            let _ = client.read(&mut request).await;
            let answer = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = client.write_all(answer).await;
            return;
        }
        Some(Fault::CutAfter(_) | Fault::StallAfter(_)) | None => {}
    }
    let server = TcpStream::connect(server).await.unwrap();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut from_client, mut to_client) = client.into_split();
    let requests = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    });
    let (mut buffer, mut sent) = (vec![0; 1 << 14], 0);
    while let Ok(read) = from_server.read(&mut buffer).await {
        if read == 0 {
            break;
        }
        let left = match fault {
            Some(Fault::CutAfter(most) | Fault::StallAfter(most)) => most - sent,
            _ => read,
        };
        let part = buffer.get(..read.min(left)).unwrap();
        if to_client.write_all(part).await.is_err() {
            break;
        }
        sent += part.len();
        if part.len() < read {
            if matches!(fault, Some(Fault::StallAfter(_))) {
                std::future::pending::<()>().await;
            }
            break;
        }
    }
    requests.abort();
}

//! A long line between two programs on one machine: every byte arrives later, in both directions.
//!
//! It needs no rights, unlike `tc netem`, and it can take a header out on the way. Bandwidth is not limited. The
//! handshake of TCP with the client happens on this side, so the first bytes of a connection wait for one round
//! trip more, as they would on the line.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, sleep},
    time::{Duration, Instant},
};

use crate::Result;

/// The header that apk looks for, and what a client makes nothing of; they are equally long.
const KEEP_ALIVE: &[u8] = b"connection: keep-alive\r\n";
const NOTHING: &[u8] = b"x-nothing: keep-alive.\r\n";

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    upstream: SocketAddr,
    /// One way.
    delay: Duration,
    hides_keep_alive: bool,
    connections: AtomicUsize,
    hidden: AtomicUsize,
    stopping: AtomicBool,
}

impl Proxy {
    pub(crate) fn start(
        upstream: SocketAddr,
        delay: Duration,
        hides_keep_alive: bool,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            upstream,
            delay,
            hides_keep_alive,
            connections: AtomicUsize::new(0),
            hidden: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.stopping.load(Ordering::Relaxed) {
                    return;
                }
                accepting.connections.fetch_add(1, Ordering::Relaxed);
                // A connection that cannot be passed on is closed, and the client says so.
                let _ = accepting.pass_on(client);
            }
        });
        Ok(Self { address, state })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Answers so far whose header was hidden.
    pub(crate) fn hidden(&self) -> usize {
        self.state.hidden.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn pass_on(self: &Arc<Self>, client: TcpStream) -> Result<()> {
        let server = TcpStream::connect(self.upstream)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let handshake = Instant::now() + self.delay * 2;
        self.carry(client.try_clone()?, server.try_clone()?, handshake, false);
        self.carry(server, client, handshake, self.hides_keep_alive);
        Ok(())
    }

    /// Carries the bytes of one direction; none of them sets out before `earliest`.
    fn carry(self: &Arc<Self>, from: TcpStream, to: TcpStream, earliest: Instant, hide: bool) {
        let (sender, receiver) = channel();
        let state = Arc::clone(self);
        thread::spawn(move || state.take(from, &sender, earliest, hide));
        thread::spawn(move || deliver(to, &receiver));
    }

    fn take(
        &self,
        mut from: TcpStream,
        sender: &Sender<(Instant, Vec<u8>)>,
        earliest: Instant,
        hide: bool,
    ) {
        let mut buffer = vec![0; 256 << 10];
        loop {
            let Ok(read) = from.read(&mut buffer) else {
                return;
            };
            let mut bytes = buffer.get(..read).unwrap_or_default().to_vec();
            if hide {
                self.hidden
                    .fetch_add(hide_keep_alive(&mut bytes), Ordering::Relaxed);
            }
            let due = Instant::now().max(earliest) + self.delay;
            if sender.send((due, bytes)).is_err() || read == 0 {
                return;
            }
        }
    }
}

/// Writes what comes when it is due. No bytes are the end of the stream.
fn deliver(mut to: TcpStream, receiver: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((due, bytes)) = receiver.recv() {
        sleep(due.saturating_duration_since(Instant::now()));
        if bytes.is_empty() || to.write_all(&bytes).is_err() {
            break;
        }
    }
    // The other side may be gone already.
    let _ = to.shutdown(Shutdown::Write);
}

/// Puts another header in the place of `Connection: keep-alive`; how often.
fn hide_keep_alive(bytes: &mut [u8]) -> usize {
    let windows = bytes.windows(KEEP_ALIVE.len()).enumerate();
    let places: Vec<usize> = windows
        .filter(|(_, window)| window.eq_ignore_ascii_case(KEEP_ALIVE))
        .map(|(place, _)| place)
        .collect();
    for place in &places {
        if let Some(header) = bytes.get_mut(*place..place + NOTHING.len()) {
            header.copy_from_slice(NOTHING);
        }
    }
    places.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each connection's first bytes with a header.
    fn server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let mut request = [0; 16];
                let read = client.read(&mut request).unwrap();
                client.write_all(&request[..read]).unwrap();
                client.write_all(b"Connection: Keep-Alive\r\n").unwrap();
            }
        });
        address
    }

    #[test]
    fn a_first_answer_takes_two_round_trips() {
        let delay = Duration::from_millis(30);
        for hides in [false, true] {
            let proxy = Proxy::start(server(), delay, hides).unwrap();
            let start = Instant::now();
            let mut client = TcpStream::connect(proxy.address()).unwrap();
            client.write_all(b"question").unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            let took = start.elapsed();
            assert!(took >= delay * 4 && took < delay * 12, "{took:?}");
            let header = if hides {
                "x-nothing: keep-alive.\r\n"
            } else {
                "Connection: Keep-Alive\r\n"
            };
            assert_eq!(answer, format!("question{header}"));
            assert_eq!(
                (proxy.connections(), proxy.hidden()),
                (1, usize::from(hides))
            );
        }
    }
}

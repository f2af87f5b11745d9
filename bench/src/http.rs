//! A client for HTTP/1.1 without any logic of its own: one request after another on one connection.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::Result;

/// A kept connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Result<&str> {
        let value = self.headers.get(name).map(String::as_str);
        Ok(value.ok_or_else(|| format!("the answer has no `{name}`"))?)
    }

    /// This answer, when it has that status.
    pub(crate) fn expect(self, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        let text = self.headers.get("content-type");
        let is_text = text.is_some_and(|kind| kind.starts_with("text/"));
        let body: &[u8] = if is_text { &self.body } else { b"" };
        Err(format!(
            "the server answered {} where {status} was expected: {}",
            self.status,
            String::from_utf8_lossy(body)
        )
        .into())
    }
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Self {
            stream: BufReader::with_capacity(256 << 10, stream),
            address,
        })
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Answer> {
        self.request("GET", path, &[], &[])
    }

    /// Reads from what is at `path` until `is_over`.
    pub(crate) fn get_until(mut self, path: &str, is_over: &AtomicBool) -> Result<()> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        self.stream.get_mut().write_all(head.as_bytes())?;
        let mut piece = vec![0; 64 << 10];
        while !is_over.load(Ordering::Relaxed) && self.stream.read(&mut piece)? > 0 {}
        Ok(())
    }

    /// Sends one request with `headers` and, when there is one, a body; reads the answer.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer> {
        let status = self.line()?;
        let status = status
            .split(' ')
            .nth(1)
            .ok_or("the answer has no status")?
            .parse()?;
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or("a header has no colon")?;
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let mut body = Vec::new();
        let length = headers.get("content-length");
        if let Some(length) = length.filter(|_| !matches!(status, 204 | 304)) {
            let length: usize = length.parse()?;
            body.resize(length, 0);
            self.stream.read_exact(&mut body)?;
        } else if headers.contains_key("transfer-encoding") {
            return Err("the answer has no length".into());
        }
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err("the server closed the connection".into());
        }
        Ok(line.trim_end().to_owned())
    }
}

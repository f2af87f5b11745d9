//! Words for what the HTTP library refuses by itself.
//!
//! A head that cannot be read never becomes a request, so nothing here gets to answer it: the library writes a status and
//! no body, and ends the connection. Such an answer is told by what it lacks, and completed on its way to the socket.

use super::{
    code::{Code, ERROR_CODE},
    trace::RequestIds,
};

/// The library's own answer is shorter than this; one that has been completed (`trace.rs`) is longer.
const LONGEST: usize = 160;

/// What to send in place of `answer`, if that is a refusal of the library's own: 400, 414 or 431
/// (`Http1Transaction::on_error` in hyper's `proto/h1/role.rs`).
pub(super) fn completed(answer: &[u8], ids: &RequestIds) -> Option<Vec<u8>> {
    if answer.len() > LONGEST || !answer.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?;
    let empty = "\r\ncontent-length: 0";
    let (code, text) = match head.strip_prefix("HTTP/1.1 ")?.get(..3)? {
        "400" => (
            Code::InvalidRequest,
            "the request is not HTTP/1.1 as this server reads it; look at its first line and its headers\n",
        ),
        "414" => (Code::PathTooLong, "the path of the request is too long\n"),
        "431" => (
            Code::HeadersTooLarge,
            "the head of the request is too large; send fewer or shorter headers\n",
        ),
        _ => return None,
    };
    if head.contains("\r\nx-request-id") || !head.contains(empty) {
        return None;
    }
    let headers = format!(
        "\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\n{}: {}\r\nx-request-id: {}",
        text.len(),
        ERROR_CODE.as_str(),
        code.word(),
        ids.next(),
    );
    Some(format!("{}\r\n\r\n{text}", head.replacen(empty, &headers, 1)).into_bytes())
}

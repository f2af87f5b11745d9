//! A browser, as far as the pages are concerned: it keeps cookies, says where its forms come from, and follows a redirect when it
//! is told to.

use std::collections::BTreeMap;

use url::form_urlencoded;

use crate::{
    client::{Answer, Request, get, post},
    server::{TestServer, password},
};

/// A browser with its cookies.
pub(crate) struct Browser<'a> {
    pub(crate) server: &'a TestServer,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) host: &'static str,
}

impl<'a> Browser<'a> {
    /// One that has no cookies.
    pub(crate) fn new(server: &'a TestServer) -> Self {
        Self {
            server,
            cookies: BTreeMap::new(),
            host: "registry.test",
        }
    }

    /// One in which that user is signed in.
    pub(crate) async fn signed_in(server: &'a TestServer, user: &str) -> Self {
        let mut browser = Self::new(server);
        let fields = [("name", user), ("password", &password(user))];
        let answer = browser.post("/-/login", &fields).await.expect(303);
        assert_eq!(answer.header("Location"), Some("/"));
        browser
    }

    fn dressed(&self, request: Request) -> Request {
        let mut request = request
            .host(self.host)
            .header("Accept", "text/html,application/xhtml+xml;q=0.9")
            .header("User-Agent", "Test Browser 1.0");
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header("Cookie", &pairs.join("; "));
        }
        request
    }

    /// Sends a request as it is, with the cookies, and keeps those that come back.
    pub(crate) async fn send(&mut self, request: Request) -> Answer {
        let answer = self.server.send(&self.dressed(request)).await;
        for (name, value) in &answer.headers {
            if !name.eq_ignore_ascii_case("set-cookie") {
                continue;
            }
            let (pair, attributes) = value.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// A page.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(get(path)).await
    }

    /// Sends a form of one of this server's pages.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = format!("http://{}", self.host);
        let request = form(path, fields).header("Origin", &origin);
        self.send(request).await
    }

    /// The same, and the page to which that redirects.
    pub(crate) async fn post_and_follow(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.post(path, fields).await.expect(303);
        let target = answer.header("Location").unwrap().to_owned();
        self.get(&target).await.expect(200)
    }

    /// The text of a page.
    pub(crate) async fn text(&mut self, path: &str) -> String {
        self.get(path).await.expect(200).text()
    }

    /// Sends a form that is answered with that status.
    pub(crate) async fn expect(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        status: u16,
    ) -> Answer {
        self.post(path, fields).await.expect(status)
    }

    /// Sends a form, and gives the text of the page to which that redirects.
    pub(crate) async fn followed(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        self.post_and_follow(path, fields).await.text()
    }

    /// Uploads files by the form of an owner.
    pub(crate) async fn upload(
        &mut self,
        path: &str,
        (branch, repository): (&str, &str),
        files: &[(&str, &[u8])],
    ) -> Answer {
        let mut body = Vec::new();
        for (name, value) in [("branch", branch), ("repository", repository)] {
            let part = format!(
                "--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
            body.extend(part.as_bytes());
        }
        for (name, bytes) in files {
            let head = format!(
                "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            body.extend(head.as_bytes());
            body.extend(*bytes);
            body.extend(b"\r\n");
        }
        body.extend(b"--edge--\r\n");
        let origin = format!("http://{}", self.host);
        let request = post(path, body)
            .header("Origin", &origin)
            .header("Content-Type", "multipart/form-data; boundary=edge");
        self.send(request).await
    }
}

/// A form as a browser sends it, without saying where it comes from.
pub(crate) fn form(path: &str, fields: &[(&str, &str)]) -> Request {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    post(path, body).header("Content-Type", "application/x-www-form-urlencoded")
}

/// What stands in a page between `before` and the next `after`.
#[track_caller]
pub(crate) fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).unwrap().0
}

//! The real `curl`, and what it got.

use std::{
    ffi::OsStr,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// What curl trusts where a test serves TLS.
const CERTIFICATE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/e2e/certificates/first.pem"
);

/// One call of `curl`, put together piece by piece.
pub(crate) struct Curl {
    command: Command,
    scratch: TempDir,
    path: String,
}

/// What the server answered, or that it did not: then `status` is 0.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) path: String,
    pub(crate) exit_code: i32,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// What `--write-out` printed behind the status, for tests that ask for more.
    pub(crate) written: String,
    pub(crate) stderr: String,
}

impl Curl {
    /// A GET. `path` begins with `/` and is sent exactly as it stands.
    pub(crate) fn new(base: &str, path: &str) -> Self {
        let scratch = TempDir::new().unwrap();
        let mut command = Command::new("curl");
        command
            .args(["-q", "-sS", "--globoff", "--path-as-is", "--noproxy", "*"])
            .args(["--max-time", "120"])
            .args(["-w", "%{http_code} %{size_upload} %{num_connects}"])
            .arg("-D")
            .arg(scratch.path().join("headers"))
            .arg("-o")
            .arg(scratch.path().join("body"))
            .arg(format!("{base}{path}"))
            .env("HOME", scratch.path())
            .env("CURL_CA_BUNDLE", CERTIFICATE)
            .stdin(Stdio::null());
        Self {
            command,
            scratch,
            path: path.to_owned(),
        }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn header(self, line: &str) -> Self {
        self.arg("-H").arg(line)
    }

    /// `name:password`, or nothing for an anonymous caller.
    pub(crate) fn user(self, credentials: &str) -> Self {
        if credentials.is_empty() {
            return self;
        }
        self.arg("-u").arg(credentials)
    }

    pub(crate) fn method(self, method: &str) -> Self {
        match method {
            "GET" => self,
            "HEAD" => self.arg("--head"),
            other => self.arg("-X").arg(other),
        }
    }

    /// The file as the body of a PUT, as `curl -T` sends it.
    pub(crate) fn upload(self, file: &Path) -> Self {
        self.arg("-T").arg(file)
    }

    /// The bytes as the body of a PUT.
    pub(crate) fn upload_bytes(self, bytes: &[u8]) -> Self {
        let file = self.scratch.path().join("upload");
        fs::write(&file, bytes).unwrap();
        self.upload(&file)
    }

    /// A text in JSON as the body; a POST, unless another method is given.
    pub(crate) fn json(self, text: &str) -> Self {
        self.header("Content-Type: application/json")
            .arg("-d")
            .arg(text)
    }

    pub(crate) fn run(mut self) -> Answer {
        let output = self.command.output().expect("curl starts");
        let written = String::from_utf8(output.stdout).unwrap();
        let read = |name: &str| fs::read(self.scratch.path().join(name)).unwrap_or_default();
        let headers = String::from_utf8_lossy(&read("headers")).into_owned();
        Answer {
            path: self.path,
            exit_code: output.status.code().unwrap_or(-1),
            status: written.split(' ').next().unwrap().parse().unwrap(),
            headers: last_headers(&headers),
            body: read("body"),
            written,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs it and looks at the status, with the whole answer in the message if it is another.
    pub(crate) fn expect(self, status: u16) -> Answer {
        let answer = self.run();
        assert_eq!(answer.status, status, "{answer}");
        answer
    }
}

/// A curl that takes no settings and no proxy from the machine. The words of `line` are further arguments.
pub(crate) fn bare(line: &str) -> Command {
    let mut command = Command::new("curl");
    command.args(["-q", "-sS", "--noproxy", "*"]);
    command.args(line.split(' '));
    command
}

impl Answer {
    /// The file name that the answer gives its body.
    pub(crate) fn file_name(&self) -> &str {
        let disposition = self.require("content-disposition");
        disposition.split('"').nth(1).expect("a quoted file name")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice in {self}");
        value
    }

    pub(crate) fn require(&self, name: &str) -> &str {
        self.header(name)
            .unwrap_or_else(|| panic!("no {name} in {self}"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    /// That this is a refusal as the contract wants it: plain text, one line, nothing of the inside.
    pub(crate) fn assert_plain_refusal(&self) {
        let kind = self.require("content-type");
        assert!(kind.starts_with("text/plain"), "{self}");
        let text = self.text().strip_suffix('\n').unwrap_or(self.text());
        assert!(!text.trim().is_empty(), "an empty text in {self}");
        assert!(!text.contains('\n'), "more than one line in {self}");
        for inside in ["panick", "/tmp/", ".rs:", "sqlite3", "SELECT ", "Error {"] {
            assert!(!text.contains(inside), "{inside:?} in {self}");
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body[..self.body.len().min(500)]);
        write!(
            formatter,
            "the answer to {}: {} (curl exit code {}) {:?}\n{body:?}\n{}",
            self.path, self.status, self.exit_code, self.headers, self.stderr
        )
    }
}

/// The headers of the last answer: an interim `100 Continue` comes before it.
fn last_headers(text: &str) -> Vec<(String, String)> {
    let last = text.trim_end().rsplit("\r\n\r\n").next().unwrap_or("");
    let lines = last.lines().skip(1);
    lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}

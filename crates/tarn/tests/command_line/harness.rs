//! Running `tarn`, and putting what it said into a form that is the same each time.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tarn_testkit::{Line, Running};
use tempfile::TempDir;

/// How long a server may take to say something, or to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The password of `admin` in a folder with a registry.
pub(crate) const PASSWORD: &str = "open sesame 42";

/// A working folder.
pub(crate) struct Folder(TempDir);

/// What a command said.
pub(crate) struct Said {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running server.
pub(crate) struct Server {
    child: Running,
    stdout: mpsc::Receiver<String>,
    stderr: mpsc::Receiver<String>,
    pub(crate) welcome: String,
    pub(crate) address: String,
}

impl Folder {
    pub(crate) fn empty() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// One with a registry in `tarn-data`.
    pub(crate) fn with_registry() -> Self {
        let folder = Self::empty();
        let server = folder.serve(&[], &[("TARN_ADMIN_PASSWORD", PASSWORD)]);
        assert!(server.stop(Signal::TERM).0.success());
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn command(
        &self,
        line: &(impl Line + ?Sized),
        variables: &[(&str, &str)],
    ) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tarn"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TARN_") {
                command.env_remove(name);
            }
        }
        command
            .args(line.words())
            .envs(variables.iter().copied())
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn tarn(&self, line: &(impl Line + ?Sized)) -> Said {
        self.tarn_with(line, &[], "")
    }

    /// What a command that succeeds and says nothing else says in JSON.
    pub(crate) fn json(&self, line: &(impl Line + ?Sized)) -> Value {
        let said = self.tarn(line);
        assert_eq!((said.exit, said.stderr.as_str()), (0, ""));
        serde_json::from_str(&said.stdout).unwrap()
    }

    /// What each command says, one after the other.
    pub(crate) fn session(&self, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| (*line, "")).collect();
        self.session_with(&lines)
    }

    /// The same of commands that have something on their standard input.
    pub(crate) fn session_with(&self, lines: &[(&str, &str)]) -> String {
        let said = lines.iter().map(|(line, input)| {
            let said = self.tarn_with(*line, &[], input);
            format!("$ tarn {line}\n{}\n", said.all())
        });
        said.collect()
    }

    pub(crate) fn tarn_with(
        &self,
        line: &(impl Line + ?Sized),
        variables: &[(&str, &str)],
        input: &str,
    ) -> Said {
        let mut child = self.command(line, variables).spawn().unwrap();
        // A command that asks for no input may have ended before it gets any.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Said {
            exit: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs lines of a shell in the folder, in which `tarn` is this one. They must end well. Gives what they printed.
    pub(crate) fn sh(&self, lines: &str) -> String {
        let mut shell = Command::new("/bin/sh");
        let output = shell
            .args([
                "-euc",
                &format!(
                    "tarn() {{ {} \"$@\"; }}\n{lines}",
                    env!("CARGO_BIN_EXE_tarn")
                ),
            ])
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{lines}\n{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts a server on a free port, and waits until it listens.
    pub(crate) fn serve(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let mut child = self.command(all.as_slice(), variables).spawn().unwrap();
        let mut server = Server {
            stdout: lines_of(child.stdout.take().unwrap()),
            stderr: lines_of(child.stderr.take().unwrap()),
            child: Running(child),
            welcome: String::new(),
            address: String::new(),
        };
        while let Ok(line) = server.stdout.recv_timeout(PATIENCE) {
            if let Some(address) = line.strip_prefix("listening on http://") {
                server.address = address.to_owned();
                return server;
            }
            server.welcome.push_str(&line);
            server.welcome.push('\n');
        }
        let said: Vec<String> = server.stderr.try_iter().collect();
        panic!("the server does not listen: {said:?}");
    }
}

fn lines_of(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Server {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for a line on standard error that holds `text`.
    pub(crate) fn wait_for_log(&self, text: &str) {
        while !self
            .stderr
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("no line with `{text}`"))
            .contains(text)
        {}
    }

    /// Sends a signal, then waits for the end. Gives the status and what was said meanwhile: standard output, standard
    /// error.
    pub(crate) fn stop(self, signal: Signal) -> (ExitStatus, String, String) {
        self.signal(signal);
        self.wait()
    }

    pub(crate) fn wait(mut self) -> (ExitStatus, String, String) {
        let status = ended(&mut self.child);
        let all = |lines: &mpsc::Receiver<String>| {
            lines.iter().map(|line| line + "\n").collect::<String>()
        };
        (status, all(&self.stdout), all(&self.stderr))
    }
}

impl Said {
    /// Everything, with dates put in brackets.
    pub(crate) fn all(&self) -> String {
        let Self {
            exit,
            stdout,
            stderr,
        } = self;
        let text = format!("exit: {exit}\n--- stdout\n{stdout}--- stderr\n{stderr}");
        without_dates(&text)
    }

    /// That the command succeeded.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.exit, 0, "{}", self.all());
        self
    }

    /// Standard error must contain `text`.
    #[track_caller]
    pub(crate) fn tells(&self, text: &str) {
        assert!(self.stderr.contains(text), "{text}: {}", self.all());
    }

    /// The one line of standard output of a command that succeeds.
    #[track_caller]
    pub(crate) fn line(&self) -> &str {
        assert_eq!(self.exit, 0, "{}", self.stderr);
        let line = self.stdout.strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'), "{line}");
        line
    }
}

/// Waits for the end of a server.
pub(crate) fn ended(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return status,
            None if Instant::now() > deadline => panic!("the server does not end"),
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// What a server answers to a request, which begins with these lines, on a connection of its own.
pub(crate) fn ask(address: &str, lines: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("{lines}\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The lines of a request's head.
pub(crate) fn head_of(reader: &mut impl BufRead) -> Vec<String> {
    let lines = reader.lines().map(Result::unwrap);
    lines.take_while(|line| !line.is_empty()).collect()
}

/// `text` with each RFC 3339 date put as `[date]`.
pub(crate) fn without_dates(text: &str) -> String {
    let date = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[0-9.]*Z?";
    replaced(date, text, "[date]")
}

/// `text` with each SHA-256 in hex put as `[sha256]`.
pub(crate) fn without_hashes(text: &str) -> String {
    replaced(r"(?-u:\b)[0-9a-f]{64}(?-u:\b)", text, "[sha256]")
}

/// `text` with what is like `pattern` replaced.
pub(crate) fn replaced(pattern: &str, text: &str, by: &str) -> String {
    Regex::new(pattern)
        .unwrap()
        .replace_all(text, by)
        .into_owned()
}

/// The names in a folder, sorted.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

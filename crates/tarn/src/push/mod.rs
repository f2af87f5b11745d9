//! `tarn push`: packages from this machine to a server.
//!
//! Every file is read first, as the server will read it. If one would be refused, nothing is sent.

pub(crate) mod check;
mod send;
mod wait;

use std::{collections::HashMap, path::PathBuf, sync::atomic::AtomicBool, time::Duration};

use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use tokio::task::spawn_blocking;

use self::{
    check::Checked,
    send::{Outcome, Sender},
};
use crate::{
    failure::{Exit, Failure, printable},
    output,
    progress::Progress,
    remote::{
        ConnectArguments, credentials,
        place::{RepositoryPlace, is_plain},
    },
    settings::values,
};

/// `tarn push`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The packages, of apk v2 or v3
    #[arg(required = true, value_name = "FILE.apk")]
    files: Vec<PathBuf>,
    /// The repository: https://HOST/OWNER/BRANCH/REPOSITORY, or its line in /etc/apk/repositories
    #[arg(long, value_name = "URL", env = "TARN_PUSH_TO", hide_env_values = true, value_parser = RepositoryPlace::parse, required_unless_present = "dry_run")]
    to: Option<RepositoryPlace>,
    /// Only check the files: what the server would refuse is refused here, by the same code
    #[arg(long)]
    dry_run: bool,
    /// With a dry run, take versions that apk can't order, as a server does where `versions` is `lenient`
    #[arg(long, requires = "dry_run")]
    lenient_versions: bool,
    /// Return once the index lists the packages, through any cache on the way, or fail after that long
    #[arg(long, value_name = "DURATION", value_parser = values::duration, num_args = 0..=1, require_equals = true, default_missing_value = "60s")]
    wait: Option<Duration>,
    /// How many files are sent at once
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    jobs: u8,
    /// How often a file is sent again when the server cannot be reached or is busy
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    retries: u32,
    /// Show no progress, only what went wrong
    #[arg(long, short)]
    quiet: bool,
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArguments,
}

/// What became of one file, as shown.
#[derive(Debug, Default, Serialize)]
struct Shown {
    file: String,
    package: Option<String>,
    arch: Option<String>,
    /// `published`, `unchanged`, `valid` (a dry run), `failed`, or `skipped` (not tried after another one failed).
    outcome: &'static str,
    url: Option<String>,
    notice: Option<String>,
    error: Option<String>,
}

/// Pushes the files.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let files = arguments.files.clone();
    // Where there is a server, it decides.
    let lenient = !arguments.dry_run || arguments.lenient_versions;
    let checked = spawn_blocking(move || checked(files, lenient))
        .await
        .map_err(|error| Failure::new("a worker stopped").because(&error))?;
    let to = match &arguments.to {
        Some(to) if !arguments.dry_run => to,
        _ => return Report::new(&arguments).of_checks(checked, "would be refused"),
    };
    let credentials = credentials::find(&arguments.connect, to.owner())?;
    if checked.iter().any(|(_, checked)| checked.is_err()) {
        let report = Report::new(&arguments);
        return report.of_checks(checked, "would be refused; nothing was sent");
    }
    let packages: Vec<Checked> = checked
        .into_iter()
        .filter_map(|(_, checked)| checked.ok())
        .collect();
    let bytes = packages.iter().map(|package| package.size).sum();
    let progress = Progress::new(arguments.quiet, "uploading", packages.len(), bytes);
    if credentials.is_some() && is_plain(&to.upload()) {
        progress
            .note("the token crosses the network in the clear; use https:// for more than a trial");
    }
    let sender = Sender {
        remote: &arguments.connect.remote()?,
        credentials: credentials.as_ref(),
        place: to,
        retries: arguments.retries,
        progress: &progress,
        hopeless: AtomicBool::new(false),
    };
    let ended = send_all(&sender, &packages, &arguments).await;
    if let (Some(patience), Ok(())) = (arguments.wait, &ended) {
        return wait::wait(&sender, &packages, patience).await;
    }
    ended
}

/// Each file, and whether it is a package that a server takes.
type Checks = Vec<(PathBuf, Result<Checked, Failure>)>;

/// Reads the files. Of two that are one package with different bytes, the server could take only one: the second is refused.
fn checked(files: Vec<PathBuf>, lenient: bool) -> Checks {
    let mut seen = HashMap::new();
    let check = |file: PathBuf| {
        let checked = check::check(&file, lenient).and_then(|package| {
            let name = (package.facts.arch.clone(), package.file_name.clone());
            let first = (package.path.clone(), package.sha256.clone());
            let (other, sha256) = seen.entry(name).or_insert(first);
            if *sha256 == package.sha256 {
                return Ok(package);
            }
            let problem = format!(
                "is the same package as {}, with other bytes",
                other.display()
            );
            Err(Failure::refused(problem)
                .about(&file.display().to_string())
                .hint("push one of them, or raise pkgrel and build it again"))
        });
        (file, checked)
    };
    files.into_iter().map(check).collect()
}

/// Sends them, some at once, and says what became of each in the order of the command line.
async fn send_all(
    sender: &Sender<'_>,
    packages: &[Checked],
    arguments: &Arguments,
) -> Result<(), Failure> {
    let mut report = Report::new(arguments);
    let sending = packages
        .iter()
        .map(async |package| (package, sender.send(package).await));
    let mut sent = stream::iter(sending).buffered(usize::from(arguments.jobs));
    while let Some((package, ended)) = sent.next().await {
        sender.progress.one_done(package.size);
        let url = sender.place.file(&package.facts.arch, &package.file_name);
        sender
            .progress
            .apart(|| report.sent(package, url.to_string(), ended))?;
    }
    sender.progress.end();
    if let Some(summary) = report.summary() {
        sender.progress.note(&summary);
    }
    report.end("not published")
}

/// What is said of the files: a line each on standard output as soon as it is known, or all as JSON at the end.
#[derive(Debug)]
struct Report {
    json: bool,
    files: Vec<Shown>,
    failures: Vec<Failure>,
}

impl Report {
    fn new(arguments: &Arguments) -> Self {
        Self {
            json: arguments.json,
            files: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Says what the checks found, and ends. `what` follows the number of those that were refused.
    fn of_checks(mut self, checks: Checks, what: &str) -> Result<(), Failure> {
        for (file, checked) in checks {
            match checked {
                Ok(package) => self.say(Shown::of(&package, "valid"), None)?,
                Err(failure) => {
                    let shown = Shown {
                        file: file.display().to_string(),
                        outcome: "failed",
                        ..Shown::default()
                    };
                    self.say(shown, Some(failure))?;
                }
            }
        }
        self.end(what)
    }

    fn sent(
        &mut self,
        package: &Checked,
        url: String,
        ended: Result<Option<Outcome>, Failure>,
    ) -> Result<(), Failure> {
        let shown = |outcome| Shown {
            url: Some(url),
            ..Shown::of(package, outcome)
        };
        match ended {
            Ok(Some(Outcome::Published(notice))) => {
                if let Some(notice) = &notice {
                    output::note(&printable(&format!("note: {notice}")));
                }
                let shown = shown("published");
                self.say(Shown { notice, ..shown }, None)
            }
            Ok(Some(Outcome::Unchanged)) => self.say(shown("unchanged"), None),
            Ok(None) => self.say(Shown::of(package, "skipped"), None),
            Err(failure) => self.say(Shown::of(package, "failed"), Some(failure)),
        }
    }

    fn say(&mut self, mut shown: Shown, failure: Option<Failure>) -> Result<(), Failure> {
        if !self.json && failure.is_none() && shown.outcome != "skipped" {
            let what = shown.url.as_deref().unwrap_or(&shown.file);
            output::print_line(&format!("{} {}", shown.outcome, printable(what)))?;
        }
        if let Some(failure) = failure {
            shown.error = Some(failure.what());
            self.failures.push(failure);
        }
        self.files.push(shown);
        Ok(())
    }

    fn count(&self, outcome: &str) -> usize {
        let same = self.files.iter().filter(|file| file.outcome == outcome);
        same.count()
    }

    /// How many of several went how, where it is not said by an error.
    fn summary(&self) -> Option<String> {
        let counts: Vec<String> = ["published", "unchanged"]
            .into_iter()
            .map(|outcome| (self.count(outcome), outcome))
            .filter(|(count, _)| *count > 0)
            .map(|(count, outcome)| format!("{count} {outcome}"))
            .collect();
        (self.files.len() > 1 && self.failures.is_empty()).then(|| counts.join(", "))
    }

    /// Ends with the failure of the only file, or with how many of several failed, each of which is said before.
    fn end(mut self, what: &str) -> Result<(), Failure> {
        if self.json {
            output::print_json(&self.files)?;
        }
        if self.files.len() == 1 {
            return self.failures.pop().map_or(Ok(()), Err);
        }
        if self.failures.is_empty() {
            return Ok(());
        }
        let all = |exit| self.failures.iter().all(|failure| failure.exit() == exit);
        let (all_refused, all_usage) = (all(Exit::Refused), all(Exit::Usage));
        for failure in &self.failures {
            output::note(&failure.to_string());
        }
        let not_done = self.count("failed") + self.count("skipped");
        let what = format!("{not_done} of {} packages {what}", self.files.len());
        Err(match all_refused {
            true => Failure::refused(what),
            false if all_usage => Failure::usage(what),
            false => Failure::new(what),
        })
    }
}

impl Shown {
    fn of(package: &Checked, outcome: &'static str) -> Self {
        Self {
            file: package.path.display().to_string(),
            package: Some(package.file_name.clone()),
            arch: Some(package.facts.arch.to_string()),
            outcome,
            ..Self::default()
        }
    }
}

//! `/-/admin`: whether database and storage answer, and how the jobs went; and the settings.

use std::time::Instant;

use askama::Template;
use axum::response::Response;

use super::super::{
    manage::{Shell, Site},
    page::Frame,
    shown,
};
use crate::error::ApiError;
use tarn_core::{jobs::Job, settings::GivenSetting};
use tarn_store::metadata::JobRun;

#[derive(Template)]
#[template(path = "admin/health.html")]
struct HealthPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    checks: Vec<Check>,
    jobs: Vec<JobState>,
    lost_log_lines: u64,
}

/// A job and its last run, by whichever server did it.
struct JobState {
    what: &'static str,
    run: Option<JobRun>,
}

impl JobState {
    /// How long its last run took.
    fn took(run: &JobRun) -> String {
        match run.took.as_secs_f64() {
            took if took < 1.0 => format!("{:.1} ms", took * 1_000.0),
            took => format!("{took:.1} s"),
        }
    }
}

/// Something that has to answer.
struct Check {
    what: &'static str,
    is_well: bool,
    says: String,
}

impl Check {
    fn of(what: &'static str, began: Instant, answer: Result<String, String>) -> Self {
        let took = began.elapsed().as_micros();
        match answer {
            Ok(says) => Self {
                what,
                is_well: true,
                says: format!(
                    "{says} Answered in {}.{} ms.",
                    took / 1_000,
                    took % 1_000 / 100
                ),
            },
            Err(says) => Self {
                what,
                is_well: false,
                says,
            },
        }
    }
}

#[derive(Template)]
#[template(path = "admin/settings.html")]
struct SettingsPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    settings: &'a [GivenSetting],
}

pub(super) async fn show(site: Site) -> Result<Response, ApiError> {
    let registry = &site.registry;
    let began = Instant::now();
    let users = registry.metadata().user_count().await;
    let database = users
        .map(|users| match users {
            1 => "1 account.".to_owned(),
            users => format!("{users} accounts."),
        })
        .map_err(|error| error.to_string());
    let mut checks = vec![Check::of("Database", began, database)];
    let began = Instant::now();
    let storage = registry.blobs().store().any().await;
    let storage = storage
        .map(|any| {
            if any {
                "It has packages."
            } else {
                "It is empty."
            }
            .to_owned()
        })
        .map_err(|error| error.to_string());
    checks.push(Check::of("Storage", began, storage));
    let began = Instant::now();
    let next = registry.metadata().next_delivery_at().await;
    let now = registry.clock().now();
    let mail = next
        .map(|next| match next {
            None => "No message waits.".to_owned(),
            Some(at) if at > now => "Messages wait for their next attempt.".to_owned(),
            Some(_) => "A message is due now.".to_owned(),
        })
        .map_err(|error| error.to_string());
    checks.push(Check::of("Messages to webhooks", began, mail));
    let began = Instant::now();
    let runs = registry
        .metadata()
        .job_runs()
        .await
        .unwrap_or_else(|error| {
            checks.push(Check::of("Runs of jobs", began, Err(error.to_string())));
            Vec::new()
        });
    let jobs = Job::ALL.map(|job| JobState {
        what: job.does(),
        run: runs.iter().find(|run| run.job == job.as_str()).cloned(),
    });
    let page = HealthPage {
        frame: &site.frame,
        shell: site.shell("", "Health"),
        checks,
        jobs: jobs.into(),
        lost_log_lines: registry.settings().lost_log_lines.value(),
    };
    site.answer(&page)
}

/// What holds now, as it was given, with secrets masked.
pub(super) async fn settings(site: Site) -> Result<Response, ApiError> {
    let page = SettingsPage {
        frame: &site.frame,
        shell: site.shell("/settings", "Settings"),
        settings: &site.registry.settings().given,
    };
    site.answer(&page)
}

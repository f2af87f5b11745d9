//! `tarn reference`: pages of the documents that are made from the code, so that they say what it does. A test compares them with
//! `docs/reference/`.

use clap::{Arg, Command, ValueEnum};
use serde_json::Value;

use crate::{
    failure::Failure,
    output,
    settings::table::{self, Taken},
};

/// `tarn reference`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The page
    page: Page,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Page {
    /// Every setting.
    Settings,
    /// Every command.
    CommandLine,
    /// Every code of a refusal.
    Errors,
    /// Every route of the JSON API.
    Api,
}

/// Prints the page, in Markdown.
pub(crate) fn run(arguments: &Arguments, command: Command) -> Result<(), Failure> {
    let page = match arguments.page {
        Page::Settings => settings(),
        Page::CommandLine => command_line(command),
        Page::Errors => errors(),
        Page::Api => api(&tarn_http::api_description()),
    };
    output::print(&page)
}

/// The lines with which a page begins.
fn head(title: &str, page: &str, text: &str) -> String {
    format!(
        "<!-- Made by `tarn reference {page}`; do not edit. The test `the_reference_is_what_the_code_says` compares and, with TARN_WRITE_REFERENCE=1, writes it. -->\n\n# {title}\n\n{text}\n"
    )
}

fn settings() -> String {
    let mut text = head(
        "Settings",
        "settings",
        "A flag takes precedence over its variable, the variable over `tarn.toml`, and that over the default. `tarn.toml` is read from the working folder, or \
         from where `--config` or `TARN_CONFIG` says. Where there is none and no data folder is given, commands other than `serve` read \
         `/etc/tarn/tarn.toml`, the settings of the service. The keys are the names below, each with one value as text:\n\n\
         ```toml\nlisten = \"0.0.0.0:8080\"\nbase-url = \"https://packages.example.org\"\n```\n\n\
         `tarn check-config` shows what is in force, where it comes from, and whether it can work. `tarn serve` and `tarn check-config` take every flag; the other \
         commands take those marked *everywhere*.",
    );
    for setting in table::ALL {
        text.push_str(&format!("\n## `{}`\n\n", setting.name));
        let (given, place) = match setting.taken {
            Taken::AsVariableOnly => (
                format!("`{}={}`", setting.variable, setting.value),
                "as a variable only, since it is a secret",
            ),
            Taken::Everywhere => (flag_and_variable(setting), "everywhere"),
            Taken::ByTheServer => (flag_and_variable(setting), "by the server"),
        };
        text.push_str(&format!("{given}; taken *{place}*"));
        if !setting.default.is_empty() {
            text.push_str(&format!("; default `{}`", setting.default));
        }
        text.push_str(&format!("\n\n{}\n", setting.help));
        if setting.is_list() {
            text.push_str("\nThe flag can be given several times.\n");
        }
    }
    text
}

fn flag_and_variable(setting: &table::Setting) -> String {
    format!(
        "`--{} {}`, `{}`",
        setting.name, setting.value, setting.variable
    )
}

fn command_line(mut command: Command) -> String {
    command.build();
    let mut text = head(
        "Command line",
        "command-line",
        "Every command that opens the registry also takes [settings](settings.md) as flags, such as `--data-dir`. Standard output has the result, and nothing else; \
         notes and errors go to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 a package or an index was refused.",
    );
    write_commands(&mut text, &command);
    text
}

/// The commands below one, each with those below it.
fn write_commands(text: &mut String, command: &Command) {
    for below in command.get_subcommands().filter(|below| is_shown(below)) {
        write_command(text, &mut below.clone());
        write_commands(text, below);
    }
}

fn is_shown(command: &Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}

/// A command, or the heading of a group of them.
fn write_command(text: &mut String, command: &mut Command) {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let path = command.get_bin_name().unwrap_or_default().to_owned();
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let level = if path.split(' ').count() > 2 {
        "###"
    } else {
        "##"
    };
    text.push_str(&format!("\n{level} `{path}`\n\n{}\n", sentence(&about)));
    if command.has_subcommands() {
        return;
    }
    text.push_str(&format!("\n```text\n{usage}\n```\n"));
    let own = |argument: &&Arg| {
        !argument.is_hide_set()
            && argument.get_help_heading() != Some("Settings")
            && !["help", "version"].contains(&argument.get_id().as_str())
    };
    let rows: Vec<String> = command.get_arguments().filter(own).map(row_of).collect();
    if !rows.is_empty() {
        text.push_str(&format!("\n| argument | |\n|---|---|\n{}", rows.concat()));
    }
}

fn row_of(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help());
    let mut help = help.map(ToString::to_string).unwrap_or_default();
    let values = argument.get_possible_values();
    let takes_value = argument.get_action().takes_values();
    if takes_value && !values.is_empty() {
        let names: Vec<String> = values
            .iter()
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        help.push_str(&format!(" (one of {})", names.join(", ")));
    }
    let defaults = argument.get_default_values();
    if takes_value && let Some(default) = defaults.first() {
        help.push_str(&format!(" [default: `{}`]", default.to_string_lossy()));
    }
    if let Some(variable) = argument.get_env() {
        help.push_str(&format!(" [variable: `{}`]", variable.to_string_lossy()));
    }
    format!(
        "| `{}` | {} |\n",
        argument.to_string().replace('|', "\\|"),
        cell(&help)
    )
}

fn errors() -> String {
    let mut text = head(
        "Error codes",
        "errors",
        "Every refusal has its code in the header `X-Tarn-Error`, and the JSON API also in the field `code` of its answer. Compare codes, not texts: a code is never \
         renamed, a text may change. [The JSON API](../api.md#refusals) says what else is in a refusal.\n\n\
         A request that is not valid HTTP (two lengths, a head of more than 32 KiB) is answered 400 or 431 by the HTTP library, without a text or a code.\n\n\
         | code | status | when |\n|---|---|---|",
    );
    for (code, status, when) in tarn_http::refusals() {
        text.push_str(&format!("| `{code}` | {status} | {when} |\n"));
    }
    text
}

fn api(description: &Value) -> String {
    let mut text = head(
        "The routes of the JSON API",
        "api",
        "A server describes all of them, with parameters and answers, at `/api/v1/openapi.json` (OpenAPI 3.1). What they have in common is in \
         [the JSON API](../api.md).",
    );
    let of = |value: &Value, name: &str| {
        value
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let tags = description.get("tags").and_then(Value::as_array);
    for tag in tags.into_iter().flatten() {
        let name = of(tag, "name");
        text.push_str(&format!(
            "\n## {}\n\n| method | path | what it does |\n|---|---|---|\n",
            of(tag, "description")
        ));
        let paths = description.get("paths").and_then(Value::as_object);
        for (path, operations) in paths.into_iter().flatten() {
            for (method, operation) in operations.as_object().into_iter().flatten() {
                let tags = operation.get("tags").and_then(Value::as_array);
                if tags.is_some_and(|tags| tags.iter().any(|tag| *tag == *name)) {
                    let summary = cell(&of(operation, "summary"));
                    let method = method.to_uppercase();
                    text.push_str(&format!("| {method} | `{path}` | {summary} |\n"));
                }
            }
        }
    }
    text
}

/// A text within a table.
fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// A text with its full stop.
fn sentence(text: &str) -> String {
    let text = text.trim();
    match text.ends_with(['.', ':']) {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}

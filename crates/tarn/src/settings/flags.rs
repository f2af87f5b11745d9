//! The settings as flags of a command, made from the table.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, builder::PathBufValueParser,
};

use super::table::{self, CONFIG_VARIABLE, Setting, Taken};

const CONFIG: &str = "config";

/// The flags a command was given. `SERVER` says whether it takes those of the server too.
#[derive(Debug, Default, Clone)]
pub(crate) struct Flags<const SERVER: bool> {
    pub(super) config: Option<PathBuf>,
    pub(super) given: BTreeMap<&'static str, String>,
}

/// The flags of a command that opens the registry.
pub(crate) type RegistryFlags = Flags<false>;

/// The flags of a command that runs, or checks, the server.
pub(crate) type ServerFlags = Flags<true>;

fn taken<const SERVER: bool>() -> impl Iterator<Item = &'static Setting> {
    table::ALL
        .iter()
        .copied()
        .filter(|setting| match setting.taken {
            Taken::Everywhere => true,
            Taken::ByTheServer => SERVER,
            Taken::AsVariableOnly => false,
        })
}

impl<const SERVER: bool> Args for Flags<SERVER> {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(PathBufValueParser::new())
            .help_heading("Settings")
            // Given behind the command, wherever that stands in its group.
            .global(!SERVER)
            .hide_short_help(!SERVER)
            .help(format!(
                "The settings file [env: {CONFIG_VARIABLE}] [default: {} in the working folder; without one and without a data folder, commands other than `serve` read {}]",
                table::CONFIG_FILE,
                table::SYSTEM_CONFIG_FILE
            ));
        let arguments = taken::<SERVER>().map(|setting| {
            let mut help = format!("{} [env: {}]", setting.help, setting.variable);
            if !setting.default.is_empty() {
                help.push_str(&format!(" [default: {}]", setting.default));
            }
            Arg::new(setting.name)
                .long(setting.name)
                .value_name(setting.value)
                .help_heading("Settings")
                .global(!SERVER)
                .hide_short_help(!SERVER)
                .action(match setting.is_list() {
                    true => ArgAction::Append,
                    false => ArgAction::Set,
                })
                .help(help)
        });
        let command = command.args(arguments).arg(config);
        if SERVER {
            command.after_help(table::variables_help())
        } else {
            command
        }
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const SERVER: bool> FromArgMatches for Flags<SERVER> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = taken::<SERVER>()
            .filter_map(|setting| {
                let values: Vec<_> = matches.get_many::<String>(setting.name)?.cloned().collect();
                Some((setting.name, values.join(",")))
            })
            .collect();
        Ok(Self {
            config: matches.get_one::<PathBuf>(CONFIG).cloned(),
            given,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

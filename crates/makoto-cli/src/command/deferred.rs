//! Commands whose arguments are made only when they are asked for.
//!
//! The options of all commands together are several hundred kilobytes, more than a small
//! verification needs in all; a process that runs one command makes those of one.

use std::ops::Deref;

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Subcommand};

/// The arguments, or commands, `T`.
#[derive(Debug)]
pub(super) struct Deferred<T>(T);

impl<T> Deref for Deferred<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: FromArgMatches> FromArgMatches for Deferred<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<T: Args> Args for Deferred<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(T::augment_args)
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(T::augment_args_for_update)
    }
}

impl<T: Subcommand> Subcommand for Deferred<T> {
    fn augment_subcommands(command: Command) -> Command {
        command.defer(T::augment_subcommands)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        command.defer(T::augment_subcommands_for_update)
    }

    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use crate::command::Makoto;

    #[test]
    fn the_list_of_commands_says_of_each_what_its_own_help_says() {
        let listed = Makoto::command();
        let mut built = Makoto::command();
        built.build();
        for command in listed.get_subcommands() {
            let own = built
                .find_subcommand(command.get_name())
                .expect("each command is found");
            let said = |command: &clap::Command| command.get_about().map(ToString::to_string);
            assert_eq!(said(command), said(own), "{}", command.get_name());
            assert!(said(command).is_some(), "{}", command.get_name());
        }
    }

    #[test]
    fn the_arguments_of_all_commands_are_well_formed() {
        Makoto::command().debug_assert();
    }
}

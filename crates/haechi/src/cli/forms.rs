//! `--output`: which forms each command prints, as its help, its completions and its check of arguments say.

use super::{Cli, Form};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgMatches, Command, CommandFactory, ValueEnum};

const TEXT: &[Form] = &[Form::Text];
const LIST: &[Form] = &[Form::Text, Form::Json, Form::Csv];
const PAGE: &[Form] = &[Form::Text, Form::Json, Form::Csv, Form::Html];

/// The commands that print something else than text and JSON.
const FORMS: [(&str, &[Form]); 16] = [
    ("run", TEXT),
    ("init", TEXT),
    ("completions", TEXT),
    ("man", TEXT),
    ("test", &[Form::Text, Form::Json, Form::Junit]),
    ("matrix", PAGE),
    ("review", PAGE),
    ("key list", LIST),
    ("key scan", LIST),
    ("user list", LIST),
    ("client list", LIST),
    ("policy list", LIST),
    ("policy versions", LIST),
    ("approval list", LIST),
    ("session list", LIST),
    ("signing-key list", LIST),
];

/// What the command prints whose names are these, as `key list`.
pub(super) fn of(command: &str) -> &'static [Form] {
    FORMS.iter().find(|(name, _)| *name == command).map_or(&[Form::Text, Form::Json], |(_, forms)| *forms)
}

/// The commands, each with the forms that it prints.
pub(crate) fn commands() -> Command {
    let commands = Cli::command();
    let output = commands.get_arguments().find(|argument| argument.get_id() == "output").cloned();
    match output {
        Some(output) => each(commands, "", &output),
        None => commands,
    }
}

fn each(command: Command, name: &str, output: &Arg) -> Command {
    command.mut_subcommands(|command| {
        let name = format!("{name} {}", command.get_name()).trim_start().to_owned();
        if command.has_subcommands() {
            return each(command, &name, output);
        }
        let forms = of(&name);
        let offered = PossibleValuesParser::new(forms.iter().filter_map(Form::to_possible_value));
        let parser = offered.try_map(|typed| Form::from_str(&typed, false));
        command.arg(output.clone().value_parser(parser).hide(forms == TEXT))
    })
}

/// The names of the command that was typed, as `key list`.
pub(crate) fn typed(matches: &ArgMatches) -> String {
    let mut names = Vec::new();
    let mut at = matches;
    while let Some((name, inner)) = at.subcommand() {
        names.push(name);
        at = inner;
    }
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{FORMS, commands, of, typed};
    use crate::cli::{Cli, Form};
    use clap::{Command, FromArgMatches};

    fn leaves(command: &Command, name: &str, found: &mut Vec<(String, Vec<String>)>) {
        for inner in command.get_subcommands() {
            let name = format!("{name} {}", inner.get_name()).trim_start().to_owned();
            if inner.has_subcommands() {
                leaves(inner, &name, found);
                continue;
            }
            let output = inner.get_arguments().find(|argument| argument.get_id() == "output").unwrap();
            let offered =
                output.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
            found.push((name, offered));
        }
    }

    #[test]
    fn each_command_offers_what_it_prints() {
        let mut found = Vec::new();
        leaves(&commands(), "", &mut found);
        assert!(found.len() > 50, "{found:?}");
        for (name, offered) in &found {
            let prints: Vec<_> = of(name).iter().map(|form| form.name()).collect();
            assert_eq!(*offered, prints, "{name}");
        }
        for (name, _) in FORMS {
            assert!(found.iter().any(|(command, _)| command == name), "there is no command `{name}`");
        }
    }

    fn form(words: &[&str]) -> Option<Form> {
        let matches = commands().try_get_matches_from(words).ok()?;
        let name = typed(&matches);
        Cli::from_arg_matches(&matches).ok()?.common.of(&name).ok().map(|common| common.form)
    }

    #[test]
    fn a_form_is_taken_before_and_after_the_command_that_has_it() {
        for words in [
            &["haechi", "--output", "csv", "key", "list"][..],
            &["haechi", "key", "--output", "csv", "list"],
            &["haechi", "key", "list", "--output", "csv"],
        ] {
            assert_eq!(form(words), Some(Form::Csv), "{words:?}");
        }
        assert_eq!(form(&["haechi", "matrix", "--output", "table"]), Some(Form::Text));
        assert_eq!(form(&["haechi", "check"]), Some(Form::Text));
        for words in [
            &["haechi", "--output", "csv", "check"][..],
            &["haechi", "check", "--output", "csv"],
            &["haechi", "key", "--output", "html", "list"],
            &["haechi", "run", "--output", "json"],
            &["haechi", "test", "a.yaml", "--output", "html"],
        ] {
            assert_eq!(form(words), None, "{words:?}");
        }
    }
}

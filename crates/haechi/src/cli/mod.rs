//! The command line: what may be typed, one file per command.

pub(crate) mod admin;
mod analysis;
pub(crate) mod approval;
pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod completions;
pub(crate) mod decisions;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod explain;
pub(crate) mod files;
pub(crate) mod forms;
pub(crate) mod health;
pub(crate) mod init;
pub(crate) mod input;
pub(crate) mod key;
mod key_import;
mod key_list;
mod key_scan;
mod key_table;
pub(crate) mod man;
pub(crate) mod matrix;
pub(crate) mod output;
mod page;
pub(crate) mod policy;
pub(crate) mod prove;
pub(crate) mod remote;
mod revision;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod schema_version;
pub(crate) mod session;
pub(crate) mod signing_key;
pub(crate) mod store;
pub(crate) mod test;
pub(crate) mod token;
mod trail;
pub(crate) mod user;
mod verdict;

use crate::authenticators;
use crate::config::{Config, Report, load};
use crate::evidence::EvidenceError;
use crate::inspect::InspectError;
use crate::inspect::explain::TokenIn;
use clap::{Args, Parser, Subcommand, ValueEnum};
use haechi_core::Timestamp;
use reqwest::Url;
use revision::Revision;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use verdict::Verdict;

/// The configuration where none is named.
const DEFAULT_CONFIG: &str = "haechi.yaml";

/// An API gateway that decides who is calling and what they may do.
#[derive(Debug, Parser)]
#[command(name = "haechi", version)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What may be typed with every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct CommonArgs {
    /// The configuration.
    #[arg(
        short,
        long = "config",
        global = true,
        env = "HAECHI_CONFIG",
        default_value = DEFAULT_CONFIG,
        value_name = "FILE"
    )]
    pub(crate) config: PathBuf,
    /// How to print.
    #[arg(long, global = true, value_enum, default_value_t = Form::Text, value_name = "FORMAT")]
    output: Form,
}

/// What holds for every command.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    /// The configuration.
    pub(crate) config: PathBuf,
    /// How to print.
    pub(crate) output: Format,
    /// The form that was named, for the commands that have more than two.
    pub(crate) form: Form,
}

/// The forms that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people.
    #[value(alias = "table")]
    Text,
    /// For programs.
    Json,
    /// JUnit's XML.
    Junit,
    /// Comma-separated values.
    Csv,
    /// A page that stands alone.
    Html,
}

impl CommonArgs {
    /// The same for the command of this name, which may not have every form: `--output` may stand before it, where all are offered.
    ///
    /// # Errors
    /// For a form that it does not have.
    pub(crate) fn of(self, command: &str) -> Result<Common, Failure> {
        let forms = forms::of(command);
        if !forms.contains(&self.output) {
            let names: Vec<_> = forms.iter().map(|form| form.name()).collect();
            return Err(Failure::usage(format!("`{command}` prints only {}", names.join(", "))));
        }
        let output = if self.output == Form::Json { Format::Json } else { Format::Text };
        Ok(Common { config: self.config, output, form: self.output })
    }
}

impl Form {
    /// As it is typed.
    const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Csv => "csv",
            Self::Html => "html",
        }
    }
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the gateway.
    Run,
    /// Start a gateway with small backends, users and a key, and show what to try.
    Demo(DemoArgs),
    /// Write a first configuration, with comments, to begin with.
    Init,
    /// Check the configuration; exit 1 and file:line:column where it is at fault.
    #[command(
        after_help = "Examples:\n  haechi check\n  haechi check -c /etc/haechi/haechi.yaml --online\n  envsubst < gate.yaml | haechi check -"
    )]
    Check(CheckArgs),
    /// Tell which route a request takes, who would be calling, and what is asked of them.
    #[command(
        after_help = "Examples:\n  haechi explain --method GET --path /orders/42 --role USER\n  haechi explain --method DELETE --path /admin/users/7 --as alice\n  haechi explain --decision f3a1... --admin http://127.0.0.1:9901"
    )]
    Explain(Box<ExplainArgs>),
    /// Try access rules on cases: who may do what, and who may not.
    #[command(
        after_help = "Examples:\n  haechi test cases.yaml --coverage\n  haechi test cases/*.yaml --output junit > report.xml"
    )]
    Test(TestArgs),
    /// Show who may do what: routes, methods and roles in a table.
    #[command(
        after_help = "Examples:\n  haechi matrix --route orders\n  haechi matrix --output html > who-may-do-what.html"
    )]
    Matrix(MatrixArgs),
    /// Prove properties for every caller and every request, or show who does what they forbid. Needs the program cvc5.
    #[command(after_help = "Examples:\n  haechi prove\n  haechi prove properties.yaml --output json")]
    Prove(ProveArgs),
    /// Tell what access a change of the configuration adds or removes, with an example of each. Needs the program cvc5.
    #[command(
        after_help = "Examples:\n  haechi diff haechi.yaml new.yaml\n  haechi diff git:main haechi.yaml --fail-on wider"
    )]
    Diff(DiffArgs),
    /// Ask the admin listener whether the gate is ready; exit 1 where it is not.
    #[command(after_help = "Examples:\n  haechi health\n  haechi health --live --admin 127.0.0.1:9901")]
    Health(HealthArgs),
    /// What a running gate has decided lately, and what it decides from now on.
    #[command(
        after_help = "Examples:\n  haechi decisions --denied --follow\n  haechi decisions --subject alice --output json"
    )]
    Decisions(decisions::DecisionsArgs),
    /// Users in the store: by way of a running gate where there is one.
    #[command(
        after_help = "Examples:\n  haechi user add alice --role USER\n  haechi user list --output csv\n  haechi user unlock alice"
    )]
    User(remote::Managed<user::UserCommand>),
    /// API keys in the store: by way of a running gate where there is one, save `import` and `scan`.
    #[command(
        after_help = "Examples:\n  haechi key create --owner acme --role USER --expires 90d\n  haechi key rotate ID --overlap 7d\n  haechi key list --output csv"
    )]
    Key(remote::Managed<key::KeyCommand>),
    /// Machine clients, which get tokens for themselves: by way of a running gate where there is one.
    #[command(after_help = "Examples:\n  haechi client add nightly --role JOBS --scope orders:read")]
    Client(remote::Managed<client::ClientCommand>),
    /// Access tokens: by way of a running gate where there is one.
    Token(remote::Managed<token::TokenCommand>),
    /// Policies of the store, which count on all nodes: by way of a running gate where there is one.
    #[command(
        after_help = "Examples:\n  haechi policy put no-exports exports.cedar\n  haechi policy versions no-exports"
    )]
    Policy(remote::Managed<policy::PolicyCommand>),
    /// Changes that wait for a second person, at a running gate.
    Approval(remote::Managed<approval::ApprovalCommand>),
    /// Logins of users: by way of a running gate where there is one.
    Session(remote::Managed<session::SessionCommand>),
    /// The keys that tokens are signed with: by way of a running gate where there is one.
    SigningKey(remote::Managed<signing_key::SigningKeyCommand>),
    /// The audit trail: verify it, find and follow records, and what it has about a person.
    #[command(subcommand)]
    #[command(
        after_help = "Examples:\n  haechi audit verify\n  haechi audit tail -f\n  haechi audit export --subject alice > alice.jsonl"
    )]
    Audit(audit::AuditCommand),
    /// Tell who may do what, who did, and which access nobody used.
    #[command(after_help = "Examples:\n  haechi review\n  haechi review --output html > review.html")]
    Review(audit::review::ReviewArgs),
    /// The schema of the store: its version, and bringing it up to date.
    #[command(subcommand)]
    Store(schema_version::StoreCommand),
    /// Print a schema.
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command into a folder.
    Man {
        /// The folder, which is made where it is missing.
        #[arg(value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
}

/// `haechi check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CheckArgs {
    /// What to check instead of the file of `-c`; `-` for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Ask also whether what it depends on is there: the store, Redis, the keys of each issuer. Nothing is changed.
    #[arg(long)]
    pub(crate) online: bool,
}

/// `haechi demo`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct DemoArgs {
    /// The gateway's port on 127.0.0.1; 0 for a free one.
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// The admin listener's port on 127.0.0.1; 0 for a free one.
    #[arg(long, default_value_t = 9901)]
    pub(crate) admin_port: u16,
}

/// `haechi health`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct HealthArgs {
    /// Ask whether the process runs, not whether it is ready.
    #[arg(long)]
    pub(crate) live: bool,
    /// The admin listener's address, where it is not to be read from the configuration.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<SocketAddr>,
}

/// `haechi prove`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ProveArgs {
    /// The properties; where none is named those of `properties` in the configuration, and else `properties.yaml` beside it.
    #[arg(value_name = "PROPERTIES")]
    pub(crate) properties: Option<PathBuf>,
    /// The solver's program.
    #[arg(long, value_name = "FILE", default_value = "cvc5")]
    pub(crate) cvc5: PathBuf,
}

/// `haechi diff`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DiffArgs {
    /// The configuration before; `git:REV` is the other one as it was at a revision, `git:REV:FILE` any file.
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The configuration after; `git:REV` as well.
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// Exit 1 where access changes in this way, or where that could not be decided.
    #[arg(long, value_enum, value_name = "CHANGE")]
    pub(crate) fail_on: Option<diff::FailOn>,
    /// The solver's program.
    #[arg(long, value_name = "FILE", default_value = "cvc5")]
    pub(crate) cvc5: PathBuf,
}

/// `haechi explain`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The request's method.
    #[arg(long, value_name = "M", required_unless_present_any = ["decision", "request"])]
    pub(crate) method: Option<http::Method>,
    /// The request's path, with its query where it has one.
    #[arg(long, value_name = "P", required_unless_present_any = ["decision", "request"])]
    pub(crate) path: Option<String>,
    /// The host that the request names.
    #[arg(long, value_name = "H")]
    pub(crate) host: Option<String>,
    /// The client's address.
    #[arg(long, value_name = "A")]
    pub(crate) ip: Option<IpAddr>,
    /// A header that the request carries, as `Name: value`; may be repeated.
    #[arg(long = "header", id = "headers", value_name = "H", value_parser = input::header)]
    pub(crate) headers: Vec<(String, String)>,
    /// When the policies are to think it is, as `2026-11-23T10:00:00Z`; now, unless given.
    #[arg(long, value_name = "T", value_parser = input::time)]
    pub(crate) time: Option<Timestamp>,
    /// The client came over TLS.
    #[arg(long)]
    pub(crate) secure: bool,
    /// List every policy, also those that are about something else.
    #[arg(long)]
    pub(crate) all: bool,
    /// Who is calling.
    #[command(flatten)]
    pub(crate) caller: CallerArgs,
    /// A decision that a running gate has made.
    #[command(flatten)]
    pub(crate) made: DecisionArgs,
}

/// A decision that a running gate has made, instead of a request.
#[derive(Clone, Debug, Args)]
pub(crate) struct DecisionArgs {
    /// A decision of the running gate, by its id; `--token` then is the operator's, and one is made with the store's keys where it is left out.
    #[arg(long, value_name = "ID", conflicts_with_all = ["method", "path", "host", "ip", "headers", "time", "secure", "all",
        "key", "as_user", "anonymous", "roles", "scopes", "attributes", "authenticator"])]
    pub(crate) decision: Option<String>,
    /// Likewise the decision about a request, by the request's id.
    #[arg(long, value_name = "ID", conflicts_with_all = ["decision", "method", "path", "host", "ip", "headers", "time", "secure", "all",
        "key", "as_user", "anonymous", "roles", "scopes", "attributes", "authenticator"])]
    pub(crate) request: Option<String>,
    /// The admin API of the gate, where it is neither at the socket nor at the address of the configuration.
    #[arg(long, value_name = "URL", value_parser = input::admin_url, conflicts_with_all = ["method", "path"])]
    pub(crate) admin: Option<Url>,
    /// A PEM file with the certificates of authorities to believe besides the system's, for `--admin https://…`.
    #[arg(long = "admin-ca", value_name = "FILE", requires = "admin")]
    pub(crate) authorities: Option<PathBuf>,
}

/// Who is calling: a credential, a user in the store, or roles and attributes to suppose. Nobody where all are left out.
#[derive(Clone, Debug, Args)]
pub(crate) struct CallerArgs {
    /// A token, where the configured authenticators look for one.
    #[arg(long, value_name = "T", conflicts_with_all = ["key", "as_user", "anonymous", "roles", "scopes", "attributes", "authenticator", "subject", "issuer"])]
    pub(crate) token: Option<String>,
    /// Where the token stands: `bearer`, `header:NAME`, `cookie:NAME`, or `websocket_protocol:PREFIX`, which asks for a WebSocket. In
    /// `Authorization: Bearer` and in the first place of each authenticator that names another, unless given.
    #[arg(long, value_name = "PLACE", requires = "token", value_parser = input::token_in)]
    pub(crate) token_in: Option<TokenIn>,
    /// An API key.
    #[arg(long, value_name = "K", conflicts_with_all = ["as_user", "anonymous", "roles", "scopes", "attributes", "authenticator", "subject", "issuer"])]
    pub(crate) key: Option<String>,
    /// A user in the store.
    #[arg(long = "as", id = "as_user", value_name = "USER", conflicts_with_all = ["anonymous", "roles", "scopes", "attributes", "authenticator", "subject", "issuer"])]
    pub(crate) as_user: Option<String>,
    /// Nobody: the request carries no credential.
    #[arg(long, conflicts_with_all = ["roles", "scopes", "attributes", "authenticator", "subject", "issuer"])]
    pub(crate) anonymous: bool,
    /// A role to suppose; may be repeated.
    #[arg(long = "role", id = "roles", value_name = "R")]
    pub(crate) roles: Vec<String>,
    /// A scope to suppose; may be repeated.
    #[arg(long = "scope", id = "scopes", value_name = "S")]
    pub(crate) scopes: Vec<String>,
    /// An attribute to suppose; may be repeated, a set for each of its members.
    #[arg(long = "attr", id = "attributes", value_name = "K=V", value_parser = input::pair)]
    pub(crate) attributes: Vec<(String, String)>,
    /// The authenticator that is supposed to have found this out; the route's first, unless given.
    #[arg(long, value_name = "NAME")]
    pub(crate) authenticator: Option<String>,
    /// The subject to suppose.
    #[arg(long, value_name = "S")]
    pub(crate) subject: Option<String>,
    /// The issuer to suppose; the authenticator's, unless given.
    #[arg(long, value_name = "I")]
    pub(crate) issuer: Option<String>,
    /// What the login satisfied, for routes with `step_up`.
    #[arg(long, value_name = "ACR")]
    pub(crate) acr: Option<String>,
    /// How long ago the login was (`90s`, `5m`), for routes with `step_up`.
    #[arg(long, value_name = "AGE", value_parser = input::span)]
    pub(crate) login_age: Option<std::time::Duration>,
}

/// `haechi test`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TestArgs {
    /// Files with cases.
    #[arg(required = true, value_name = "CASES.yaml")]
    pub(crate) cases: Vec<PathBuf>,
    /// List the routes, clauses and policies that no case exercises.
    #[arg(long)]
    pub(crate) coverage: bool,
}

/// `haechi matrix`.
#[derive(Clone, Debug, Args)]
pub(crate) struct MatrixArgs {
    /// Only the route of this name; may be repeated.
    #[arg(long = "route", id = "routes", value_name = "NAME")]
    pub(crate) routes: Vec<String>,
}

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Something is at fault that the arguments are not: exit 1.
    #[error("{0}")]
    Fault(String),
    /// The configuration is at fault: exit 1.
    #[error("{0}")]
    Config(Box<Report>),
    /// The arguments are at fault: exit 2.
    #[error("{0}")]
    Usage(String),
    /// It was told already: exit 1.
    #[error("")]
    Told,
}

impl From<InspectError> for Failure {
    fn from(error: InspectError) -> Self {
        Self::fault(error)
    }
}

impl From<EvidenceError> for Failure {
    fn from(error: EvidenceError) -> Self {
        Self::fault(error)
    }
}

impl Failure {
    /// Something is at fault that the arguments are not.
    pub(crate) fn fault(what: impl ToString) -> Self {
        Self::Fault(what.to_string())
    }

    /// The arguments are at fault.
    pub(crate) fn usage(what: impl ToString) -> Self {
        Self::Usage(what.to_string())
    }

    /// The exit code (docs/commands.md).
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Fault(_) | Self::Config(_) | Self::Told => 1,
            Self::Usage(_) => 2,
        }
    }

    /// Tells it on stderr.
    pub(crate) fn tell(&self) {
        match self {
            Self::Told => {}
            Self::Config(report) => tell_report(report),
            Self::Fault(what) | Self::Usage(what) => {
                output::to_stderr(&format!("{} {what}\n", Verdict::Bad.err("error:")));
            }
        }
    }
}

/// Shows what is wrong, or odd, with a configuration.
pub(crate) fn tell_report(report: &Report) {
    let kind = report.kind();
    let verdict = if kind == "error" { Verdict::Bad } else { Verdict::Look };
    let (plain, shown) = (format!("{kind}:"), verdict.err(&format!("{kind}:")).into_owned());
    let lines = report.to_string();
    let lines = lines.split_inclusive('\n').map(|line| match line.strip_prefix(&plain) {
        Some(message) => format!("{shown}{message}"),
        None => line.to_owned(),
    });
    output::to_stderr(&lines.collect::<String>());
}

/// Loads the configuration for a command that works with what it declares.
pub(crate) fn configuration(file: &Path) -> Result<Config, Failure> {
    let checkout = Revision::of(file, Path::new(DEFAULT_CONFIG))
        .map(|revision| revision.check_out())
        .transpose()
        .map_err(Failure::fault)?;
    let file = checkout.as_ref().map_or(file, |checkout| &checkout.file);
    load(file, authenticators::ALL).map_err(|report| Failure::Config(Box::new(report)))
}

#[cfg(test)]
mod tests {
    use super::{Cli, Command};
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_configuration_may_be_named_before_and_after_the_command() {
        for arguments in [["haechi", "-c", "x.yaml", "check"], ["haechi", "check", "--config", "x.yaml"]] {
            let cli = Cli::try_parse_from(arguments).unwrap();
            assert_eq!(cli.common.config.to_str(), Some("x.yaml"));
            assert!(matches!(cli.command, Command::Check(_)));
        }
    }

    #[test]
    fn what_is_not_built_is_not_there() {
        assert!(Cli::try_parse_from(["haechi", "mesh"]).is_err());
        let create = ["haechi", "key", "create", "--owner", "a"];
        assert!(Cli::try_parse_from(create).is_ok());
        for more in
            ["--limit=1", "--quota=0/1d", "--expires=soon", "--expires=0d", "--allow-ip=x", "--attr=x"]
        {
            assert!(Cli::try_parse_from(create.iter().copied().chain([more])).is_err(), "{more}");
        }
    }

    #[test]
    fn the_examples_of_help_can_be_typed() {
        let mut count = 0;
        for command in Cli::command().get_subcommands() {
            let Some(help) = command.get_after_help() else { continue };
            for line in help.to_string().lines().skip(1) {
                let typed = line.rsplit("| ").next().unwrap().split(" > ").next().unwrap();
                let words: Vec<&str> = typed.split_whitespace().collect();
                assert_eq!(words[..2], ["haechi", command.get_name()], "{line}");
                Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
                count += 1;
            }
        }
        assert!(count > 25, "{count}");
    }

    #[test]
    fn explain_takes_one_caller() {
        let base = ["haechi", "explain", "--method", "GET", "--path", "/a"];
        let with =
            |more: &[&'static str]| Cli::try_parse_from(base.iter().copied().chain(more.iter().copied()));
        assert!(with(&[]).is_ok());
        assert!(with(&["--role", "A", "--role", "B", "--attr", "k=v"]).is_ok());
        assert!(with(&["--token", "a", "--key", "b"]).is_err());
        assert!(with(&["--as", "a", "--role", "b"]).is_err());
    }
}

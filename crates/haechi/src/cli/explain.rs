//! `haechi explain`: what the gate would do with a request, and why, on the code that serves requests.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod agreement_protocols;
mod decision;
mod text;

pub(crate) use text::render;

use super::verdict::Verdict;
use super::{CallerArgs, Common, ExplainArgs, Failure, Format, configuration, input, output};
use crate::config::Config;
use crate::inspect::explain::{CallerArgument, ExplainContext, Inquiry, Supposed, judge};
use crate::wire::{Assembly, control_runtime};
use haechi_authn::identity::check_roles;
use haechi_proxy::DryRun;
use std::sync::Arc;

/// Explains, as text or JSON.
pub(crate) fn explain(common: &Common, arguments: &ExplainArgs) -> Result<(), Failure> {
    if arguments.made.decision.is_some() || arguments.made.request.is_some() {
        return decision::decision(common, &arguments.made, arguments.caller.token.as_deref());
    }
    let config = configuration(&common.config)?;
    let inquiry = inquiry(&config, arguments)?;
    let runtime = control_runtime().map_err(Failure::fault)?;
    let assembly = Assembly::new(&config, &runtime).map_err(Failure::fault)?;
    let dry = DryRun::new(assembly.plan.clone());
    let gate = ExplainContext { config: &config, dry: &dry, assembly: Some(&assembly), answers: None };
    let explanation = runtime.block_on(judge(gate, &inquiry))?;
    match common.output {
        Format::Json => output::json(&explanation),
        Format::Text => {
            let (text, verdict) =
                (render(&explanation, arguments.all), Verdict::of_status(explanation.status));
            output::line(text.replacen(explanation.outcome, &verdict.out(explanation.outcome), 1).trim_end())
        }
    }
}

fn inquiry(config: &Config, arguments: &ExplainArgs) -> Result<Inquiry, Failure> {
    let (Some(method), Some(path)) = (&arguments.method, &arguments.path) else {
        return Err(Failure::usage("`--method` and `--path` say which request is meant"));
    };
    let plain = Inquiry::new(method.clone(), path.clone());
    Ok(Inquiry {
        host: arguments.host.clone().unwrap_or_else(|| plain.host.clone()),
        client: arguments.ip.unwrap_or(plain.client),
        headers: arguments.headers.clone(),
        secure: arguments.secure,
        time: arguments.time,
        who: who(config, &arguments.caller)?,
        ..plain
    })
}

fn who(config: &Config, arguments: &CallerArgs) -> Result<CallerArgument, Failure> {
    let CallerArgs {
        token,
        token_in,
        key,
        as_user,
        anonymous,
        roles,
        scopes,
        attributes,
        authenticator,
        subject,
        issuer,
        acr,
        login_age,
    } = arguments;
    let login = acr.is_some() || login_age.is_some();
    let named = login || authenticator.is_some() || subject.is_some() || issuer.is_some();
    let some = named || !(roles.is_empty() && scopes.is_empty() && attributes.is_empty());
    Ok(match (token, key, as_user) {
        (Some(token), ..) => CallerArgument::Token(token.clone(), token_in.clone()),
        (_, Some(key), _) => CallerArgument::Key(key.clone()),
        (.., Some(user)) => CallerArgument::User(user.clone()),
        _ if *anonymous || !some => CallerArgument::Nobody,
        _ => {
            check_roles(&config.roles, roles)?;
            let authenticator = authenticator.as_deref().map(|name| declared(config, name)).transpose()?;
            CallerArgument::Supposed(Supposed {
                roles: roles.clone(),
                scopes: scopes.clone(),
                attributes: input::attributes(config, attributes)?,
                authenticator,
                subject: subject.clone(),
                issuer: issuer.clone(),
                acr: acr.clone(),
                login_age: *login_age,
                ..Supposed::default()
            })
        }
    })
}

fn declared(config: &Config, name: &str) -> Result<Arc<str>, Failure> {
    let found = config.authenticators.get_key_value(name).map(|(name, _)| name.clone());
    found.ok_or_else(|| {
        let known = config.authenticators.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        Failure::usage(format!("there is no authenticator `{name}`; there are {}", known.join(", ")))
    })
}

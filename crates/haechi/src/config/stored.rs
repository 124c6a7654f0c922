//! Policies of the store, beside those of the files: compiled with them, against the same vocabulary.

use super::meant::Config;
use super::report::{Fault, Report};
use super::source::{Source, Span};
use super::store_policies::StorePolicies;
use super::value::PolicyText;
use haechi_audit::Bundle;
use haechi_authz::{Compiled, CompiledText, PolicyFault, PolicyFile, compile};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What such a policy is called where files are named.
const PREFIX: &str = "store:";

impl Config {
    /// The same configuration with these policies of the store in place of those that it has.
    ///
    /// # Errors
    /// Everything that is wrong with them, as it is told of policy files.
    pub(crate) fn with_policies(self, stored: StorePolicies) -> Result<Self, Report> {
        let texts = stored.texts();
        let had = !self.stored.texts().is_empty();
        let bundle = Bundle {
            stored: texts.clone(),
            incomplete: stored == StorePolicies::Unknown,
            ..(*self.bundle).clone()
        };
        if texts.is_empty() && !had {
            return Ok(Self { stored, bundle: Arc::new(bundle), ..self });
        }
        let added: Vec<PolicyText> = texts.iter().map(|(name, text)| stored_text(name, text)).collect();
        let mut faults = self.taken(&texts);
        let policies = self.compiled(&self.policy_files.deciding, &added, &mut faults);
        let shadow = match self.policy_files.shadow.is_empty() {
            true => Some(None),
            // What is wrong with them was told already.
            false => self.compiled(&self.policy_files.shadow, &added, &mut Vec::new()).map(Some),
        };
        match (policies, shadow) {
            (Some(policies), Some(shadow)) if faults.is_empty() => {
                Ok(Self { policies, shadow_policies: shadow, stored, bundle: Arc::new(bundle), ..self })
            }
            _ => Err(Report::errors(Source::new(Path::new("policies of the store"), String::new()), faults)),
        }
    }

    /// Names that files have.
    fn taken(&self, texts: &BTreeMap<String, String>) -> Vec<Fault> {
        let files = self.policy_files.deciding.iter().chain(&self.policy_files.shadow);
        let is_taken = |name: &str| texts.contains_key(name.strip_prefix(PREFIX).unwrap_or(name));
        let taken = files.filter(|file| is_taken(&file.name));
        let fault = |file: &PolicyText| {
            let message =
                format!("`{}` is the name of a policy file and of a policy of the store", file.name);
            Fault::of_file(message).help("rename the file, or delete the policy with `haechi policy delete`")
        };
        taken.map(fault).collect()
    }

    fn compiled(
        &self,
        files: &[PolicyText],
        added: &[PolicyText],
        faults: &mut Vec<Fault>,
    ) -> Option<Arc<Compiled>> {
        let all: Vec<&PolicyText> = files.iter().chain(added).collect();
        let texts: Vec<PolicyFile> = all
            .iter()
            .map(|file| PolicyFile { name: file.name.clone(), text: file.source.text().clone() })
            .collect();
        match compile(self.policies.vocabulary().clone(), &texts) {
            Ok(compiled) => Some(Arc::new(compiled)),
            Err(found) => {
                faults.extend(found.iter().map(|found| placed(found, &all)));
                None
            }
        }
    }

    /// What is odd about the policy of the store that has this name.
    pub(crate) fn odd(&self, name: &str) -> Vec<String> {
        let known = self.stored.texts();
        let before = self.policy_files.deciding.len();
        let Some(index) = known.keys().position(|known| known == name) else { return Vec::new() };
        let within = CompiledText::File(before + index);
        self.policies
            .warnings()
            .iter()
            .filter(|found| found.within == within)
            .map(|found| found.message.clone())
            .collect()
    }
}

fn stored_text(name: &str, text: &str) -> PolicyText {
    let name = format!("{PREFIX}{name}");
    let file = Path::new(&name).to_owned();
    PolicyText { source: Arc::new(Source::of_policies(&file, text.to_owned())), name: name.into(), file }
}

fn placed(found: &PolicyFault, all: &[&PolicyText]) -> Fault {
    let file = match found.within {
        CompiledText::File(index) => all.get(index),
        _ => None,
    };
    let fault = match file {
        Some(file) => {
            let source = &file.source;
            let end = found.offset.saturating_add(found.length);
            let span = Span { start: source.position(found.offset), end: source.position(end) };
            Fault::new(span, &*found.message).within(source.clone())
        }
        None => Fault::of_file(&*found.message),
    };
    match &found.help {
        Some(help) => fault.help(&**help),
        None => fault,
    }
}

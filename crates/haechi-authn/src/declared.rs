//! The attributes that the configuration declares, as a filter and a check.

use haechi_core::{AttributeType, AttributeValue, Attributes};
use std::collections::BTreeMap;

/// What `caller_attributes` declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredAttributes(BTreeMap<Box<str>, AttributeType>);

/// An attribute that is not as declared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeFault {
    /// Not declared at all.
    #[error("attribute `{name}` is not declared; declare it under `caller_attributes`{}", known_as(.known))]
    Unknown {
        /// The attribute.
        name: String,
        /// The ones that are.
        known: Vec<String>,
    },
    /// Declared as another type.
    #[error("attribute `{name}` is declared as {declared}, and `{value}` is none")]
    Type {
        /// The attribute.
        name: String,
        /// What it is declared as.
        declared: AttributeType,
        /// The value given.
        value: String,
    },
}

impl DeclaredAttributes {
    /// The declaration.
    pub const fn new(types: BTreeMap<Box<str>, AttributeType>) -> Self {
        Self(types)
    }

    /// Those of `attributes` that are declared, with the declared type. What the store kept from an older configuration falls away.
    pub fn keep(&self, attributes: &Attributes) -> Attributes {
        let declared = attributes.iter().filter(|(name, value)| self.0.get(*name) == Some(&value.type_of()));
        declared.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Checks that all of `attributes` are declared as what they are.
    ///
    /// # Errors
    /// [`AttributeFault`] for the first that is not.
    pub fn check(&self, attributes: &Attributes) -> Result<(), AttributeFault> {
        for (name, value) in attributes {
            let declared = self.type_of(name)?;
            if declared != value.type_of() {
                return Err(AttributeFault::Type {
                    name: name.to_string(),
                    declared,
                    value: value.to_string(),
                });
            }
        }
        Ok(())
    }

    /// Reads an attribute as a command line gives it.
    ///
    /// # Errors
    /// [`AttributeFault`].
    pub fn parse(&self, name: &str, text: &str) -> Result<AttributeValue, AttributeFault> {
        let declared = self.type_of(name)?;
        AttributeValue::parse(text, declared).ok_or_else(|| AttributeFault::Type {
            name: name.to_owned(),
            declared,
            value: text.to_owned(),
        })
    }

    fn type_of(&self, name: &str) -> Result<AttributeType, AttributeFault> {
        self.0.get(name).copied().ok_or_else(|| AttributeFault::Unknown {
            name: name.to_owned(),
            known: self.0.keys().map(ToString::to_string).collect(),
        })
    }
}

fn known_as(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!(" (declared are `{}`)", known.join("`, `")) }
}

#[cfg(test)]
mod tests {
    use super::DeclaredAttributes;
    use haechi_core::{AttributeType, AttributeValue, Attributes};

    #[test]
    fn only_what_is_declared_as_it_is_declared() {
        let types = [("tenant".into(), AttributeType::String), ("clearance".into(), AttributeType::Long)];
        let declared = DeclaredAttributes::new(types.into());
        let tenant = declared.parse("tenant", "7").unwrap();
        assert_eq!(tenant, AttributeValue::String("7".into()));
        let error = declared.parse("clearance", "high").unwrap_err();
        assert_eq!(error.to_string(), "attribute `clearance` is declared as long, and `high` is none");
        let error = declared.parse("team", "a").unwrap_err().to_string();
        assert!(error.ends_with("(declared are `clearance`, `tenant`)"), "{error}");
        let attributes: Attributes = [
            ("tenant".into(), tenant.clone()),
            ("clearance".into(), AttributeValue::Bool(true)),
            ("old".into(), AttributeValue::Long(1)),
        ]
        .into();
        assert!(declared.check(&attributes).is_err());
        assert_eq!(declared.keep(&attributes), Attributes::from([("tenant".into(), tenant)]));
    }
}

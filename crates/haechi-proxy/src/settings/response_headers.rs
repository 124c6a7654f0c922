//! What a route changes in the headers of its responses.

use haechi_core::Fields;

/// What a route changes in the heads of its answers: fields go, then fields come. Names are lower case, and none that the gate or the
/// protocol answers for is among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldRules {
    /// Fields that go.
    pub remove: Vec<Box<str>>,
    /// Fields that come in the place of all of that name.
    pub set: Vec<(Box<str>, Box<str>)>,
    /// Fields that come beside those of that name.
    pub add: Vec<(Box<str>, Box<str>)>,
}

impl FieldRules {
    /// Whether they are about the field of this name, in lower case.
    pub fn names(&self, name: &str) -> bool {
        let removed = self.remove.iter().map(|removed| &**removed);
        let written = self.set.iter().chain(&self.add).map(|(written, _)| &**written);
        removed.chain(written).any(|named| named == name)
    }

    /// Changes the fields of an answer.
    pub(crate) fn apply(&self, fields: &mut Fields) {
        fields.retain(|field| !self.replaces(field.name));
        for (name, value) in self.set.iter().chain(&self.add) {
            fields.push(name.as_bytes(), value.as_bytes());
        }
    }

    fn replaces(&self, name: &[u8]) -> bool {
        let removed = self.remove.iter().map(|name| &**name);
        removed.chain(self.set.iter().map(|(name, _)| &**name)).any(|ours| ours.as_bytes() == name)
    }
}

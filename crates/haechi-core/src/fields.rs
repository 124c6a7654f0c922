//! Header and trailer fields, independent of any HTTP library.
//!
//! A field is looked up by what its name means ([`FieldName`]), and a lookup tells "none", "one" and "several" apart: a second value never
//! passes undecided.

mod name;
mod pattern;
pub mod reserved;
mod set;

pub use name::FieldName;
pub use pattern::{FieldPattern, FieldPatternError};
pub use set::FieldNameSet;

/// The fields of one message, in order. Names are lower case.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    text: Vec<u8>,
    entries: Vec<Entry>,
    /// One bit for each name that was ever pushed: a request is looked through for many names, and has few of them.
    seen: u32,
}

/// The name's bit in [`Fields::seen`]. Should two names come to share one, both are looked for where either is.
const fn bit(name: FieldName) -> u32 {
    1u32.wrapping_shl(name as u32)
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    name: FieldName,
    start: u32,
    name_end: u32,
    value_end: u32,
}

/// One field: what its name means, the name in lower case, the value without surrounding white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// What the name means.
    pub known: FieldName,
    /// The name, lower case.
    pub name: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

/// A field that must stand once stands more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the field stands more than once")]
pub struct Repeated;

impl Fields {
    /// No fields.
    pub const fn new() -> Self {
        Self { text: Vec::new(), entries: Vec::new(), seen: 0 }
    }

    /// No fields, with room for `count` of them in `bytes` bytes.
    pub fn with_capacity(count: usize, bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), entries: Vec::with_capacity(count), seen: 0 }
    }

    /// Appends a field. The caller has checked that `name` is a token (RFC 9110 5.6.2) and `value` a field value.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(name);
        let name_end = self.text.len();
        if let Some(name) = self.text.get_mut(start..) {
            name.make_ascii_lowercase();
        }
        self.text.extend_from_slice(value);
        let known = self.text.get(start..name_end).map_or(FieldName::Other, FieldName::of);
        self.seen |= bit(known);
        // A head is bounded far below 4 GiB by the codecs.
        self.entries.push(Entry {
            name: known,
            start: start as u32,
            name_end: name_end as u32,
            value_end: self.text.len() as u32,
        });
    }

    /// Appends a field of the gate's own, whose name is in lower case and means nothing to it ([`FieldName::Other`]): nothing is looked up.
    pub fn push_own(&mut self, name: &'static [u8], value: &[u8]) {
        let start = self.text.len();
        self.text.reserve(name.len() + value.len());
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(value);
        self.seen |= bit(FieldName::Other);
        self.entries.push(Entry {
            name: FieldName::Other,
            start: start as u32,
            name_end: (start + name.len()) as u32,
            value_end: self.text.len() as u32,
        });
    }

    /// Keeps the fields of which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(Field<'_>) -> bool) {
        let Self { text, entries, .. } = self;
        entries.retain(|entry| entry.field(text).is_some_and(&mut keep));
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        self.entries.iter().filter_map(|entry| self.field(entry))
    }

    /// All values of the fields that mean `name`, in order.
    pub fn all(&self, name: FieldName) -> impl Iterator<Item = &[u8]> {
        self.named(name).iter().filter(move |e| e.name == name).filter_map(|e| self.field(e)).map(|f| f.value)
    }

    /// Whether a field means `name`.
    pub fn has(&self, name: FieldName) -> bool {
        self.named(name).iter().any(|entry| entry.name == name)
    }

    /// The entries among which those are that mean `name`.
    fn named(&self, name: FieldName) -> &[Entry] {
        if self.seen & bit(name) == 0 { &[] } else { &self.entries }
    }

    /// The value of a field that may stand once.
    ///
    /// # Errors
    /// [`Repeated`] when it stands more often.
    pub fn sole(&self, name: FieldName) -> Result<Option<&[u8]>, Repeated> {
        sole(self.all(name))
    }

    /// The value of a field that may stand once, by its lower-case name, for names that the configuration gives.
    ///
    /// # Errors
    /// [`Repeated`] when it stands more often.
    pub fn sole_named(&self, name: &[u8]) -> Result<Option<&[u8]>, Repeated> {
        sole(self.iter().filter(|field| field.name == name).map(|field| field.value))
    }

    fn field(&self, entry: &Entry) -> Option<Field<'_>> {
        entry.field(&self.text)
    }
}

impl Entry {
    fn field<'a>(&self, text: &'a [u8]) -> Option<Field<'a>> {
        Some(Field {
            known: self.name,
            name: text.get(self.start as usize..self.name_end as usize)?,
            value: text.get(self.name_end as usize..self.value_end as usize)?,
        })
    }
}

fn sole<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<Option<&'a [u8]>, Repeated> {
    let first = values.next();
    if values.next().is_some() { Err(Repeated) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use super::{FieldName, Fields, Repeated};

    #[test]
    fn none_one_and_several_are_told_apart() {
        let mut fields = Fields::default();
        fields.push(b"Host", b"a");
        fields.push(b"Cookie", b"x=1");
        fields.push(b"cookie", b"y=2");
        assert_eq!(fields.sole(FieldName::Host), Ok(Some(&b"a"[..])));
        assert_eq!(fields.sole(FieldName::Authorization), Ok(None));
        assert_eq!(fields.sole(FieldName::Cookie), Err(Repeated));
        assert_eq!(fields.sole_named(b"cookie"), Err(Repeated));
        assert_eq!(fields.all(FieldName::Cookie).count(), 2);
        assert!(fields.iter().all(|field| field.name.iter().all(|b| !b.is_ascii_uppercase())));
        fields.retain(|field| field.name != b"cookie");
        fields.push(b"Cookie", b"z=3");
        assert_eq!(fields.sole(FieldName::Host), Ok(Some(&b"a"[..])));
        assert_eq!(fields.sole(FieldName::Cookie), Ok(Some(&b"z=3"[..])));
    }
}

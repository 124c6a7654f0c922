//! Enumerations: words of which one is written.

/// Describes an enumeration: the words and what they mean, then the words that this version does not build.
macro_rules! choice {
    (
        $what:literal
        $(#[doc = $doc:literal])*
        $vis:vis enum $name:ident {
            $( $(#[doc = $variant_doc:literal])* $variant:ident = $word:literal, )*
        }
        $(unbuilt [$($unbuilt:literal),* $(,)?])?
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        $vis enum $name {
            $( $(#[doc = $variant_doc])* $variant, )*
        }

        impl $name {
            /// Every word.
            pub(crate) const WORDS: &[&str] = &[$($word),*];

            /// The word for it.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )*
                }
            }

            /// What the word stands for.
            pub(crate) fn from_word(word: &str) -> Option<Self> {
                match word {
                    $( $word => Some(Self::$variant), )*
                    _ => None,
                }
            }
        }

        impl $crate::config::read::Value for $name {
            fn read(
                node: &$crate::config::yaml::Node,
                reader: &mut $crate::config::read::Reader<'_>,
            ) -> Option<Self> {
                const UNBUILT: &[&str] = &[$($($unbuilt),*)?];
                let word = reader.text($what, node)?;
                let found = Self::from_word(&word);
                if found.is_none() {
                    $crate::config::choice::unknown(reader, node, $what, &word, Self::WORDS, UNBUILT);
                }
                found
            }

            fn schema(_: &mut $crate::config::read::Defs) -> serde_json::Value {
                serde_json::json!({ "enum": [$($word,)* $($($unbuilt),*)?] })
            }

            fn shown(&self) -> serde_json::Value {
                self.as_str().into()
            }
        }
    };
}

pub(crate) use choice;

use super::read::Reader;
use super::report::Fault;
use super::yaml::Node;

/// Notes a word that is not one of those known.
pub(crate) fn unknown(
    reader: &mut Reader<'_>,
    node: &Node,
    what: &str,
    word: &str,
    known: &[&str],
    unbuilt: &[&str],
) {
    let written = reader.written(node.span);
    if unbuilt.contains(&word) {
        reader.unbuilt(node.span, &format!("`{written}`"));
    } else {
        let fault = Fault::new(node.span, format!("`{written}` is not {what}"));
        reader.faults.push(fault.suggest(word, known.iter().copied()));
    }
}

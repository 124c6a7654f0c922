//! Verdicts in colour, where a person looks at a terminal: for nobody else, and not where `NO_COLOR` is set.

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use std::borrow::Cow;

/// What a verdict says, whatever its word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it should be, or allowed: green.
    Good,
    /// Not as it should be, or refused: red.
    Bad,
    /// Somebody should look: yellow.
    Look,
}

impl Verdict {
    /// Of the status of a response.
    pub(crate) const fn of_status(status: u16) -> Self {
        match status {
            0..=399 => Self::Good,
            400..=499 => Self::Bad,
            _ => Self::Look,
        }
    }

    /// `word` as it is shown on standard output.
    pub(crate) fn out(self, word: &str) -> Cow<'_, str> {
        self.shown(word, is_coloured(&std::io::stdout()))
    }

    /// `word` as it is shown on standard error.
    pub(crate) fn err(self, word: &str) -> Cow<'_, str> {
        self.shown(word, is_coloured(&std::io::stderr()))
    }

    fn shown(self, word: &str, coloured: bool) -> Cow<'_, str> {
        let color = match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Look => "33",
        };
        if coloured { Cow::Owned(format!("\x1b[1;{color}m{word}\x1b[0m")) } else { Cow::Borrowed(word) }
    }
}

/// Whether `stream` is a terminal that shows colours, as `NO_COLOR`, `CLICOLOR` and `TERM` say.
pub(crate) fn is_coloured(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

#[cfg(test)]
mod tests {
    use super::Verdict;

    #[test]
    fn a_word_is_coloured_for_a_terminal_alone() {
        assert_eq!(Verdict::Good.shown("allow", false), "allow");
        assert_eq!(Verdict::Bad.shown("deny", true), "\x1b[1;31mdeny\x1b[0m");
        // The output of tests is read by a program.
        assert_eq!(Verdict::of_status(503).out("unavailable"), "unavailable");
    }
}

//! What may be a password (NIST SP 800-63B-4 3.1.1.2: long, not common, no rules of composition).

use super::common;

/// A password has at least so many characters.
pub const MIN_CHARACTERS: usize = 15;
/// One that never lets anybody in without a second factor has at least so many (NIST SP 800-63B-4 3.1.1.2).
pub const MIN_CHARACTERS_BESIDE_FACTOR: usize = 8;
/// And at most so many; longer ones are refused, never cut.
pub const MAX_CHARACTERS: usize = 128;

/// Fewer different characters than this are a pattern, not a password.
const MIN_DISTINCT: usize = 5;
/// What must remain of a password beside the user's name.
const MIN_BESIDE_NAME: usize = 10;

/// Why a password is refused. None of the messages shows any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// Too short.
    #[error(
        "a password has at least {MIN_CHARACTERS} characters, or {MIN_CHARACTERS_BESIDE_FACTOR} where a second factor is asked for beside it; several words are easier to remember than symbols"
    )]
    TooShort,
    /// Too long.
    #[error("a password has at most {MAX_CHARACTERS} characters")]
    TooLong,
    /// A control character, which HTTP Basic cannot carry (RFC 7617 2).
    #[error("a password has no control characters")]
    ControlCharacter,
    /// One of the first that a guesser tries.
    #[error("this password is a common one; choose words that do not belong together")]
    Common,
    /// The same few characters again, or a walk along the alphabet or the keyboard.
    #[error("this password is a pattern; choose words that do not belong together")]
    Pattern,
    /// Little more than the user's name.
    #[error("this password is little more than the user's name")]
    LikeName,
    /// The one from before.
    #[error("this password is the one from before")]
    Same,
}

/// Whether `password` may become the password of the user `name`. It is never altered: what is accepted is hashed as it stands.
///
/// # Errors
/// [`PasswordFault`].
pub fn check_new_password(password: &str, name: &str) -> Result<(), PasswordFault> {
    if is_short(password) { Err(PasswordFault::TooShort) } else { check(password, name) }
}

/// The same of one that never lets anybody in without a second factor, and may be shorter.
///
/// # Errors
/// [`PasswordFault`].
pub fn check_new_password_beside_factor(password: &str, name: &str) -> Result<(), PasswordFault> {
    let too_short = password.chars().count() < MIN_CHARACTERS_BESIDE_FACTOR;
    if too_short { Err(PasswordFault::TooShort) } else { check(password, name) }
}

/// Whether it is too short to let anybody in by itself.
pub fn is_short(password: &str) -> bool {
    password.chars().count() < MIN_CHARACTERS
}

fn check(password: &str, name: &str) -> Result<(), PasswordFault> {
    let length = password.chars().count();
    if length > MAX_CHARACTERS {
        return Err(PasswordFault::TooLong);
    }
    if password.chars().any(char::is_control) {
        return Err(PasswordFault::ControlCharacter);
    }
    let folded = password.to_lowercase();
    if is_pattern(&folded) {
        return Err(PasswordFault::Pattern);
    }
    if common::is_common(&folded) {
        return Err(PasswordFault::Common);
    }
    if is_like(&folded, &name.to_lowercase()) { Err(PasswordFault::LikeName) } else { Ok(()) }
}

fn is_pattern(folded: &str) -> bool {
    let characters: Vec<char> = folded.chars().collect();
    let mut distinct = characters.clone();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.len() < MIN_DISTINCT || repeats_itself(&characters) || walks(&characters)
}

/// `passwordpassword`, `abc123abc123abc1`: a unit of at most half the length, over and over.
fn repeats_itself(characters: &[char]) -> bool {
    (1..=characters.len() / 2)
        .any(|unit| characters.iter().zip(characters.iter().skip(unit)).all(|(a, b)| a == b))
}

/// Whether nearly every character is a neighbour of the one before: in the alphabet, the digits, or on a keyboard's row or column.
fn walks(characters: &[char]) -> bool {
    let steps = characters.len().saturating_sub(1);
    let neighbours =
        characters.iter().zip(characters.iter().skip(1)).filter(|(a, b)| are_neighbours(**a, **b));
    neighbours.count() * 10 >= steps * 8
}

fn are_neighbours(a: char, b: char) -> bool {
    const WALKS: [&str; 9] = [
        "abcdefghijklmnopqrstuvwxyza",
        "012345678901",
        "`1234567890-=",
        "qwertyuiop[]q",
        "asdfghjkl;'a",
        "zxcvbnm,./z",
        "~!@#$%^&*()_+",
        "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
        "azertyuiopqsdfghjklmwxcvbn",
    ];
    a == b || WALKS.iter().any(|walk| adjacent(walk, a, b))
}

fn adjacent(walk: &str, a: char, b: char) -> bool {
    walk.chars().zip(walk.chars().skip(1)).any(|pair| pair == (a, b) || pair == (b, a))
}

fn is_like(folded: &str, name: &str) -> bool {
    if name.chars().count() < 3 || !folded.contains(name) {
        return false;
    }
    folded.replace(name, "").chars().filter(|c| c.is_alphanumeric()).count() < MIN_BESIDE_NAME
}

#[cfg(test)]
mod tests {
    use super::{PasswordFault, check_new_password, check_new_password_beside_factor};

    fn check(password: &str) -> Result<(), PasswordFault> {
        check_new_password(password, "mina")
    }

    #[test]
    fn length_is_counted_in_characters_and_never_cut() {
        assert_eq!(check("kettle-moss-42"), Err(PasswordFault::TooShort), "14");
        assert_eq!(check("kettle-moss-427"), Ok(()), "15");
        assert_eq!(check("해치는궁궐문을지킨다옳고그름을"), Ok(()), "15 characters of 3 bytes");
        assert_eq!(check(&"plum kettle ".repeat(5)), Err(PasswordFault::Pattern));
        let long: String = ('\u{4e00}'..).take(128).collect();
        assert_eq!(check(&long), Ok(()));
        assert_eq!(check(&format!("{long}x")), Err(PasswordFault::TooLong));
        assert_eq!(check("kettle-moss\u{0}-427"), Err(PasswordFault::ControlCharacter));
    }

    #[test]
    fn beside_a_second_factor_it_may_be_shorter_and_no_weaker() {
        let beside = |password| check_new_password_beside_factor(password, "mina");
        assert_eq!(beside("kettle-m"), Ok(()), "8");
        assert_eq!(beside("kettle-"), Err(PasswordFault::TooShort), "7");
        assert_eq!(beside("aaaaaaaa"), Err(PasswordFault::Pattern));
        assert_eq!(beside("password"), Err(PasswordFault::Common));
    }

    #[test]
    fn patterns_are_refused() {
        for password in [
            "aaaaaaaaaaaaaaaa",
            "abababababababab",
            "passwordpassword",
            "abc123abc123abc1",
            "123456789012345",
            "abcdefghijklmnop",
            "ZYXWVUTSRQPONMLK",
            "qwertyuiopasdfgh",
            "1qaz2wsx3edc4rfv",
            "1234567890-=qwerty",
        ] {
            assert_eq!(check(password), Err(PasswordFault::Pattern), "{password}");
        }
    }

    #[test]
    fn common_ones_are_refused_in_any_case_and_with_decoration() {
        for password in [
            "CorrectHorseBatteryStaple",
            "password12345678",
            "!!Administrator2024",
            "iloveyouforever",
            "P@ssw0rd!P@ssw0rd1",
        ] {
            assert_eq!(check(password), Err(PasswordFault::Common), "{password}");
        }
    }

    #[test]
    fn the_users_own_name_is_not_enough() {
        assert_eq!(check_new_password("margarethe-4711-x", "Margarethe"), Err(PasswordFault::LikeName));
        assert_eq!(check_new_password("margarethe keeps nine bees", "margarethe"), Ok(()));
    }

    #[test]
    fn ordinary_passphrases_pass() {
        for password in [
            "tidal-orbit-mango-stove",
            "four goats under a red moon",
            "xK3vQ9mT7pL2wZ8",
            "한강에서 자전거를 타는 여름밤",
        ] {
            assert_eq!(check(password), Ok(()), "{password}");
        }
    }
}

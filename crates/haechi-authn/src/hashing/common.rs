//! Common passwords: of the usual lists, what can still be one at 15 characters.

/// One a line, folded by [`fold`], sorted. Lines of 15 characters and more are whole passwords; shorter ones are stems, refused when a password
/// is nothing but stems, digits and signs.
const LIST: &str = include_str!("common_passwords.txt");

/// Whether `lower`, a password in lower case, is on the list, or is only listed words strung together and decorated.
pub(super) fn is_common(lower: &str) -> bool {
    let folded = fold(lower);
    // Both readings of `1`: the letter that it stands for, and the digit behind a word.
    let letters: String = lower.chars().filter(|c| c.is_alphabetic()).collect();
    [folded, letters].iter().any(|text| is_listed(text) || is_made_of_stems(text))
}

fn is_listed(folded: &str) -> bool {
    LIST.lines().any(|line| line == folded)
}

/// Takes listed words away from the front until nothing, or something that is none, remains.
fn is_made_of_stems(folded: &str) -> bool {
    let mut reachable = vec![false; folded.len() + 1];
    if let Some(start) = reachable.first_mut() {
        *start = !folded.is_empty();
    }
    for at in 0..folded.len() {
        if !reachable.get(at).copied().unwrap_or(false) {
            continue;
        }
        let Some(rest) = folded.get(at..) else { continue };
        for stem in LIST.lines().filter(|stem| rest.starts_with(stem)) {
            if let Some(end) = reachable.get_mut(at + stem.len()) {
                *end = true;
            }
        }
    }
    reachable.last().copied().unwrap_or(false)
}

/// Letters only, with the usual substitutions undone: `P@ssw0rd!` reads `password` (the sign at the end falls away).
fn fold(lower: &str) -> String {
    let core = lower.trim_matches(|c: char| !c.is_alphabetic() && !matches!(c, '@' | '$'));
    core.chars().map(unleet).filter(|c| c.is_alphabetic()).collect()
}

const fn unleet(c: char) -> char {
    match c {
        '@' | '4' => 'a',
        '0' => 'o',
        '1' => 'i',
        '3' => 'e',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{LIST, fold, is_common};

    #[test]
    fn the_list_is_folded_sorted_and_without_repeats() {
        let lines: Vec<&str> = LIST.lines().collect();
        assert!(lines.iter().all(|line| !line.is_empty() && fold(line) == *line));
        assert!(lines.is_sorted_by(|a, b| a < b), "sort -u with LC_ALL=C");
        assert!(lines.len() > 200);
    }

    #[test]
    fn words_beside_listed_ones_are_not_common() {
        assert!(is_common("passwordadmin123"));
        assert!(is_common("p@ssw0rd.w3lcome"));
        assert!(!is_common("password of the moth"));
        assert!(!is_common("428391047563820"), "digits alone are for the rule of patterns");
    }
}

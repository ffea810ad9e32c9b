//! Fuzzy match of a typed text against a name: every typed word must be found, whole or as letters in order.

/// A match: how good, and which characters of the name to light up.
#[derive(Clone, PartialEq, Debug)]
pub struct Match {
    /// Higher is better.
    pub score: i32,
    /// Indices of matched characters, ascending.
    pub at: Vec<usize>,
}

/// Score of a word found in one piece.
const WHOLE: i32 = 100;
/// More when it starts a word of the name.
const STARTS: i32 = 60;
/// Per letter found in order.
const LETTER: i32 = 4;
/// More when a letter starts a word or follows the one before.
const NEAR: i32 = 8;

/// Matches `typed` against `name`, without regard to case. An empty text matches everything with score 0.
pub fn find(typed: &str, name: &str) -> Option<Match> {
    let letters: Vec<char> = name.chars().collect();
    let lower: Vec<char> = letters.iter().map(|c| c.to_lowercase().next().unwrap_or(*c)).collect();
    let starts = |index: usize| {
        index == 0
            || !letters[index - 1].is_alphanumeric()
            || (letters[index].is_uppercase() && letters[index - 1].is_lowercase())
    };
    let mut found = Match { score: 0, at: Vec::new() };
    for word in typed.split_whitespace() {
        let word: Vec<char> = word.to_lowercase().chars().collect();
        let whole = (0..lower.len().saturating_sub(word.len() - 1))
            .filter(|from| lower[*from..].starts_with(&word))
            .max_by_key(|from| (starts(*from), std::cmp::Reverse(*from)));
        if let Some(from) = whole {
            found.score += WHOLE + if starts(from) { STARTS } else { 0 } - from as i32;
            found.at.extend(from..from + word.len());
            continue;
        }
        let mut index = 0;
        let mut last = None;
        for letter in word {
            let next = (index..lower.len()).find(|at| lower[*at] == letter)?;
            found.score += LETTER;
            if starts(next) || last == Some(next.wrapping_sub(1)) {
                found.score += NEAR;
            }
            found.at.push(next);
            last = Some(next);
            index = next + 1;
        }
    }
    found.score -= lower.len() as i32 / 8;
    found.at.sort_unstable();
    found.at.dedup();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_beat_letters_and_starts_beat_middles() {
        let score = |typed, name| find(typed, name).map(|found| found.score);
        assert!(score("check", "checkout") > score("check", "recheck all"));
        assert!(score("lat", "Checkout latency") > score("lat", "late almost flat".split_at(4).1));
        assert!(score("open", "Open file\u{2026}") > score("open", "One per entry now"));
        assert_eq!(find("xyz", "checkout"), None);
        assert_eq!(find("check lat", "CheckoutLatencyHigh").unwrap().at, [0, 1, 2, 3, 4, 8, 9, 10]);
        assert_eq!(find("", "anything").unwrap().at, Vec::<usize>::new());
    }
}

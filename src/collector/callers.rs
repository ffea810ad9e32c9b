//! Clients that came in a way that cannot work, kept for Home: what happened, the fix, how often.

use crate::model::Door;
use std::sync::{Mutex, PoisonError};

/// Kept at most; the one that was quiet longest goes first.
const MOST: usize = 50;

/// A client that came in a way that cannot work, named on Home with the fix.
#[derive(Clone, Debug, PartialEq)]
pub struct WrongCaller {
    /// Door it knocked on.
    pub door: Door,
    /// What happened: `TLS on a plain port`, `path /v1/traces/v1/traces`, `Origin refused: https://app.test`.
    pub what: String,
    /// What to do about it.
    pub fix: String,
    /// The origin to allow, when that is the fix.
    pub origin: Option<String>,
    /// How often.
    pub count: u64,
}

/// See the module comment. Latest last.
#[derive(Default)]
pub(super) struct Callers(Mutex<Vec<WrongCaller>>);

impl Callers {
    pub(super) fn note(&self, door: Door, what: impl Into<String>, fix: impl Into<String>, origin: Option<&str>) {
        let mut new =
            WrongCaller { door, what: shortened(what.into()), fix: fix.into(), origin: origin.map(str::to_owned), count: 1 };
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = list.iter().position(|known| known.door == door && known.what == new.what) {
            new.count += list.remove(at).count;
        }
        if list.len() == MOST {
            list.remove(0);
        }
        list.push(new);
    }

    pub(super) fn forget_origin(&self, origin: &str) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|known| known.origin.as_deref() != Some(origin));
    }

    /// Latest first.
    pub(super) fn list(&self) -> Vec<WrongCaller> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

/// What a client sent is quoted only so far.
fn shortened(text: String) -> String {
    if text.chars().count() <= 160 { text } else { text.chars().take(159).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_counted_latest_first_and_bounded() {
        let callers = Callers::default();
        callers.note(Door::OtlpHttp, "a", "fix", None);
        callers.note(Door::OtlpHttp, "b", "fix", Some("https://x.test"));
        callers.note(Door::OtlpHttp, "a", "fix", None);
        let list: Vec<(String, u64)> = callers.list().into_iter().map(|caller| (caller.what, caller.count)).collect();
        assert_eq!(list, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
        callers.forget_origin("https://x.test");
        assert_eq!(callers.list().len(), 1);
        for number in 0..200 {
            callers.note(Door::OtlpGrpc, format!("{number}"), "fix", None);
        }
        assert_eq!(callers.list().len(), MOST);
        callers.note(Door::OtlpGrpc, "x".repeat(10_000), "fix", None);
        assert_eq!(callers.list()[0].what.chars().count(), 160);
    }
}

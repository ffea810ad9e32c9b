//! Which attribute keys carry secrets. Codecs ask it key by key while they decode, so that a secret is never stored.
//!
//! An entry without `*`, `?` or `.` names the last segment of a key (segments end at `.`, `/` and `:`), in any case and with or
//! without `_` and `-`: `api_key` masks `http.request.header.x-api-key`'s neighbour `user.apiKey`, and `token` masks
//! `auth.token` but never `token_count` or `gen_ai.usage.input_tokens`. An entry with `.` is a whole key. An entry with `*` or
//! `?` is a glob over the whole key. A leading `!` exempts what the rest names. Everything is compared without case.

use crate::model::batch::{AttrRow, SpanBatch, SpanBatchBuilder, ValueKind};
use crate::model::value::MASKED;
use std::collections::HashSet;

/// What is masked unless the user edits the list.
pub const STANDARD: [&str; 38] = [
    "authorization",
    "proxy-authorization",
    "x-authorization",
    "authentication",
    "cookie",
    "cookies",
    "set-cookie",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "secrets",
    "token",
    "api_key",
    "x-api-key",
    "access_token",
    "x-access-token",
    "refresh_token",
    "id_token",
    "auth_token",
    "x-auth-token",
    "bearer_token",
    "session_token",
    "security_token",
    "x-amz-security-token",
    "csrf_token",
    "x-csrf-token",
    "client_secret",
    "client_assertion",
    "private_key",
    "secret_key",
    "secret_access_key",
    "credentials",
    "*password",
    "*passwd",
    "*_secret",
    "*secret_key",
];

/// A compiled list of keys whose values are masked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Redaction {
    mask: Entries,
    exempt: Entries,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Entries {
    /// Last segments, lower case, without separators.
    segments: HashSet<String>,
    /// Whole keys, lower case.
    keys: HashSet<String>,
    /// Globs over whole keys, lower case.
    globs: Vec<String>,
}

impl Redaction {
    /// The list of [`STANDARD`].
    pub fn standard() -> Self {
        Self::new(STANDARD)
    }

    /// From entries as the module comment describes them; empty ones are skipped.
    pub fn new<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Self {
        let mut redaction = Self::default();
        for entry in entries {
            let entry = entry.as_ref().trim().to_lowercase();
            match entry.strip_prefix('!') {
                Some(rest) => redaction.exempt.add(rest.trim()),
                None => redaction.mask.add(&entry),
            }
        }
        redaction
    }

    /// True when nothing is ever masked.
    pub fn is_empty(&self) -> bool {
        self.mask.is_empty()
    }

    /// True when the value under `key` must not be stored.
    pub fn masks(&self, key: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let key = key.to_lowercase();
        self.mask.names(&key) && !self.exempt.names(&key)
    }

    /// A copy of `batch` with the values of secret keys masked, and how many there were; `None` when there were none.
    /// For codecs that do not ask while they decode.
    pub fn mask_batch(&self, batch: &SpanBatch) -> Option<(SpanBatch, u64)> {
        let mut asked = vec![None; batch.strings.len()];
        let mut secret = |key: u32| *asked[key as usize].get_or_insert_with(|| self.masks(batch.strings.get(key)));
        let count = batch.attrs.iter().filter(|row| secret(row.key)).count() as u64;
        if count == 0 {
            return None;
        }
        let mut builder = SpanBatchBuilder::default();
        builder.copy(batch, 0..batch.len());
        let masked = u64::from(builder.intern(MASKED));
        let mut copy = builder.finish();
        let mut rows = std::mem::take(&mut copy.attrs);
        for row in &mut rows {
            if self.masks(copy.strings.get(row.key)) {
                *row = AttrRow { key: row.key, kind: ValueKind::Str, bits: masked };
            }
        }
        copy.attrs = rows;
        Some((copy, count))
    }
}

impl Entries {
    fn add(&mut self, entry: &str) {
        if entry.is_empty() {
        } else if entry.contains(['*', '?']) {
            self.globs.push(entry.to_owned());
        } else if entry.contains('.') {
            self.keys.insert(entry.to_owned());
        } else {
            self.segments.insert(bare(entry));
        }
    }

    fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.keys.is_empty() && self.globs.is_empty()
    }

    fn names(&self, key: &str) -> bool {
        let segment = key.rsplit(['.', '/', ':']).next().unwrap_or(key);
        self.segments.contains(&bare(segment))
            || self.keys.contains(key)
            || self.globs.iter().any(|glob| glob_matches(glob.as_bytes(), key.as_bytes()))
    }
}

/// Without the separators that spellings differ in.
fn bare(segment: &str) -> String {
    segment.chars().filter(|c| !matches!(c, '_' | '-')).collect()
}

/// `*` is any run, `?` any one byte. Linear in practice: only the last star is tried again.
fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut g, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, t));
                g += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                g += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    g = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Span, Value};

    #[test]
    fn secrets_are_masked_and_their_neighbours_are_not() {
        let list = Redaction::standard();
        for key in [
            "authorization",
            "http.request.header.authorization",
            "http.request.header.Authorization",
            "http.request.header.x-api-key",
            "http.request.header.x_api_key",
            "http.response.header.set-cookie",
            "db.password",
            "userPassword",
            "accessToken",
            "oauth/client_secret",
            "app.apiKey",
            "STRIPE_SECRET",
            "rpc.grpc.request.metadata.cookie",
        ] {
            assert!(list.masks(key), "{key} must be masked");
        }
        for key in [
            "token_count",
            "gen_ai.usage.input_tokens",
            "gen_ai.request.max_tokens",
            "http.request.method",
            "k8s.secret.name",
            "secretary",
            "password.policy",
            "next_page_token",
            "",
        ] {
            assert!(!list.masks(key), "{key} must stay");
        }
    }

    #[test]
    fn a_list_is_edited_with_keys_globs_and_exemptions() {
        let list = Redaction::new(["user.email", "card*", "x.?", "token", "!auth.token", " "]);
        let masked: Vec<&str> = ["user.email", "email", "CardNumber", "x.y", "x.yz", "a.token", "auth.token"]
            .into_iter()
            .filter(|key| list.masks(key))
            .collect();
        assert_eq!(masked, ["user.email", "CardNumber", "x.y", "a.token"]);
        assert!(Redaction::new([""; 1]).is_empty());
    }

    #[test]
    fn globs_backtrack_to_the_last_star_only() {
        assert!(glob_matches(b"a*b*c", b"axxbyybzc"));
        assert!(!glob_matches(b"a*b*c", b"axxbyybz"));
        assert!(glob_matches(b"*", b""));
    }

    #[test]
    fn a_batch_is_copied_only_when_it_holds_a_secret() {
        let mut span = Span { name: "a".into(), ..Span::default() };
        let list = Redaction::standard();
        assert_eq!(list.mask_batch(&SpanBatch::from_spans([&span])), None);
        span.attributes.push("password", "hunter2");
        span.attributes.push("port", 80_i64);
        let (batch, count) = list.mask_batch(&SpanBatch::from_spans([&span])).unwrap();
        assert_eq!(count, 1);
        let copy = batch.span(0).to_span();
        assert_eq!(copy.attributes.get("password"), Some(&Value::from(MASKED)));
        assert_eq!(copy.attributes.get("port"), Some(&Value::Int(80)));
    }
}

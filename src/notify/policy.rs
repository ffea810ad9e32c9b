//! When a notification is sent, tried again, or given up: documented rates, `Retry-After` in its dialects, back-off with full
//! jitter, what is permanent, the deadline.
//!
//! Figures are the vendors' (their API pages) where they publish any; retries follow the Standard Webhooks guide and
//! RFC 9110 section 10.2.3.

use crate::model::{DurationNs, UnixNanos};
use serde::Deserialize;

const SECOND: i64 = 1_000_000_000;
/// The first back-off is at most this.
const FIRST_BACKOFF: i64 = 5 * SECOND;
/// PagerDuty asks for longer pauses.
const FIRST_BACKOFF_PAGERDUTY: i64 = 30 * SECOND;
/// No back-off is longer.
const LONGEST_BACKOFF: i64 = 300 * SECOND;
/// A notification that could not be delivered for so long is given up.
pub const DEADLINE: DurationNs = DurationNs(24 * 3_600 * SECOND);

/// So many at once, then one an interval.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// Between two afterwards; 0 is no limit.
    pub interval: DurationNs,
}

/// The rate that a kind of channel documents, so that no window of theirs ever sees more.
pub fn rate(kind: &str) -> Rate {
    let (burst, interval_ms) = match kind {
        // 120 in any 60 s.
        "pagerduty" => (60, 1_000),
        // 5 in 2 s: four at once and one more every 2 s are never more.
        "discord" => (4, 2_000),
        // 20 a minute in a group.
        "telegram" => (5, 4_000),
        // 60 at once, then one every 5 s.
        "ntfy" => (60, 5_000),
        "slack" | "msteamsv2" | "webex" | "pushover" => (1, 1_000),
        _ => (1, 0),
    };
    Rate { burst, interval: DurationNs(interval_ms * 1_000_000) }
}

/// A token bucket, kept as the moment at which it is full again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bucket(i64);

impl Bucket {
    /// From when on one may be sent.
    pub fn earliest(self, rate: Rate) -> UnixNanos {
        UnixNanos(self.0.saturating_sub(rate.interval.0.saturating_mul(i64::from(rate.burst.saturating_sub(1)))))
    }

    /// Takes one at a moment that is not before [`Bucket::earliest`].
    pub fn take(&mut self, rate: Rate, now: UnixNanos) {
        self.0 = self.0.max(now.0).saturating_add(rate.interval.0);
    }
}

/// The pause before the next try after `tries` of them failed; `random` is uniform over all of `u64`.
pub fn backoff(kind: &str, tries: u32, random: u64) -> DurationNs {
    let first = if kind == "pagerduty" { FIRST_BACKOFF_PAGERDUTY } else { FIRST_BACKOFF };
    let most = first.saturating_mul(1_i64 << tries.saturating_sub(1).min(20)).min(LONGEST_BACKOFF);
    DurationNs(((i128::from(most) * i128::from(random)) >> 64) as i64)
}

/// The pause that a `Retry-After` header asks for: seconds, also with a fraction, or a date.
pub fn retry_after(header: &str, now: UnixNanos) -> Option<DurationNs> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return pause(seconds);
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(header).ok()?;
    Some(DurationNs((date.as_nanosecond() - i128::from(now.0)).clamp(0, i128::from(i64::MAX)) as i64))
}

fn pause(seconds: f64) -> Option<DurationNs> {
    // Above i64 it saturates, which is after any deadline.
    (seconds.is_finite() && seconds >= 0.0).then(|| DurationNs((seconds * 1e9).ceil() as i64))
}

/// The pause that the body of a 429 asks for: Discord's fractional `retry_after`, Telegram's `parameters.retry_after`.
pub fn retry_after_body(body: &[u8]) -> Option<DurationNs> {
    #[derive(Deserialize)]
    struct Parameters {
        retry_after: f64,
    }
    #[derive(Deserialize)]
    struct Limited {
        retry_after: Option<f64>,
        parameters: Option<Parameters>,
    }
    let limited: Limited = serde_json::from_slice(body).ok()?;
    pause(limited.retry_after.or(limited.parameters.map(|inside| inside.retry_after))?)
}

/// What an answer means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is there.
    Delivered,
    /// It may work later.
    Later {
        /// Why not now.
        reason: String,
        /// Not before this pause.
        pause: Option<DurationNs>,
    },
    /// It never will.
    Never {
        /// Why.
        reason: String,
    },
}

/// What a status means to every kind of channel: 2xx is delivered; 408, 425, 429 and 5xx may work later; the rest never.
/// Redirects are not followed: who is told must be who was configured.
pub fn by_status(status: u16, header: Option<&str>, body: &[u8], now: UnixNanos) -> Verdict {
    let said = String::from_utf8_lossy(&body[..body.len().min(300)]).trim().to_owned();
    let reason = if said.is_empty() { format!("answered {status}") } else { format!("answered {status}: {said}") };
    match status {
        200..=299 => Verdict::Delivered,
        408 | 425 | 429 | 500..=599 => {
            let asked = header.and_then(|header| retry_after(header, now));
            Verdict::Later { reason, pause: asked.max(retry_after_body(body)) }
        }
        410 => Verdict::Never { reason: format!("{reason}; the endpoint is gone for good, disarm or change the receiver") },
        300..=399 => Verdict::Never { reason: format!("{reason}; redirects are not followed, configure the final address") },
        _ => Verdict::Never { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_every_dialect() {
        let now = UnixNanos(1_700_000_000 * SECOND);
        for (header, wanted) in [
            ("7", Some(7_000_000_000)),
            ("0.25", Some(250_000_000)),
            ("Tue, 14 Nov 2023 22:13:50 GMT", Some(30_000_000_000)),
            ("Tue, 14 Nov 2023 22:13:10 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("NaN", None),
        ] {
            assert_eq!(retry_after(header, now).map(|pause| pause.0), wanted, "{header}");
        }
        assert_eq!(retry_after_body(br#"{"message":"x","retry_after":0.65,"global":false}"#), Some(DurationNs(650_000_000)));
        assert_eq!(retry_after_body(br#"{"ok":false,"parameters":{"retry_after":3}}"#), Some(DurationNs(3_000_000_000)));
        assert_eq!(retry_after_body(b"slow down"), None);
    }

    #[test]
    fn back_off_doubles_to_five_minutes_with_full_jitter() {
        let up = |pause: DurationNs| (pause.0 + SECOND - 1) / SECOND;
        let most = |kind, tries| up(backoff(kind, tries, u64::MAX));
        assert_eq!([1, 2, 3, 7, 60].map(|tries| most("slack", tries)), [5, 10, 20, 300, 300]);
        assert_eq!([1, 2, 9].map(|tries| most("pagerduty", tries)), [30, 60, 300]);
        assert_eq!(backoff("slack", 3, 0).0, 0);
        assert_eq!(up(backoff("slack", 3, u64::MAX / 2)), 10);
    }

    #[test]
    fn no_window_sees_more_than_is_documented() {
        for (kind, window, most) in
            [("slack", 1, 1), ("pagerduty", 60, 120), ("discord", 2, 5), ("telegram", 60, 20), ("ntfy", 300, 120)]
        {
            let (rate, mut bucket, mut now, mut sent) = (rate(kind), Bucket::default(), UnixNanos(1_000 * SECOND), Vec::new());
            for _ in 0..500 {
                now = now.max(bucket.earliest(rate));
                bucket.take(rate, now);
                sent.push(now.0);
            }
            for (place, at) in sent.iter().enumerate() {
                let inside = sent[place..].iter().take_while(|later| **later < at + window * SECOND).count();
                assert!(inside <= most, "{kind}: {inside} in {window} s");
            }
        }
    }

    #[test]
    fn what_is_permanent_and_what_is_not() {
        let verdict = |status| by_status(status, None, b"", UnixNanos(0));
        for status in [408, 425, 429, 500, 502, 503, 504, 529] {
            assert!(matches!(verdict(status), Verdict::Later { .. }), "{status}");
        }
        for status in [301, 307, 400, 401, 403, 404, 410, 413, 422] {
            assert!(matches!(verdict(status), Verdict::Never { .. }), "{status}");
        }
        assert!([200, 202, 204].iter().all(|status| verdict(*status) == Verdict::Delivered));
    }
}

//! Points in time and lengths of time, in nanoseconds, and their text forms.

use jiff::Timestamp;
use std::fmt;
use std::ops::{Add, Sub};

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z. Files may hold times near zero (relative clocks).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct UnixNanos(pub i64);

/// A length of time in nanoseconds; negative where one clock runs ahead of another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct DurationNs(pub i64);

impl UnixNanos {
    /// From the unsigned nanoseconds of OTLP; what lies after 2262 is clamped there.
    pub fn from_u64(nanos: u64) -> Self {
        Self(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    /// From microseconds, as Jaeger, Zipkin and Chrome write them; clamped.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// From milliseconds, as Prometheus writes them; clamped.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Time since `earlier`, negative when it is later.
    pub fn since(self, earlier: Self) -> DurationNs {
        DurationNs(self.0.saturating_sub(earlier.0))
    }

    /// RFC 3339 in UTC with nine fraction digits, the form of every JSON object that Belvedere prints.
    pub fn to_rfc3339(self) -> String {
        let timestamp = Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(Timestamp::UNIX_EPOCH);
        format!("{timestamp:.9}")
    }

    /// Reads RFC 3339 with any offset and up to nine fraction digits.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let timestamp: Timestamp = text.parse().ok()?;
        i64::try_from(timestamp.as_nanosecond()).ok().map(Self)
    }
}

impl fmt::Display for UnixNanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl Add<DurationNs> for UnixNanos {
    type Output = Self;

    fn add(self, length: DurationNs) -> Self {
        Self(self.0.saturating_add(length.0))
    }
}

impl Sub<DurationNs> for UnixNanos {
    type Output = Self;

    fn sub(self, length: DurationNs) -> Self {
        Self(self.0.saturating_sub(length.0))
    }
}

impl DurationNs {
    /// Seconds as a float, for ratios and plots.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl From<std::time::Duration> for DurationNs {
    fn from(length: std::time::Duration) -> Self {
        Self(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_prints_nine_digits_in_utc_and_reads_back() {
        let time = UnixNanos(1_761_142_297_204_000_001);
        assert_eq!(time.to_rfc3339(), "2025-10-22T14:11:37.204000001Z");
        assert_eq!(UnixNanos::parse_rfc3339("2025-10-22T16:11:37.204000001+02:00"), Some(time));
        assert_eq!(UnixNanos(0).to_rfc3339(), "1970-01-01T00:00:00.000000000Z");
    }

    #[test]
    fn what_does_not_fit_is_clamped() {
        assert_eq!(UnixNanos::from_u64(u64::MAX), UnixNanos(i64::MAX));
        assert_eq!(UnixNanos::from_micros(i64::MAX), UnixNanos(i64::MAX));
    }
}

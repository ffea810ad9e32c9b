//! Trace and span identifiers, as W3C trace context level 2 defines them: 16 and 8 bytes, all zero is invalid.

use std::fmt;
use std::str::FromStr;

/// A trace id, 16 bytes, big-endian. May be all zero (invalid) when it came that way; see [`TraceId::is_valid`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TraceId(pub [u8; 16]);

/// A span id, 8 bytes, big-endian. Absent parents are `None`, never a zero id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SpanId(pub [u8; 8]);

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The number of hexadecimal digits is not the one the id needs.
    #[error("expected {expected} hexadecimal digits, found {found}")]
    Length {
        /// Digits the id has.
        expected: usize,
        /// Characters that were there.
        found: usize,
    },
    /// A character is not a hexadecimal digit; the position counts bytes from 0.
    #[error("not a hexadecimal digit at position {0}")]
    Digit(usize),
}

impl TraceId {
    /// False for the all-zero id.
    pub fn is_valid(self) -> bool {
        self.0 != [0; 16]
    }

    /// The first eight hexadecimal digits, enough to tell traces apart on screen.
    pub fn short(self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text
    }

    /// From the high and low halves that Jaeger and Datadog use.
    pub fn from_halves(high: u64, low: u64) -> Self {
        Self((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
    }
}

impl SpanId {
    /// False for the all-zero id.
    pub fn is_valid(self) -> bool {
        self.0 != [0; 8]
    }

    /// The id unless it is all zero, which every format uses for "no parent".
    pub fn non_zero(self) -> Option<Self> {
        self.is_valid().then_some(self)
    }

    /// As a big-endian number.
    pub fn to_u64(self) -> u64 {
        u64::from_be_bytes(self.0)
    }
}

impl From<u64> for SpanId {
    fn from(number: u64) -> Self {
        Self(number.to_be_bytes())
    }
}

fn decode_hex(text: &str, out: &mut [u8]) -> Result<(), IdError> {
    let bytes = text.as_bytes();
    if bytes.len() != out.len() * 2 {
        return Err(IdError::Length { expected: out.len() * 2, found: bytes.len() });
    }
    let digit = |at: usize| (bytes[at] as char).to_digit(16).map(|d| d as u8).ok_or(IdError::Digit(at));
    for (index, byte) in out.iter_mut().enumerate() {
        *byte = digit(index * 2)? << 4 | digit(index * 2 + 1)?;
    }
    Ok(())
}

fn fmt_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0_u8; 32];
    for (index, byte) in bytes.iter().enumerate() {
        text[index * 2] = DIGITS[usize::from(byte >> 4)];
        text[index * 2 + 1] = DIGITS[usize::from(byte & 15)];
    }
    f.write_str(std::str::from_utf8(&text[..bytes.len() * 2]).unwrap_or_default())
}

macro_rules! hex_id {
    ($id:ident) => {
        impl FromStr for $id {
            type Err = IdError;

            /// Exactly the full number of digits, upper or lower case.
            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut id = Self::default();
                decode_hex(text, &mut id.0)?;
                Ok(id)
            }
        }

        impl fmt::Display for $id {
            /// Lower-case hexadecimal, full length.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt_hex(&self.0, f)
            }
        }
    };
}
hex_id!(TraceId);
hex_id!(SpanId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_either_case_and_prints_lower() {
        let id: TraceId = "5B8EFFF798038103D269B633813FC60C".parse().unwrap();
        assert_eq!(id.to_string(), "5b8efff798038103d269b633813fc60c");
        assert_eq!(id.short(), "5b8efff7");
    }

    #[test]
    fn a_wrong_length_or_digit_is_named() {
        assert_eq!("abc".parse::<SpanId>(), Err(IdError::Length { expected: 16, found: 3 }));
        assert_eq!("00000000000000g0".parse::<SpanId>(), Err(IdError::Digit(14)));
    }

    #[test]
    fn zero_is_not_valid() {
        assert!(!TraceId::default().is_valid());
        assert_eq!(SpanId::default().non_zero(), None);
        assert_eq!(TraceId::from_halves(0, 1).to_string(), "00000000000000000000000000000001");
    }
}

//! Hexadecimal at the speed that headers need: arithmetic that the compiler does on sixteen digits at once, no branch per
//! digit, the bad place looked for only after a failure.

/// Marks a byte that is not a digit.
const BAD: u8 = 0xff;

const fn table(upper: bool) -> [u8; 256] {
    let mut table = [BAD; 256];
    let mut digit = 0;
    while digit < 10 {
        table[b'0' as usize + digit] = digit as u8;
        digit += 1;
    }
    let mut letter = 0;
    while letter < 6 {
        table[b'a' as usize + letter] = 10 + letter as u8;
        if upper {
            table[b'A' as usize + letter] = 10 + letter as u8;
        }
        letter += 1;
    }
    table
}

static LOWER: [u8; 256] = table(false);
static EITHER: [u8; 256] = table(true);
/// Most digits of an id.
const LONGEST: usize = 32;

#[inline]
fn decode<const N: usize, const UPPER: bool>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != N * 2 || text.len() > LONGEST {
        return None;
    }
    let (mut values, mut bad) = ([0; LONGEST], 0);
    for (value, byte) in values.iter_mut().zip(text) {
        let digit = byte.wrapping_sub(b'0');
        // One bit apart, upper and lower case fall together.
        let letter = (if UPPER { *byte | 0x20 } else { *byte }).wrapping_sub(b'a');
        bad |= u8::from(digit > 9) & u8::from(letter > 5);
        *value = if digit > 9 { letter.wrapping_add(10) } else { digit };
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(values.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    (bad == 0).then_some(out)
}

/// Exactly `2 * N` lower-case digits, as W3C trace context demands.
#[inline]
pub(super) fn lower<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    decode::<N, false>(text)
}

/// Exactly `2 * N` digits of either case.
#[inline]
pub(super) fn either<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    decode::<N, true>(text)
}

/// One to `2 * N` digits of either case, zeros filled in on the left, as Jaeger and B3 shorten their ids.
pub(super) fn padded<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.is_empty() || text.len() > N * 2 {
        return None;
    }
    let mut out = [0; N];
    for (at, digit) in text.iter().rev().enumerate() {
        let value = EITHER[usize::from(*digit)];
        if value == BAD {
            return None;
        }
        out[N - 1 - at / 2] |= value << (4 * (at % 2));
    }
    Some(out)
}

/// Where the first byte stands that is no lower-case digit.
pub(super) fn bad_lower(text: &[u8]) -> Option<usize> {
    text.iter().position(|byte| LOWER[usize::from(*byte)] == BAD)
}

/// Writes `bytes` as lower-case digits into the front of `out`, which must be twice as long.
#[inline]
pub(super) fn write(bytes: &[u8], out: &mut [u8]) {
    let digit = |value: u8| value + if value > 9 { b'a' - 10 } else { b'0' };
    for (byte, pair) in bytes.iter().zip(out.chunks_exact_mut(2)) {
        pair[0] = digit(byte >> 4);
        pair[1] = digit(byte & 15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_decode_by_case_and_length() {
        assert_eq!(lower::<2>(b"0aff"), Some([0x0a, 0xff]));
        assert_eq!(lower::<2>(b"0AFF"), None);
        assert_eq!(either::<2>(b"0AfF"), Some([0x0a, 0xff]));
        assert_eq!(lower::<2>(b"0af"), None);
        assert_eq!(lower::<2>(b"0a.f"), None);
        assert_eq!(padded::<2>(b"aff"), Some([0x0a, 0xff]));
        assert_eq!(padded::<2>(b"0aff1"), None);
        assert_eq!(padded::<2>(b""), None);
        assert_eq!(bad_lower(b"00A"), Some(2));
    }

    #[test]
    fn every_byte_is_a_digit_or_none() {
        for byte in 0..=255_u8 {
            let text = [b'0', byte];
            assert_eq!(lower::<1>(&text).map(|out| out[0]), Some(LOWER[usize::from(byte)]).filter(|value| *value != BAD));
            assert_eq!(either::<1>(&text).map(|out| out[0]), Some(EITHER[usize::from(byte)]).filter(|value| *value != BAD));
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut text = [0; 6];
        write(&[0, 0x9c, 0xff], &mut text);
        assert_eq!(&text, b"009cff");
    }
}

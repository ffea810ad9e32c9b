//! Little-endian numbers, variable-length integers and sized texts: what every row of the data file is made of.
//!
//! Reading never panics, whatever the bytes: each call answers `None` at the end or on nonsense, and a length is believed
//! only as far as there are bytes behind it.

/// Appends numbers and texts to a buffer.
#[derive(Default, Debug)]
pub(crate) struct Out(pub(crate) Vec<u8>);

impl Out {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// LEB128, one byte below 128.
    #[inline]
    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A signed number near zero.
    #[inline]
    pub(crate) fn signed(&mut self, value: i64) {
        self.varint(zigzag(value));
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Bytes with their length before them.
    pub(crate) fn sized(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.raw(bytes);
    }
}

/// Small for numbers near zero of either sign.
#[inline]
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Undoes [`zigzag`].
#[inline]
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reads what [`Out`] wrote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct In<'a>(pub(crate) &'a [u8]);

impl<'a> In<'a> {
    #[inline]
    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    #[inline]
    pub(crate) fn signed(&mut self) -> Option<i64> {
        self.varint().map(unzigzag)
    }

    /// A number that fits 32 bits.
    #[inline]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.varint().and_then(|value| u32::try_from(value).ok())
    }

    /// A number of things that take at least one byte each of what is left, so that it can be allocated for.
    pub(crate) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.varint()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.raw(N)?.try_into().ok()
    }

    pub(crate) fn raw(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn sized(&mut self) -> Option<&'a [u8]> {
        let count = self.count()?;
        self.raw(count)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.sized()?).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_a_cut_is_noticed() {
        let mut out = Out::default();
        for value in [0, 127, 128, 16_384, u64::MAX] {
            out.varint(value);
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            out.signed(value);
        }
        out.sized(b"text");
        let mut all = In(&out.0);
        assert_eq!([0, 127, 128, 16_384, u64::MAX].map(|_| all.varint().unwrap()), [0, 127, 128, 16_384, u64::MAX]);
        assert_eq!([(); 5].map(|()| all.signed().unwrap()), [0, -1, 1, i64::MIN, i64::MAX]);
        assert_eq!(all.text(), Some("text"));
        assert!(all.is_empty());
        assert_eq!(In(&[0x80; 11]).varint(), None);
        assert_eq!(In(&[200, 1, 7]).sized(), None);
    }
}

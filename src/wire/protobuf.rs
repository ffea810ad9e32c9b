//! The protobuf wire format, as far as the small foreign messages need it: fields one after another, nothing copied.

/// One field.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Field<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1, little-endian.
    Fixed64(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire type 5, little-endian.
    Fixed32(u32),
}

impl<'a> Field<'a> {
    /// The content of a length-delimited field.
    pub fn bytes(self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// A number of any width.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Varint(number) | Self::Fixed64(number) => Some(number),
            Self::Fixed32(number) => Some(number.into()),
            Self::Bytes(_) => None,
        }
    }
}

/// Walks the fields of one message. After damage it gives the error once and ends.
pub(crate) struct Fields<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Over a message.
    pub fn of(message: &'a [u8]) -> Self {
        Self { whole: message, rest: message }
    }

    /// Bytes of the message that are walked.
    pub fn offset(&self) -> usize {
        self.whole.len() - self.rest.len()
    }

    fn field(&mut self) -> Option<(u32, Field<'a>)> {
        let key = varint(&mut self.rest)?;
        let number = u32::try_from(key >> 3).ok().filter(|number| *number != 0)?;
        let field = match key & 7 {
            0 => Field::Varint(varint(&mut self.rest)?),
            1 => Field::Fixed64(u64::from_le_bytes(take(&mut self.rest, 8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(varint(&mut self.rest)?).ok()?;
                Field::Bytes(take(&mut self.rest, length)?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(take(&mut self.rest, 4)?.try_into().ok()?)),
            // Groups have left the language; nothing here ever used them.
            _ => return None,
        };
        Some((number, field))
    }
}

impl<'a> Iterator for Fields<'a> {
    /// Field number and content, or the byte of the message at which it is damaged.
    type Item = Result<(u32, Field<'a>), usize>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let at = self.offset();
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or(at))
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(head)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_in_order_and_damage_is_named_once() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 1, 0, 0, 0];
        let fields: Vec<_> = Fields::of(&message).map(Result::unwrap).collect();
        assert_eq!(fields, [(1, Field::Varint(150)), (2, Field::Bytes(b"hi")), (3, Field::Fixed32(1))]);
        let cut: Vec<_> = Fields::of(&message[..5]).collect();
        assert_eq!(cut, [Ok((1, Field::Varint(150))), Err(3)]);
        assert_eq!(Fields::of(&[0x0b]).next(), Some(Err(0)));
        assert_eq!(Fields::of(&[0xff; 12]).next(), Some(Err(0)));
    }
}

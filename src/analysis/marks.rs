//! What is worth a mark on one span, as a set of bits.

/// A set of marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks(u16);

impl Marks {
    /// Nothing to say.
    pub const NONE: Self = Self(0);
    /// The parent was not received.
    pub const ORPHAN: Self = Self(1);
    /// The parents form a circle, which was cut above this span.
    pub const CYCLE: Self = Self(1 << 1);
    /// Starts before its parent or ends after it.
    pub const OUTSIDE_PARENT: Self = Self(1 << 2);
    /// Has an event before its start or after its end.
    pub const EVENT_OUTSIDE: Self = Self(1 << 3);
    /// The clock of its service is off by what [`super::estimate_skew`] found.
    pub const SKEW: Self = Self(1 << 4);
    /// Has not ended.
    pub const IN_FLIGHT: Self = Self(1 << 5);
    /// Ends before it starts.
    pub const NEGATIVE: Self = Self(1 << 6);
    /// Another span has the same id.
    pub const SHARED_ID: Self = Self(1 << 7);
    /// Status is an error.
    pub const ERROR: Self = Self(1 << 8);
    /// Came without a start; shown at its parent's.
    pub const NO_TIME: Self = Self(1 << 9);
    /// One of at least five siblings that do the same.
    pub const REPEATED: Self = Self(1 << 10);
    /// Makes a remote call or hands over a message: drawn with an arrow.
    pub const CALLS: Self = Self(1 << 11);
    /// Was announced, never ended, and is not waited for any more; [`super::Tree::given_up`] says why.
    pub const GIVEN_UP: Self = Self(1 << 12);

    /// True when every mark of `other` is set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets the marks of `other`.
    pub fn set(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Takes the marks of `other` away.
    pub fn unset(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// The marks that a reader should know of, in words.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        const WORDS: [(Marks, &str); 10] = [
            (Marks::ORPHAN, "parent not received"),
            (Marks::CYCLE, "cut out of a circle of parents"),
            (Marks::OUTSIDE_PARENT, "outside its parent"),
            (Marks::EVENT_OUTSIDE, "event outside the span"),
            (Marks::SKEW, "clock skew"),
            (Marks::IN_FLIGHT, "in flight"),
            (Marks::GIVEN_UP, "given up"),
            (Marks::NEGATIVE, "ends before it starts"),
            (Marks::SHARED_ID, "shares its id"),
            (Marks::NO_TIME, "came without a time"),
        ];
        WORDS.into_iter().filter(move |(mark, _)| self.has(*mark)).map(|(_, word)| word)
    }
}

impl std::ops::BitOr for Marks {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_add_up_and_read_in_words() {
        let mut marks = Marks::ORPHAN;
        marks.set(Marks::IN_FLIGHT | Marks::ERROR);
        assert!(marks.has(Marks::ERROR) && !marks.has(Marks::CYCLE) && !marks.has(Marks::CYCLE | Marks::ERROR));
        assert_eq!(marks.words().collect::<Vec<_>>(), ["parent not received", "in flight"]);
    }
}

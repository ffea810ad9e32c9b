//! What goes wrong when: good days, slow days, a bad release. Follows from the number of the page visit, and travels to
//! the services as baggage, so that every service acts on the same weather and a seed repeats it.

use crate::context::Baggage;

/// Baggage name of the weather.
const WEATHER: &str = "shop.weather";
/// Page visits in a round of the default weather; the last fifth of a round is a slow day.
const ROUND: u64 = 150;

/// Conditions of one page visit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Weather {
    /// A good day.
    #[default]
    Calm,
    /// The inventory's database has lost an index.
    SlowDatabase,
    /// Payment 2.5.0 takes all the traffic, and it is broken.
    BadRelease,
}

/// A part of the story that `--story` tells.
pub(super) struct Chapter {
    /// Page visits it lasts.
    pub(super) visits: u64,
    pub(super) weather: Weather,
    pub(super) text: &'static str,
}

/// Told in turn, and from the start again.
pub(super) const STORY: [Chapter; 5] = [
    Chapter { visits: 60, weather: Weather::Calm, text: "A calm day: pages load, orders come in, the odd retry." },
    Chapter {
        visits: 60,
        weather: Weather::BadRelease,
        text: "Payment 2.5.0 takes all the traffic: charges slow down and fail. Compare payment by service.version.",
    },
    Chapter { visits: 40, weather: Weather::Calm, text: "Payment is rolled back to 2.4.0: errors stop." },
    Chapter {
        visits: 60,
        weather: Weather::SlowDatabase,
        text: "Inventory's database loses an index: product pages crawl. Look for the longest postgresql span.",
    },
    Chapter { visits: 40, weather: Weather::Calm, text: "The index is back: a calm day again." },
];

/// The chapter in which page visit `number` falls, and whether it is the chapter's first.
pub(super) fn chapter(number: u64) -> (&'static Chapter, bool) {
    let length: u64 = STORY.iter().map(|chapter| chapter.visits).sum();
    let mut at = number % length;
    for chapter in &STORY {
        if at < chapter.visits {
            return (chapter, at == 0);
        }
        at -= chapter.visits;
    }
    (&STORY[0], false)
}

impl Weather {
    pub(super) fn of_visit(number: u64, story: bool) -> Self {
        match (story, number % ROUND) {
            (true, _) => chapter(number).0.weather,
            (false, at) if at >= ROUND / 5 * 4 => Self::SlowDatabase,
            (false, _) => Self::Calm,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::SlowDatabase => "slow-database",
            Self::BadRelease => "bad-release",
        }
    }

    pub(super) fn into_baggage(self, baggage: &Baggage) -> Baggage {
        baggage.with(WEATHER, self.word())
    }

    pub(super) fn from_baggage(baggage: &Baggage) -> Self {
        let word = baggage.get(WEATHER);
        [Self::SlowDatabase, Self::BadRelease].into_iter().find(|weather| Some(weather.word()) == word).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weather_travels_as_baggage() {
        for weather in [Weather::Calm, Weather::SlowDatabase, Weather::BadRelease] {
            assert_eq!(Weather::from_baggage(&weather.into_baggage(&Baggage::default())), weather);
        }
    }

    #[test]
    fn the_story_turns_its_pages() {
        assert!(chapter(0).1 && !chapter(1).1);
        assert_eq!(Weather::of_visit(60, true), Weather::BadRelease);
        assert_eq!(Weather::of_visit(260, true), Weather::Calm);
        assert_eq!((Weather::of_visit(0, false), Weather::of_visit(149, false)), (Weather::Calm, Weather::SlowDatabase));
    }
}

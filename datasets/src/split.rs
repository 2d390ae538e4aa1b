//! The split in time: of a dataset cut at any midnight, and of the bundled history.
//!
//! Owns which rounds a model may be trained on, which may judge it, and which no reference model
//! has ever seen. Must never let the bars behind a row of one part reach into the next part.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::candle::BAR_US;

/// Days of the part that judges models.
pub const VALIDATION_DAYS: i64 = 6;
/// A UTC day in microseconds.
pub const DAY_US: i64 = 86_400_000_000;

/// Bars left out between two parts: one day. More than a row spans, which is [`crate::features`]'
/// 145 bars, the bar open at the freeze and the bar of the target.
pub const EMBARGO_BARS: i64 = 288;

/// The first five-minute round of the bundled days, 2024-02-01T00:00Z (the first rows need warm-up).
const TRAIN_FROM_US: i64 = 1_706_745_600_000_000;
/// 2024-02-22T00:00Z.
const TRAIN_TO_US: i64 = 1_708_560_000_000_000;
/// 2024-02-29T00:00Z.
const VALIDATION_TO_US: i64 = 1_709_164_800_000_000;
/// 2024-03-08T00:05Z, the end of the last bundled bar.
const REPLAY_TO_US: i64 = 1_709_856_300_000_000;
const EMBARGO_US: i64 = EMBARGO_BARS * BAR_US;

/// How a dataset is split that knows the candles closed by a UTC midnight, the cut, and no later one.
///
/// Before the cut lies a day in no part, so that a model judged on the validation part meets live
/// rounds whose bars it was not judged by; before that [`VALIDATION_DAYS`] of validation, another
/// day in no part, and everything older is for training. So the newest target ends a day before the
/// cut, and a dataset made at a moment of the market never tells what happened after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    cut_us: i64,
}

impl Split {
    /// The split of the bundled history: what a demo replays begins at its cut.
    pub const BUNDLED: Self = Self {
        cut_us: Part::Replay.from_us(),
    };

    /// The split that is cut at the last UTC midnight by `instant_us`.
    pub const fn by(instant_us: i64) -> Self {
        Self {
            cut_us: instant_us - instant_us.rem_euclid(DAY_US),
        }
    }

    /// Candles that close later are not looked at. Also the start of the live row's round.
    pub const fn cut_us(self) -> i64 {
        self.cut_us
    }

    /// Rounds for training end by then.
    pub const fn train_to_us(self) -> i64 {
        self.validation_us().start - EMBARGO_US
    }

    /// Rounds for validation lie between.
    pub const fn validation_us(self) -> Range<i64> {
        let to_us = self.cut_us - EMBARGO_US;
        to_us - VALIDATION_DAYS * DAY_US..to_us
    }
}

/// A part of the bundled history. The embargoed days between them belong to none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What models learn from: 21 days.
    Train,
    /// What judges them before they go live: 6 days.
    Validation,
    /// What demo rounds replay as if it were live: 7 days. Its targets are never published.
    Replay,
}

impl Part {
    /// All parts, oldest first.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Replay];

    /// Lower-case name as in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Replay => "replay",
        }
    }

    /// The start of the first round of this part, microseconds UTC.
    pub const fn from_us(self) -> i64 {
        match self {
            Self::Train => TRAIN_FROM_US,
            Self::Validation => TRAIN_TO_US + EMBARGO_US,
            Self::Replay => VALIDATION_TO_US + EMBARGO_US,
        }
    }

    /// The end of the last round of this part, microseconds UTC.
    pub const fn to_us(self) -> i64 {
        match self {
            Self::Train => TRAIN_TO_US,
            Self::Validation => VALIDATION_TO_US,
            Self::Replay => REPLAY_TO_US,
        }
    }

    /// Whether the round `[t_us, t_us + 300 s)` lies in this part.
    pub const fn holds(self, t_us: i64) -> bool {
        t_us >= self.from_us() && t_us + BAR_US <= self.to_us()
    }
}

/// The part of the round that starts at `t_us`; `None` for embargoed and foreign rounds.
pub fn part_of(t_us: i64) -> Option<Part> {
    Part::ALL.into_iter().find(|part| part.holds(t_us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{BARS_NEEDED, FREEZE_US};
    use domain::timestamp::rfc3339;

    #[test]
    fn parts_begin_and_end_on_the_stated_days() {
        let days = Part::ALL.map(|part| [rfc3339(part.from_us()), rfc3339(part.to_us())]);
        assert_eq!(days[0], ["2024-02-01T00:00:00Z", "2024-02-22T00:00:00Z"]);
        assert_eq!(days[1], ["2024-02-23T00:00:00Z", "2024-02-29T00:00:00Z"]);
        assert_eq!(days[2], ["2024-03-01T00:00:00Z", "2024-03-08T00:05:00Z"]);
    }

    #[test]
    fn no_bar_behind_a_row_reaches_into_the_part_before() {
        for (before, after) in [
            (Part::Train, Part::Validation),
            (Part::Validation, Part::Replay),
        ] {
            let oldest_bar_us = after.from_us() - FREEZE_US - BARS_NEEDED as i64 * BAR_US;
            assert!(
                oldest_bar_us >= before.to_us(),
                "{before:?} reaches into {after:?}"
            );
            assert_eq!(after.from_us() - before.to_us(), EMBARGO_BARS * BAR_US);
        }
    }

    #[test]
    fn the_bundled_parts_are_the_split_at_their_cut() {
        let split = Split::by(Part::Replay.from_us() + 86_399_999_999);
        assert_eq!(split, Split::BUNDLED);
        assert_eq!(split.train_to_us(), Part::Train.to_us());
        let validation = Part::Validation.from_us()..Part::Validation.to_us();
        assert_eq!(split.validation_us(), validation);
        assert_ne!(Split::by(Part::Replay.from_us() - 1), split);
    }

    #[test]
    fn every_round_has_at_most_one_part() {
        for t_us in (Part::Train.from_us()..Part::Replay.to_us()).step_by(300_000_000) {
            let parts = Part::ALL
                .into_iter()
                .filter(|part| part.holds(t_us))
                .count();
            assert!(parts <= 1);
            assert_eq!(parts == 1, part_of(t_us).is_some());
        }
        assert_eq!(part_of(Part::Train.to_us()), None);
        assert_eq!(part_of(Part::Replay.to_us()), None);
    }
}

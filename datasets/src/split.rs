//! The split in time of the bundled history.
//!
//! Owns which rounds a model may be trained on, which may judge it, and which no reference model
//! has ever seen. Must never let the bars behind a row of one part reach into the next part.

use serde::{Deserialize, Serialize};

use crate::candle::BAR_US;

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

/// A part of the history. The embargoed days between them belong to none.
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

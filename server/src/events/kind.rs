//! What can happen, by the names on the wire.

use std::fmt;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A round takes predictions.
    RoundOpen,
    /// What a round counts is frozen.
    RoundLocked,
    /// Its outcome is known.
    RoundResolved,
    /// Scores and payouts are known.
    RoundScored,
    /// The money has moved on chain.
    RoundSettled,
    /// It ended without effect.
    RoundVoid,
    /// What a locked round counts for a model of the listener's.
    PredictionCounted,
    /// A locked round counts nothing for a model of the listener's.
    PredictionAbsent,
    /// How a model of the listener's did.
    PredictionScored,
    /// What a settled round paid a model of the listener's.
    PredictionPaid,
    /// A hosted model of the listener's takes no part any more.
    ModelPaused,
}

const NAMES: [(Kind, &str); 11] = [
    (Kind::RoundOpen, "round.open"),
    (Kind::RoundLocked, "round.locked"),
    (Kind::RoundResolved, "round.resolved"),
    (Kind::RoundScored, "round.scored"),
    (Kind::RoundSettled, "round.settled"),
    (Kind::RoundVoid, "round.void"),
    (Kind::PredictionCounted, "prediction.counted"),
    (Kind::PredictionAbsent, "prediction.absent"),
    (Kind::PredictionScored, "prediction.scored"),
    (Kind::PredictionPaid, "prediction.paid"),
    (Kind::ModelPaused, "model.paused"),
];

impl Kind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(kind, _)| *kind)
    }

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, name)| name)
    }

    /// The kind of a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let found = NAMES.iter().find(|(_, name)| *name == text);
        found.map(|(kind, _)| *kind)
    }

    /// Whether it is about one account's models, for that account alone.
    #[must_use]
    pub fn is_own(self) -> bool {
        matches!(
            self,
            Self::PredictionCounted
                | Self::PredictionAbsent
                | Self::PredictionScored
                | Self::PredictionPaid
                | Self::ModelPaused
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

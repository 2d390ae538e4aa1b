//! The life of a round and how it can end (protocol.md §7; the shown names: product.md).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The settlement job's states. Stored by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RoundState {
    /// Known, not yet open.
    Scheduled,
    /// Takes predictions.
    Open,
    /// Predictions, stakes, tree, salt and aggregate are frozen.
    Locked,
    /// The commitment is mined and final.
    Committed,
    /// The price evidence is closed and hashed.
    Evidenced,
    /// The outcome is written.
    Resolved,
    /// Scores and payouts are written.
    Scored,
    /// Part of a batch on its way.
    Batched,
    /// Its batch is accepted and final.
    Final,
    /// Ended without effect; every stake is free again.
    Void,
}

/// What people and the API see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShownState {
    /// Not yet open.
    Scheduled,
    /// Takes predictions.
    Open,
    /// Frozen, waiting for the interval to pass.
    Locked,
    /// The outcome is known.
    Resolved,
    /// Scores and payouts are known.
    Scored,
    /// The money has moved on chain.
    Settled,
    /// Ended without effect.
    Void,
}

const NAMES: [(RoundState, &str); 10] = [
    (RoundState::Scheduled, "scheduled"),
    (RoundState::Open, "open"),
    (RoundState::Locked, "locked"),
    (RoundState::Committed, "committed"),
    (RoundState::Evidenced, "evidenced"),
    (RoundState::Resolved, "resolved"),
    (RoundState::Scored, "scored"),
    (RoundState::Batched, "batched"),
    (RoundState::Final, "final"),
    (RoundState::Void, "void"),
];

impl RoundState {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(state, _)| *state == self)
            .map_or("void", |(_, name)| name)
    }

    /// What people see.
    #[must_use]
    pub fn shown(self) -> ShownState {
        match self {
            Self::Scheduled => ShownState::Scheduled,
            Self::Open => ShownState::Open,
            Self::Locked | Self::Committed | Self::Evidenced => ShownState::Locked,
            Self::Resolved => ShownState::Resolved,
            Self::Scored | Self::Batched => ShownState::Scored,
            Self::Final => ShownState::Settled,
            Self::Void => ShownState::Void,
        }
    }

    /// Whether the rules allow going from here to `next`.
    ///
    /// A rejected batch returns its rounds from `Batched` to `Scored`; `Void` is reached from any
    /// state but `Batched` and `Final`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use RoundState as S;
        match (self, next) {
            (S::Batched | S::Final | S::Void, S::Void) => false,
            (_, S::Void) => true,
            (from, to) => matches!(
                (from, to),
                (S::Scheduled, S::Open)
                    | (S::Open, S::Locked)
                    | (S::Locked, S::Committed)
                    | (S::Committed, S::Evidenced)
                    | (S::Evidenced, S::Resolved)
                    | (S::Resolved, S::Scored)
                    | (S::Scored, S::Batched)
                    | (S::Batched, S::Final | S::Scored)
            ),
        }
    }
}

impl fmt::Display for RoundState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RoundState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        NAMES
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(state, _)| *state)
            .ok_or_else(|| format!("{text:?} is not a round state"))
    }
}

impl ShownState {
    /// The shown name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Open => "open",
            Self::Locked => "locked",
            Self::Resolved => "resolved",
            Self::Scored => "scored",
            Self::Settled => "settled",
            Self::Void => "void",
        }
    }
}

/// Which way the price went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Above the price before.
    Up,
    /// Below the price before.
    Down,
}

impl Direction {
    /// y of the formulas, in ppm: 1,000,000 for up, 0 for down.
    #[must_use]
    pub fn y_ppm(self) -> u32 {
        match self {
            Self::Up => 1_000_000,
            Self::Down => 0,
        }
    }
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The price went somewhere.
    Direction(Direction),
    /// No outcome stands up; every stake returns.
    Void,
}

impl Outcome {
    /// `up`, `down` or `void`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Direction(Direction::Up) => "up",
            Self::Direction(Direction::Down) => "down",
            Self::Void => "void",
        }
    }

    /// Parses `up`, `down` or `void`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "up" => Some(Self::Direction(Direction::Up)),
            "down" => Some(Self::Direction(Direction::Down)),
            "void" => Some(Self::Void),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for (state, name) in NAMES {
            assert_eq!(name.parse(), Ok(state));
            assert_eq!(state.name(), name);
        }
    }

    #[test]
    fn an_end_is_an_end() {
        for (state, _) in NAMES {
            assert!(!RoundState::Final.may_become(state));
            assert!(!RoundState::Void.may_become(state));
        }
        assert!(!RoundState::Batched.may_become(RoundState::Void));
        assert!(RoundState::Scored.may_become(RoundState::Void));
        assert!(RoundState::Batched.may_become(RoundState::Scored));
        assert!(!RoundState::Open.may_become(RoundState::Scored));
    }
}

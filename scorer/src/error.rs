//! Why a sum of money cannot be computed. Callers stop and void; nothing is ever guessed.

use thiserror::Error;

/// What is wrong with the input of a money formula. Positions count from 0.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MoneyError {
    /// λ = 1/(1 − 2a) needs a under one half.
    #[error("a is {a_ppm} ppm, but must be under 500000; use the tournament's own a")]
    EdgeTooWide {
        /// The refused a.
        a_ppm: u32,
    },
    /// An outcome is between 0 and 1.
    #[error("y is {y_ppm} ppm, but must be at most 1000000; 1000000 is up, 0 is down")]
    OutcomeRange {
        /// The refused y.
        y_ppm: u32,
    },
    /// Only staked models settle.
    #[error("the stake at position {position} is 0; leave models without a stake out")]
    ZeroStake {
        /// Where in the slice.
        position: usize,
    },
    /// Counted reports are clamped before they get here.
    #[error(
        "p at position {position} is {p_ppm} ppm, outside [{a_ppm}, 1000000 - {a_ppm}]; \
         settle the counted p, which is clamped, not the posted one"
    )]
    OutsideEdge {
        /// Where in the slice.
        position: usize,
        /// The refused report.
        p_ppm: u32,
        /// The edge it is outside of.
        a_ppm: u32,
    },
    /// W must stay under 2^63 units.
    #[error("the stakes sum to 2^63 units or more; cap the round's stakes first")]
    TotalTooLarge,
    /// Averages need a memory of at least one round.
    #[error("a memory of {rounds} rounds is not at least 1")]
    Memory {
        /// The refused N.
        rounds: i64,
    },
    /// A share of a stake is at most the whole.
    #[error("L is {ppm} ppm, but must be at most 1000000")]
    LimitRange {
        /// The refused L.
        ppm: u32,
    },
    /// A stored sum outside what the formula can have written.
    #[error("{0} left its range; the stored numbers before it are broken, halt and reconcile")]
    OutOfRange(&'static str),
}

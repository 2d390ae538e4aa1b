//! The words everybody uses: ids, rounds, prices, probabilities, token amounts, clocks.
//!
//! Owns the types that cross crate borders. Never does IO, never reads the machine's clock except
//! in [`clock::WallClock`], never knows SQL, HTTP or the chain.
#![deny(clippy::unwrap_used, clippy::panic)]

pub mod clock;
pub mod id;
pub mod origin;
pub mod price;
pub mod probability;
pub mod round;
pub mod score;
pub mod timestamp;
pub mod token;
pub mod tournament;

pub use clock::{MarketClock, WallClock};
pub use id::{AccountId, IdError, ModelId, RoundId, SourceId, TournamentId};
pub use origin::{Origin, OriginError};
pub use price::{Price, PriceError, Quantity, QuantityError};
pub use probability::{Probability, ProbabilityError};
pub use round::{Direction, Outcome, RoundState, ShownState};
pub use score::{Score, ScoreError};
pub use token::{Delta, TokenAmount, TokenError};
pub use tournament::{OutcomeRule, StakeRule, Timetable, Tournament, TournamentError, Venue};

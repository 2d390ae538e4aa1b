//! The fault suite: rows R1 to R9, R12, R14 to R18 of the scorecard, against real anvil,
//! a real database, our contracts and the built settler; R14 and R15 against fake venues, R18 in a
//! whole demo with runners of its own.
//!
//! Every row makes its own worlds and ends with the same invariants ([`check`]). What is random is
//! drawn with fixed seeds; what the machine's scheduling adds is not.

pub mod burst;
pub mod check;
pub mod disk;
pub mod flood;
pub mod flow;
pub mod gone;
pub mod kill;
pub mod miner;
pub mod node;
pub mod postgres;
pub mod prices;
pub mod proxy;
pub mod reorg;
pub mod replay;
pub mod row;
pub mod rpc;
pub mod runners;
pub mod suite;
pub mod two;
pub mod world;

pub use crate::dice;
pub use suite::main;

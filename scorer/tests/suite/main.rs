//! One binary for all tests of the crate: linking costs more than running them.

mod aggregate;
mod direction;
mod money_properties;
mod settle_file;
mod summary;
mod vectors;
mod wager_properties;

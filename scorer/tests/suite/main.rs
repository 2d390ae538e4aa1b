//! One binary for all tests of the crate: linking costs more than running them.

mod aggregate;
mod calibration;
mod cross_section;
mod direction;
mod golden;
mod money_properties;
mod score_file;
mod settle_file;
mod summary;
mod trading;
mod vectors;
mod wager_properties;

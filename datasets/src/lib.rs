//! From candles to what models learn from and are fed with.
//!
//! Owns the feature schema, the targets, the split in time, the files that data scientists
//! download, the bundled market data and the bundled reference models. One code path computes the
//! historical rows and the live row.
//!
//! Must never read a clock, use the network, or compute a row from a candle that was still open
//! when the features of its round are frozen.

pub mod candle;

pub mod features;
pub mod split;
pub mod targets;

pub mod bundled;
pub mod candle_file;
pub mod dataset;
pub mod distributions;
pub mod export;
pub mod manifest;
pub mod reference_models;
pub mod row_file;
pub mod version;

mod columns;
mod error;

pub use candle::{Asset, Candle, CandleHistory, CandleSeries};
pub use error::DatasetError;
pub use export::write_datasets;
pub use manifest::Manifest;
pub use reference_models::{ReferenceModel, reference_models};
pub use version::Version;

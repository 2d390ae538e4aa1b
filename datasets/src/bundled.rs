//! The market data inside the binary: 36 days of BTC and ETH five-minute candles.
//!
//! 2024-02-01T00:00Z to 2024-03-08T00:05Z, 10,369 bars of each asset without gaps. Source and
//! licence: `NOTICE-data.md`. Must never be changed by hand: `examples/bundle_candles.rs` writes it.

use crate::candle::CandleHistory;
use crate::candle_file;
use crate::error::DatasetError;

/// The candle file as bytes, columns as in [`crate::candle_file`].
pub const CANDLES_PARQUET: &[u8] = include_bytes!("../data/candles-btc-eth-5m.parquet");

/// The bundled candles of both assets. Decodes the file anew each time (milliseconds): keep it.
///
/// # Errors
/// Only when the bundled file is damaged.
pub fn candles() -> Result<CandleHistory, DatasetError> {
    candle_file::read(CANDLES_PARQUET)
}

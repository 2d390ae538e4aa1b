//! What can go wrong between a candle and a file, each with what the caller can act on.

use domain::PriceError;
use domain::timestamp::rfc3339;
use polars::error::PolarsError;
use thiserror::Error;

use crate::candle::Asset;

/// Everything that this crate refuses.
#[derive(Debug, Error)]
pub enum DatasetError {
    /// A bar that the features or the target of a round need is not there.
    #[error("the {role} bar that opens at {} is missing", rfc3339(*open_time_us))]
    MissingBar {
        /// Which series: `own` or `other`.
        role: &'static str,
        /// When the missing bar opens, microseconds UTC.
        open_time_us: i64,
    },
    /// A round does not start on the five-minute grid.
    #[error("{t_us} us is not the start of a five-minute round")]
    NotARound {
        /// The refused instant, microseconds UTC.
        t_us: i64,
    },
    /// A candle that no market can produce, or one out of order.
    #[error("the {asset} candle that opens at {} is refused: {reason}", rfc3339(*open_time_us))]
    Candle {
        /// Whose candle.
        asset: Asset,
        /// When it opens, microseconds UTC.
        open_time_us: i64,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// A stored price that is none.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// A stored column holds a null where every row needs a value.
    #[error("column {column} of the candle file has an empty cell")]
    EmptyCell {
        /// The column's name.
        column: String,
    },
    /// The candles do not cover a single round of a part.
    #[error("the candles hold no round of the part {part}")]
    EmptyPart {
        /// The part's name.
        part: &'static str,
    },
    /// Text that names no version.
    #[error(
        "{text:?} is no version of a dataset; one is called 1.1.0-20240305 or 1.1.0-20240305-r2"
    )]
    Version {
        /// The refused text, cut.
        text: String,
    },
    /// Reading or writing Parquet failed.
    #[error("parquet: {0}")]
    Parquet(#[from] PolarsError),
    /// Writing JSON failed.
    #[error("json: {0}")]
    Json(#[from] serde_json::Error),
    /// A file could not be written.
    #[error("{path}: {source}")]
    Write {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

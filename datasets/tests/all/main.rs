//! Tests of the crate on its own bundled data, one binary because linking is what costs time.

mod export;
mod models;
mod rows;
mod targets;

use std::sync::LazyLock;

use datasets::candle::{BAR_US, Candle, CandleHistory};
use datasets::{Asset, bundled};
use proptest::prelude::*;

/// The bundled candles, decoded once.
pub(crate) static HISTORY: LazyLock<CandleHistory> =
    LazyLock::new(|| bundled::candles().expect("the bundled candles are whole"));

/// Own and other candles of a row of `asset`.
pub(crate) fn both(asset: Asset) -> (&'static [Candle], &'static [Candle]) {
    (
        HISTORY.of(asset).as_slice(),
        HISTORY.of(asset.other()).as_slice(),
    )
}

pub(crate) fn any_asset() -> impl Strategy<Value = Asset> {
    prop_oneof![Just(Asset::Btc), Just(Asset::Eth)]
}

/// Starts of bundled rounds that have features and a target.
pub(crate) fn any_round() -> impl Strategy<Value = i64> {
    let opens = HISTORY.btc.as_slice();
    let first_us = opens[datasets::features::BARS_NEEDED + 1].open_time_us;
    (0..10_369 - 146_i64).prop_map(move |round| first_us + round * BAR_US)
}

#[test]
fn the_bundled_candles_are_the_stated_ones() {
    for asset in Asset::ALL {
        let candles = HISTORY.of(asset).as_slice();
        assert_eq!(candles.len(), 10_369);
        assert!(
            candles
                .windows(2)
                .all(|pair| pair[1].open_time_us == pair[0].close_time_us())
        );
    }
    let first = HISTORY.btc.as_slice()[0];
    assert_eq!(first.open_time_us, 1_706_745_600_000_000);
    assert_eq!(first.high.units(), 4_268_763_000_000);
    assert_eq!(first.volume.to_bits(), 159.721_34_f64.to_bits());
    let last = HISTORY.eth.as_slice()[10_368];
    assert_eq!(last.open_time_us, 1_709_856_000_000_000);
    assert_eq!(last.close.units(), 387_201_000_000);
}

#[test]
fn the_candle_file_returns_what_was_written() {
    let bytes = datasets::candle_file::write(&HISTORY).unwrap();
    assert_eq!(datasets::candle_file::read(&bytes).unwrap(), *HISTORY);
    assert_eq!(
        bytes,
        bundled::CANDLES_PARQUET,
        "the example writes the bundled bytes"
    );
    assert!(datasets::candle_file::read(&bytes[..1000]).is_err());
}

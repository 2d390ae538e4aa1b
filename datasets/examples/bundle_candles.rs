//! Makes the bundled candle file from the CSV of its source, and reads it back to compare.
//!
//! `cargo run -p datasets --example bundle_candles -- SOURCE.csv datasets/data/candles-btc-eth-5m.parquet`
//!
//! Columns of the source: open time in Unix milliseconds, then open, high, low, close and volume of
//! BTC/USDT and of ETH/USDT. Prices go from decimal text to integers without a float in between.

use std::env::args;
use std::io::Write;

use datasets::candle_file;
use datasets::{Asset, Candle, CandleHistory, CandleSeries};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let paths: Vec<String> = args().skip(1).collect();
    let [source, destination] = paths.as_slice() else {
        return Err("usage: bundle_candles SOURCE.csv DESTINATION.parquet".into());
    };
    let history = read_csv(&std::fs::read_to_string(source)?)?;
    let bytes = candle_file::write(&history)?;
    if candle_file::read(&bytes)? != history {
        return Err("the written candles differ from the source".into());
    }
    std::fs::write(destination, &bytes)?;
    let bars = history.btc.as_slice().len();
    writeln!(
        std::io::stdout(),
        "{destination}: {bars} bars, {} bytes",
        bytes.len()
    )?;
    Ok(())
}

fn read_csv(text: &str) -> Result<CandleHistory, Failure> {
    let (mut btc, mut eth) = (vec![], vec![]);
    for (index, line) in text.lines().enumerate().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [time_ms, bars @ ..] = cells.as_slice() else {
            continue;
        };
        let (btc_cells, eth_cells) = bars.split_at_checked(5).ok_or("too few columns")?;
        let open_time_us = time_ms.parse::<i64>()? * 1_000;
        let at_line = |failure: Failure| format!("line {}: {failure}", index + 1);
        btc.push(candle(open_time_us, btc_cells).map_err(at_line)?);
        eth.push(candle(open_time_us, eth_cells).map_err(at_line)?);
    }
    Ok(CandleHistory {
        btc: CandleSeries::new(Asset::Btc, btc)?,
        eth: CandleSeries::new(Asset::Eth, eth)?,
    })
}

fn candle(open_time_us: i64, cells: &[&str]) -> Result<Candle, Failure> {
    let [open, high, low, close, volume] = cells else {
        return Err("five cells per asset are needed".into());
    };
    Ok(Candle {
        open_time_us,
        open: open.parse()?,
        high: high.parse()?,
        low: low.parse()?,
        close: close.parse()?,
        volume: volume.parse()?,
    })
}

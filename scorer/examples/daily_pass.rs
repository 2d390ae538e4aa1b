//! A day's scoring through the command that users have: 25 rounds of 7,000 models and 5,000 rows each,
//! CORR and MMC, streamed from one Parquet file.
//!
//! `daily_pass DIR FORETOKEN` writes the files (3.6 GB) to DIR, runs `FORETOKEN score` on them, prints
//! JSON and leaves DIR to its owner. Writing the files is not timed.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use domain::WallClock;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use polars::prelude::{Column, DataFrame, ParquetCompression, ParquetWriter};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const ROUNDS: usize = 25;
const MODELS: usize = 7_000;
const ROWS: usize = 5_000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let usage = "usage: daily_pass DIR FORETOKEN";
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or(usage)?;
    let program = arguments.next().ok_or(usage)?;
    let folder = Path::new(&folder);
    write(folder)?;
    let clock = WallClock::system();
    let (before, started_us) = (getrusage(UsageWho::RUSAGE_CHILDREN)?, clock.now_us());
    let status = Command::new(&program)
        .args(["score", "--metric", "corr,mmc", "--target-scale", "4"])
        .arg("--predictions")
        .arg(folder.join("predictions.parquet"))
        .arg("--targets")
        .arg(folder.join("targets.parquet"))
        .arg("--meta")
        .arg(folder.join("meta.parquet"))
        .arg("--out")
        .arg(folder.join("scores.json"))
        .status()?;
    let wall_s = (clock.now_us() - started_us) as f64 / 1e6;
    if !status.success() {
        return Err(format!("{program} score ended with {status}").into());
    }
    let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let scored = scored(&folder.join("scores.json"))?;
    let report = serde_json::json!({
        "wall_s": wall_s,
        "cpu_s": cpu_s(&after) - cpu_s(&before),
        // The only child, so the largest of all children is its own; Linux counts kilobytes.
        "peak_rss_mb": after.max_rss() as f64 / 1024.0,
        "rounds": ROUNDS, "models": MODELS, "rows": ROWS,
        "scores": scored,
        "file_mb": std::fs::metadata(folder.join("predictions.parquet"))?.len() / 1_000_000,
    });
    #[expect(
        clippy::print_stdout,
        reason = "the report is what this program is for"
    )]
    {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    Ok(())
}

fn cpu_s(usage: &Usage) -> f64 {
    let us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    us as f64 / 1e6
}

/// How many scores there are; all of them, or the measurement is of something else.
fn scored(path: &Path) -> Result<usize, Failure> {
    let scores: serde_json::Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let models = scores["models"]
        .as_object()
        .ok_or("no models in the scores")?;
    let count: usize = models
        .values()
        .flat_map(|model| ["corr", "mmc"].map(|metric| &model[metric]["eras_scored"]))
        .filter_map(|eras| usize::try_from(eras.as_u64()?).ok())
        .sum();
    if count != 2 * ROUNDS * MODELS {
        return Err(format!("{count} scores in place of {}", 2 * ROUNDS * MODELS).into());
    }
    Ok(count)
}

/// A row group for each round, as a day's files put together have; float32 predictions, as most models
/// answer, in the compression that most writers use.
fn write(folder: &Path) -> Result<(), Failure> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let names: Vec<String> = (0..MODELS).map(|model| format!("model_{model}")).collect();
    let mut frames = Vec::new();
    let mut writer = None;
    for round in 0..ROUNDS {
        let ids: Vec<String> = (0..ROWS)
            .map(|row| format!("n{round:02}{row:06x}"))
            .collect();
        let eras = vec![format!("{:04}", round + 1); ROWS];
        let mut uniform = || (random.next_u32() >> 8) as f32 / 16_777_216.0;
        let mut column = |name: &str| -> Column {
            Column::new(
                name.into(),
                (0..ROWS).map(|_| uniform()).collect::<Vec<f32>>(),
            )
        };
        let keys = [
            Column::new("id".into(), ids),
            Column::new("era".into(), eras),
        ];
        let predictions = names.iter().map(|name| column(name));
        let predictions = keys.iter().cloned().chain(predictions).collect();
        let predictions = DataFrame::new_infer_height(predictions)?;
        let meta = column("meta");
        let bins = (0..ROWS).map(|_| (random.next_u32() % 5) as f32 / 4.0);
        let target = Column::new("target".into(), bins.collect::<Vec<f32>>());
        frames.push((keys, meta, target));
        if writer.is_none() {
            let file = File::create(folder.join("predictions.parquet"))?;
            let options = ParquetWriter::new(file).with_compression(ParquetCompression::Snappy);
            writer = Some(options.batched(predictions.schema())?);
        }
        if let Some(writer) = &mut writer {
            writer.write_batch(&predictions)?;
        }
    }
    if let Some(writer) = writer {
        writer.finish()?;
    }
    for (name, pick) in [("targets", 2_usize), ("meta", 1)] {
        let mut whole: Option<DataFrame> = None;
        for (keys, meta, target) in &frames {
            let values = if pick == 1 { meta } else { target };
            let columns = keys.iter().cloned().chain([values.clone()]).collect();
            let frame = DataFrame::new_infer_height(columns)?;
            match &mut whole {
                None => whole = Some(frame),
                Some(whole) => {
                    whole.vstack_mut(&frame)?;
                }
            }
        }
        let mut whole = whole.ok_or("no rounds")?;
        let file = File::create(folder.join(name).with_extension("parquet"))?;
        ParquetWriter::new(file).finish(&mut whole)?;
    }
    Ok(())
}

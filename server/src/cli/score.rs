//! `foretoken score`: the scores of predictions in files, exactly those of the server.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context;
use clap::ValueEnum;
use domain::WallClock;
use scorer::cross_section::TargetScale;
use scorer::score_file::{self, Progress, Request};

use super::{Ended, print, refuse};

/// A line of progress is due this long after the one before.
const PROGRESS_US: i64 = 2_000_000;

#[derive(Debug, clap::Args)]
pub(super) struct ScoreArgs {
    /// Parquet or CSV: id, optional era, one number column per model
    #[arg(long, value_name = "P.parquet")]
    predictions: PathBuf,
    /// Parquet or CSV: id, optional era, target
    #[arg(long, value_name = "T.parquet")]
    targets: PathBuf,
    /// Parquet or CSV: id, optional era, meta; for mmc
    #[arg(long, value_name = "M.parquet")]
    meta: Option<PathBuf>,
    /// Parquet or CSV: id, optional era, one number column per feature; for fnc
    #[arg(long, value_name = "F.parquet")]
    features: Option<PathBuf>,
    /// Which scores
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        required = true,
        value_name = "corr,mmc,fnc"
    )]
    metric: Vec<Metric>,
    /// What mmc multiplies targets by; auto: by 4 if all lie in [0, 1]
    #[arg(long, value_enum, default_value = "auto")]
    target_scale: Scale,
    /// Where to write the JSON; else standard output
    #[arg(long, value_name = "S.json")]
    out: Option<PathBuf>,
    /// Threads; else one for each core. Their number changes no bit of the scores
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Metric {
    Corr,
    Mmc,
    Fnc,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scale {
    Auto,
    #[value(name = "1")]
    One,
    #[value(name = "4")]
    Four,
}

pub(super) fn run(args: ScoreArgs) -> anyhow::Result<Ended> {
    let threads = args.threads.map_or(0, usize::from);
    let request = request(&args);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .context("the threads for scoring cannot be started")?;
    let clock = WallClock::system();
    let due_us = AtomicI64::new(clock.now_us() + PROGRESS_US);
    let show = |progress: Progress| {
        let now_us = clock.now_us();
        if progress.done < progress.of && now_us < due_us.load(Ordering::Relaxed) {
            return;
        }
        due_us.store(now_us + PROGRESS_US, Ordering::Relaxed);
        let Progress { done, of } = progress;
        writeln!(std::io::stderr(), "scored {done} of {of} models").ok();
    };
    let report = match pool.install(|| score_file::score(&request, &show)) {
        Ok(report) => report,
        Err(error) if error.is_refused() => return Ok(refuse(&error.to_string())),
        Err(error) => return Err(error.into()),
    };
    for (file, rows) in report.ignored() {
        let why = "rows whose id the targets do not know were ignored";
        writeln!(std::io::stderr(), "{file}: {rows} {why}").ok();
    }
    let json = pool.install(|| report.to_json());
    match args.out {
        None => print(&serde_json::to_string_pretty(&json)?)?,
        Some(path) => write_whole(&path, &serde_json::to_string_pretty(&json)?)?,
    }
    Ok(Ended::Done)
}

fn request(args: &ScoreArgs) -> Request {
    let mut metrics: Vec<score_file::Metric> = args
        .metric
        .iter()
        .map(|metric| match metric {
            Metric::Corr => score_file::Metric::Corr,
            Metric::Mmc => score_file::Metric::Mmc,
            Metric::Fnc => score_file::Metric::Fnc,
        })
        .collect();
    metrics.sort_unstable();
    metrics.dedup();
    Request {
        predictions: args.predictions.clone(),
        targets: args.targets.clone(),
        meta: args.meta.clone(),
        features: args.features.clone(),
        metrics,
        target_scale: match args.target_scale {
            Scale::Auto => TargetScale::Auto,
            Scale::One => TargetScale::One,
            Scale::Four => TargetScale::Four,
        },
    }
}

/// The file appears whole or not at all.
fn write_whole(path: &std::path::Path, text: &str) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| std::path::Path::new("."));
    let in_the_way = || format!("{} cannot be written", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(in_the_way)?;
    writeln!(file, "{text}").with_context(in_the_way)?;
    file.persist(path).with_context(in_the_way)?;
    Ok(())
}

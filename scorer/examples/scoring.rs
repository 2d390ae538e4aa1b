//! Times CORR, MMC and FNC of many models over one era, from memory, beside nothing: another program
//! scores the same numbers with the field's reference.
//!
//! `scoring DIR` writes the inputs and the scores to DIR as raw little-endian float64 and prints JSON.
//! The sizes are those of docs/BENCHMARKS.md, and 1 % and 10 % of them for the growth.

use std::hint::black_box;
use std::path::Path;

use domain::WallClock;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use scorer::cross_section::{Era, Scratch, TargetScale, Unscored};
use scorer::matrix::Matrix;

const MODELS: usize = 1_000;
const ROWS: usize = 5_000;
const FEATURES: usize = 500;
const REPEATS: usize = 9;

type Failure = Box<dyn std::error::Error>;
type Scores = Vec<Result<f64, Unscored>>;

/// What one metric cost: medians over the repeats.
struct Cost {
    cpu_s: f64,
    wall_s: f64,
}

struct Inputs {
    predictions: Vec<f64>,
    targets: Vec<f64>,
    meta: Vec<f64>,
    features: Vec<f64>,
}

fn main() -> Result<(), Failure> {
    let folder = std::env::args().nth(1).ok_or("usage: scoring DIR")?;
    let folder = Path::new(&folder);
    let inputs = inputs();
    let (costs, scores) = measure(&inputs, MODELS, ROWS)?;
    write_all(folder, &inputs, &scores)?;
    let growth: Vec<serde_json::Value> = [(10, 5_000), (100, 5_000), (1_000, 50), (1_000, 500)]
        .into_iter()
        .map(|(models, rows)| {
            let (costs, _) = measure(&inputs, models, rows)?;
            let [corr, mmc, fnc] = costs.map(|cost| cost.cpu_s);
            Ok(serde_json::json!({
                "models": models, "rows": rows,
                "corr_cpu_s": corr, "mmc_cpu_s": mmc, "fnc_cpu_s": fnc,
            }))
        })
        .collect::<Result<_, Failure>>()?;
    let [corr, mmc, fnc] =
        costs.map(|cost| serde_json::json!({ "cpu_s": cost.cpu_s, "wall_s": cost.wall_s }));
    let report = serde_json::json!({
        "corr": corr, "mmc": mmc, "fnc": fnc, "growth": growth,
        "models": MODELS, "rows": ROWS, "features": FEATURES,
        "repeats": REPEATS, "statistic": "median",
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

/// Predictions and meta model uniform, targets and features in five bins, the field's usual shape;
/// the features share a common part, so that they are correlated as real ones are.
fn inputs() -> Inputs {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut uniform = || (random.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0;
    let predictions = (0..MODELS * ROWS).map(|_| uniform()).collect();
    let meta = (0..ROWS).map(|_| uniform()).collect();
    let bin = |x: f64| libm::floor(x * 5.0) / 4.0;
    let targets = (0..ROWS).map(|_| bin(uniform())).collect();
    let common: Vec<f64> = (0..ROWS).map(|_| uniform()).collect();
    let features = (0..FEATURES * ROWS)
        .map(|i| {
            let shared = common[i % ROWS];
            if uniform() < 0.3 {
                bin(shared)
            } else {
                bin(uniform())
            }
        })
        .collect();
    Inputs {
        predictions,
        targets,
        meta,
        features,
    }
}

/// The first `rows` rows of the first `models` models; features at most a tenth of the rows.
fn measure(
    inputs: &Inputs,
    models: usize,
    rows: usize,
) -> Result<([Cost; 3], [Scores; 3]), Failure> {
    let predictions: Vec<&[f64]> = inputs
        .predictions
        .chunks_exact(ROWS)
        .take(models)
        .map(|prediction| &prediction[..rows])
        .collect();
    let columns = FEATURES.min(rows / 10).max(1);
    let features = inputs.features.chunks_exact(ROWS).take(columns);
    let features: Vec<f64> = features.flat_map(|f| f[..rows].iter().copied()).collect();
    let features = Matrix::from_columns(rows, columns, features).ok_or("another shape")?;
    let targets = || inputs.targets[..rows].to_vec();
    let meta = || inputs.meta[..rows].to_vec();
    let (corr, corr_scores) = median(targets, |targets| {
        let (era, mut scratch) = (Era::new(targets)?, Scratch::default());
        Ok(predictions
            .iter()
            .map(|p| era.corr(p, &mut scratch))
            .collect())
    })?;
    let with_meta = || (targets(), meta());
    let (mmc, mmc_scores) = median(with_meta, |(targets, meta)| {
        let era = Era::new(targets)?.with_meta(meta, TargetScale::Auto)?;
        let mut scratch = Scratch::default();
        let scores: Option<Scores> = predictions
            .iter()
            .map(|p| era.mmc(p, &mut scratch))
            .collect();
        Ok(scores.ok_or("no meta model")?)
    })?;
    let with_features = || (targets(), features.clone());
    let (fnc, fnc_scores) = median(with_features, |(targets, features)| {
        let era = Era::new(targets)?.with_features(features)?;
        Ok(era
            .fnc(&predictions, &mut Scratch::default())
            .ok_or("no features")?)
    })?;
    Ok(([corr, mmc, fnc], [corr_scores, mmc_scores, fnc_scores]))
}

/// Times `score` on what `load` hands over, as if it had just been read. Everything an era needs is
/// prepared inside: its tables, its target and meta side, its features.
fn median<T>(
    load: impl Fn() -> T,
    score: impl Fn(T) -> Result<Scores, Failure>,
) -> Result<(Cost, Scores), Failure> {
    let clock = WallClock::system();
    let (mut cpu, mut wall, mut scores) = (Vec::new(), Vec::new(), Scores::new());
    for _ in 0..REPEATS {
        let loaded = load();
        let (cpu_before, wall_before) = (cpu_us()?, clock.now_us());
        scores = black_box(score(loaded)?);
        wall.push(clock.now_us() - wall_before);
        cpu.push(cpu_us()? - cpu_before);
    }
    let middle = |times: &mut Vec<i64>| {
        times.sort_unstable();
        times[times.len() / 2] as f64 / 1e6
    };
    let cost = Cost {
        cpu_s: middle(&mut cpu),
        wall_s: middle(&mut wall),
    };
    Ok((cost, scores))
}

/// Processor time of this process so far, microseconds.
fn cpu_us() -> Result<i64, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(usage.user_time().num_microseconds() + usage.system_time().num_microseconds())
}

fn write_all(folder: &Path, inputs: &Inputs, scores: &[Scores; 3]) -> Result<(), Failure> {
    let shape = serde_json::json!({ "models": MODELS, "rows": ROWS, "features": FEATURES });
    std::fs::write(folder.join("shape.json"), shape.to_string())?;
    write(folder, "predictions", &inputs.predictions)?;
    write(folder, "targets", &inputs.targets)?;
    write(folder, "meta", &inputs.meta)?;
    write(folder, "features", &inputs.features)?;
    for (name, scores) in ["corr", "mmc", "fnc"].into_iter().zip(scores) {
        let numbers: Result<Vec<f64>, Unscored> = scores.iter().copied().collect();
        write(folder, name, &numbers?)?;
    }
    Ok(())
}

fn write(folder: &Path, name: &str, numbers: &[f64]) -> Result<(), Failure> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(folder.join(name).with_extension("f64"), bytes)?;
    Ok(())
}

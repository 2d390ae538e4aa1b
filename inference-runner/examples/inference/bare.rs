//! ONNX Runtime without any isolation, set as the runner's profile sets it.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, ensure};
use inference_runner::Features;
use inference_runner::check::known_rows;
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

/// All models one after another in this process.
pub(crate) fn every_model(
    library: &Path,
    models: &[Arc<[u8]>],
    features: &Features,
) -> anyhow::Result<Vec<Vec<f64>>> {
    let environment = environment(library)?;
    let block = values(features);
    let shape = [features.rows, features.columns];
    let each = models.iter();
    each.map(|model| one(&environment, model, shape, &block))
        .collect()
}

/// The model on standard input, over the known rows.
pub(crate) fn one_from_stdin(library: &Path, rows: usize, columns: usize) -> anyhow::Result<()> {
    let environment = environment(library)?;
    let mut model = Vec::new();
    std::io::stdin().read_to_end(&mut model)?;
    let block = values(&known_rows(rows, columns));
    let p = one(&environment, &model, [rows, columns], &block)?;
    ensure!(p.len() == rows);
    Ok(())
}

/// Runs `command` with `model` on its standard input to its end.
pub(crate) fn give(command: &mut Command, model: &[u8]) -> anyhow::Result<()> {
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    child.stdin.take().context("a pipe")?.write_all(model)?;
    let status = child.wait()?;
    ensure!(status.success(), "a cold process ended with {status}");
    Ok(())
}

fn environment(library: &Path) -> anyhow::Result<Environment> {
    Ok(ort::init_from(library)?.with_telemetry(false).build()?)
}

fn values(features: &Features) -> Vec<f32> {
    let (chunks, _) = features.bytes.as_chunks::<4>();
    let each = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk));
    each.collect()
}

fn one(
    environment: &Environment,
    model: &[u8],
    shape: [usize; 2],
    block: &[f32],
) -> anyhow::Result<Vec<f64>> {
    let failed =
        |error: ort::Error<ort::session::builder::SessionBuilder>| anyhow::anyhow!("{error}");
    let mut session = Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(failed)?
        .with_intra_threads(1)
        .map_err(failed)?
        .with_inter_threads(1)
        .map_err(failed)?
        .with_parallel_execution(false)
        .map_err(failed)?
        .with_deterministic_compute(true)
        .map_err(failed)?
        .commit_from_memory(model)?;
    let input = TensorRef::from_array_view((shape, block))?;
    let outputs = session.run(ort::inputs![input])?;
    let (_, p) = outputs[0].try_extract_tensor::<f32>()?;
    Ok(p.iter().map(|p| f64::from(*p)).collect())
}

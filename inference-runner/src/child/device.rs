//! The process of a device: holds sessions of admitted models and runs one job after another.
//!
//! For CUDA the provider must register, or nothing runs: falling back to the processor would be
//! silent. TF32 is off, so that products keep float32's precision.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use nix::unistd::getppid;
use ort::environment::Environment;
use ort::ep::CUDA;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use super::contract;
use crate::device::{Device, Held, Told, read, write};
use crate::limits::{COLUMNS_MAX, ROW_BLOCK, ROWS_MAX};
use crate::outcome::{Cost, Outcome, Reason, Status, one_line};
use crate::stopwatch::Stopwatch;

/// How the process is to be.
#[derive(Clone, Copy, Debug)]
pub struct DeviceOptions {
    pub device: Device,
    /// Of the device's memory, in bytes.
    pub memory_bytes: usize,
    /// The process that started this one; it ends with it.
    pub parent: u32,
}

/// The whole life of the process. `false` when the runtime could not be loaded.
#[must_use]
pub fn serve_device(ort: &Path, options: DeviceOptions) -> bool {
    end_with(options.parent);
    let Some(environment) = environment(ort) else {
        return false;
    };
    let mut models = HashMap::new();
    let (mut stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    while let Ok(job) = next(&mut stdin) {
        let outcome = one(&environment, options, &mut models, &job);
        let bytes: Vec<u8> = outcome.p.iter().flat_map(|p| p.to_le_bytes()).collect();
        let told = Told {
            status: outcome.status,
            reasons: outcome.reasons,
            rows: outcome.p.len(),
            cost: outcome.cost,
        };
        if write(&mut stdout, &told, &bytes).is_err() {
            break;
        }
    }
    true
}

fn environment(ort: &Path) -> Option<Environment> {
    let builder = ort::init_from(ort).ok()?;
    let named = builder.with_name("foretoken").with_telemetry(false);
    named.build().ok()
}

struct Work {
    header: Held,
    model: Vec<u8>,
    features: Vec<f32>,
}

fn next(stdin: &mut impl Read) -> io::Result<Work> {
    let header: Held = read(stdin)?;
    if header.rows > ROWS_MAX || !(1..=COLUMNS_MAX).contains(&header.columns) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut model = vec![0; header.model_bytes];
    stdin.read_exact(&mut model)?;
    let mut bytes = vec![0; header.rows * header.columns * size_of::<f32>()];
    stdin.read_exact(&mut bytes)?;
    let (chunks, _) = bytes.as_chunks::<4>();
    Ok(Work {
        features: chunks
            .iter()
            .map(|chunk| f32::from_le_bytes(*chunk))
            .collect(),
        header,
        model,
    })
}

fn one(
    environment: &Environment,
    options: DeviceOptions,
    models: &mut HashMap<String, Session>,
    work: &Work,
) -> Outcome {
    models.remove(&work.header.let_go);
    let watch = Stopwatch::start();
    let mut session = match models.remove(&work.header.digest) {
        Some(session) => session,
        None => match load(environment, options, &work.model) {
            Ok(session) => session,
            Err(error) => return failure(Status::LoadError, "load", &error),
        },
    };
    let load_us = watch.elapsed_us();
    let output = match contract::check(&session, work.header.columns) {
        Ok(output) => output,
        Err((status, reasons)) => {
            return Outcome {
                reasons,
                ..Outcome::failed(status, Reason::new("contract", "", ""))
            };
        }
    };
    let watch = Stopwatch::start();
    let answered = all_rows(&mut session, work, output);
    let cost = Cost {
        load_us,
        run_us: watch.elapsed_us(),
        ..Cost::default()
    };
    match answered {
        Ok(p) => {
            models.insert(work.header.digest.clone(), session);
            Outcome {
                status: Status::Ok,
                reasons: Vec::new(),
                p,
                cost,
                facts: None,
            }
        }
        Err(outcome) => Outcome { cost, ..*outcome },
    }
}

fn load(environment: &Environment, options: DeviceOptions, model: &[u8]) -> ort::Result<Session> {
    let mut builder = Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_deterministic_compute(true)?
        .with_config_entry("session.load_model_format", "ONNX")?;
    if options.device == Device::Cuda {
        let cuda = CUDA::default()
            .with_memory_limit(options.memory_bytes)
            .with_tf32(false);
        builder = builder.with_execution_providers([cuda.build().error_on_failure()])?;
    }
    builder.commit_from_memory(model)
}

fn all_rows(session: &mut Session, work: &Work, output: usize) -> Result<Vec<f64>, Box<Outcome>> {
    let columns = work.header.columns;
    let ran = |error: ort::Error| Box::new(failure(Status::RunError, "run", &error));
    let mut p = Vec::with_capacity(work.header.rows);
    for block in work.features.chunks(ROW_BLOCK * columns) {
        let rows = block.len() / columns;
        let input = TensorRef::from_array_view(([rows, columns], block)).map_err(ran)?;
        let outputs = session.run(ort::inputs![input]).map_err(ran)?;
        let (shape, values) = outputs[output]
            .try_extract_tensor::<f32>()
            .map_err(|error| Box::new(failure(Status::BadOutput, "output-type", &error)))?;
        let up = contract::probabilities(rows, shape, values, p.len())
            .map_err(|reason| Box::new(Outcome::failed(Status::BadOutput, reason)))?;
        p.extend(up);
    }
    Ok(p)
}

fn failure(status: Status, code: &str, error: &ort::Error) -> Outcome {
    let message = format!("ONNX Runtime: {}", one_line(&error.to_string(), 400));
    let fix = "the file must load and run with onnxruntime 1.31.1 on float32 rows of this shape";
    Outcome::failed(status, Reason::new(code, message, fix))
}

/// Ends this process when `parent` is its parent no more, also in the middle of a job.
fn end_with(parent: u32) {
    std::thread::spawn(move || {
        while u32::try_from(getppid().as_raw()) == Ok(parent) {
            std::thread::sleep(Duration::from_millis(200));
        }
        raise(Signal::SIGKILL).ok();
    });
}

//! The scanner's file through profile `cpu-v1`: one thread, sequential, deterministic, full optimisation, fixed row blocks.

use std::io;
use std::time::Duration;

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use super::contract::Answer;
use super::{Work, contract, probe};
use crate::limits::{Limits, ROW_BLOCK};
use crate::outcome::{Cost, ModelFacts, Outcome, Reason, Status, one_line};
use crate::process::ending;
use crate::scan::{self, Admitted, Rules};
use crate::stopwatch::{Stopwatch, processor_us};

/// Repeated runs stop after this long, so that a check stays quick.
const REPEATS_US: u64 = 1_000_000;

/// Scans, loads and runs the model; `loaded` is called before it runs.
pub(super) fn execute(
    environment: &Environment,
    work: &Work,
    loaded: &mut dyn FnMut() -> io::Result<()>,
) -> Outcome {
    let watch = Stopwatch::start();
    let admitted = match admit(work) {
        Ok(admitted) => admitted,
        Err(reasons) => return with_load(refused(reasons), watch.elapsed_us()),
    };
    let scan_us = watch.elapsed_us();
    let file = admitted
        .as_ref()
        .map_or(&work.model, |admitted| &admitted.canonical);
    let session = load(environment, file);
    let load_us = watch.elapsed_us();
    let load_cpu_us = processor_us();
    let mut session = match session {
        Ok(session) => session,
        Err(error) => return with_load(failure(Status::LoadError, &error, work), load_us),
    };
    if let Err(error) = loaded() {
        return Outcome::platform(format!("the reply pipe is closed: {error}"));
    }
    let mut facts = contract::facts(&session);
    let answer = match admitted {
        Some(admitted) => {
            facts.canonical_digest = Some(admitted.canonical_digest);
            facts.scan_us = scan_us;
            let answer = contract::Answer::of(admitted.facts.output);
            facts.scan = Some(admitted.facts);
            Ok(answer)
        }
        None => contract::check(&session, work.header.columns),
    };
    let outcome = match answer {
        Ok(answer) => repeat(&mut session, work, answer, facts, load_cpu_us),
        Err((status, reasons)) => Outcome {
            status,
            reasons,
            facts: Some(facts),
            ..refused(Vec::new())
        },
    };
    with_load(outcome, load_us)
}

/// The scanner's word; `None` where the hostile suite does without it.
fn admit(work: &Work) -> Result<Option<Admitted>, Vec<Reason>> {
    let header = &work.header;
    #[cfg(debug_assertions)]
    if header.unscanned {
        return Ok(None);
    }
    let limits = Limits {
        address_space_bytes: header.address_space_bytes,
        cpu: Duration::from_millis(header.cpu_ms),
        ..Limits::DEFAULT
    };
    let rules = Rules::of(limits, header.columns);
    scan::scan(&work.model, &rules).map(Some)
}

fn refused(reasons: Vec<Reason>) -> Outcome {
    Outcome {
        status: Status::LoadError,
        reasons,
        p: Vec::new(),
        cost: Cost::default(),
        facts: None,
    }
}

/// Loads and runs a model of ours, so that what ONNX Runtime sets up with its first model is there
/// before a fork and is not paid by every process.
pub(super) fn warm_up(environment: &Environment) -> ort::Result<()> {
    let mut session = load(environment, include_bytes!("warm_up.onnx"))?;
    let input = TensorRef::from_array_view(([1, WARM_UP.len()], &WARM_UP[..]))?;
    session.run(ort::inputs![input])?;
    Ok(())
}

/// One row for the model of [`warm_up`].
const WARM_UP: [f32; 8] = [0.0; 8];

fn with_load(mut outcome: Outcome, load_us: u64) -> Outcome {
    outcome.cost.load_us = load_us;
    outcome
}

fn load(environment: &Environment, model: &[u8]) -> ort::Result<Session> {
    Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_parallel_execution(false)?
        .with_deterministic_compute(true)?
        .with_config_entry("session.load_model_format", "ONNX")?
        .commit_from_memory(model)
}

/// Runs over all rows as often as asked; the first answer counts and the others must equal it.
fn repeat(
    session: &mut Session,
    work: &Work,
    answer: Answer,
    mut facts: ModelFacts,
    load_cpu_us: u64,
) -> Outcome {
    let mut first: Option<Vec<f64>> = None;
    let mut spent = probe::Spent {
        load_us: load_cpu_us,
        run_us: u64::MAX,
    };
    for _ in 0..work.header.repeats {
        let (watch, before_us) = (Stopwatch::start(), processor_us());
        let answered = all_rows(session, work, answer);
        facts.runs_us.push(watch.elapsed_us());
        spent.run_us = spent.run_us.min(processor_us().saturating_sub(before_us));
        match (answered, &first) {
            (Err(outcome), _) => {
                return Outcome {
                    facts: Some(facts),
                    ..*outcome
                };
            }
            (Ok(p), None) => first = Some(p),
            (Ok(p), Some(before)) if *before != p => return differs(facts),
            (Ok(_), Some(_)) => {}
        }
        if facts.runs_us.iter().sum::<u64>() > REPEATS_US && facts.runs_us.len() > 1 {
            break;
        }
    }
    let p = first.unwrap_or_default();
    if work.header.probe
        && let Err(mut outcome) = probe::probe(session, work, answer, &p, spent)
    {
        outcome.facts = Some(facts);
        return *outcome;
    }
    Outcome {
        status: Status::Ok,
        reasons: Vec::new(),
        p,
        cost: Cost {
            run_us: facts.runs_us.first().copied().unwrap_or_default(),
            ..Cost::default()
        },
        facts: Some(facts),
    }
}

fn all_rows(session: &mut Session, work: &Work, answer: Answer) -> Result<Vec<f64>, Box<Outcome>> {
    let mut p = Vec::with_capacity(work.header.rows);
    for block in work.features.chunks(ROW_BLOCK * work.header.columns) {
        p.extend(one_block(session, work, answer, block, p.len())?);
    }
    Ok(p)
}

/// The probabilities of `block`, rows of the job's columns; `first_row` is for messages.
pub(super) fn one_block(
    session: &mut Session,
    work: &Work,
    answer: Answer,
    block: &[f32],
    first_row: usize,
) -> Result<Vec<f64>, Box<Outcome>> {
    let columns = work.header.columns;
    let rows = block.len() / columns;
    let input = TensorRef::from_array_view(([rows, columns], block))
        .map_err(|error| Box::new(failure(Status::RunError, &error, work)))?;
    let outputs = session
        .run(ort::inputs![input])
        .map_err(|error| Box::new(failure(Status::RunError, &error, work)))?;
    let (shape, values) = outputs[answer.output]
        .try_extract_tensor::<f32>()
        .map_err(|error| Box::new(failure(Status::BadOutput, &error, work)))?;
    contract::probabilities(rows, shape, values, answer, first_row)
        .map_err(|reason| Box::new(Outcome::failed(Status::BadOutput, reason)))
}

fn differs(facts: ModelFacts) -> Outcome {
    let reason = Reason::new(
        "output-differs",
        "two runs over the same rows gave different answers",
        "remove random operators and training-mode Dropout: export after model.eval()",
    );
    Outcome {
        facts: Some(facts),
        ..Outcome::failed(Status::BadOutput, reason)
    }
}

fn failure(status: Status, error: &ort::Error, work: &Work) -> Outcome {
    let text = error.to_string();
    if ending::ran_out_of_memory(&text) {
        return ending::memory(work.header.address_space_bytes);
    }
    let (code, what) = match status {
        Status::LoadError => ("load", "ONNX Runtime cannot load the file"),
        Status::BadOutput => ("output-type", "the output is not a float32 tensor"),
        _ => ("run", "ONNX Runtime cannot run the model"),
    };
    let message = format!("{what}: {}", one_line(&text, 400));
    let fix = "the file must load and run with onnxruntime 1.31.1 on float32 rows of this shape";
    Outcome::failed(status, Reason::new(code, message, fix))
}

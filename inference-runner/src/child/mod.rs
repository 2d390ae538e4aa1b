//! The fork server's side: loads ONNX Runtime once, forks a process for each job, which locks
//! itself, reads the job, answers and ends.
//!
//! Owns the only code that loads ONNX Runtime. The fork server never reads a byte of a model; a
//! model's process reads none before the steps of `crate::confine` are done, and touches no file
//! after them.

#[cfg(debug_assertions)]
mod attempt;
mod contract;
mod device;
mod execution;
mod fork_server;
mod probe;
mod reaping;

use std::io::{self, Read, Write};

use ort::environment::Environment;

pub use device::{DeviceOptions, serve_device};

use crate::confine;
use crate::limits::{COLUMNS_MAX, ROWS_MAX};
use crate::outcome::Outcome;
use crate::process::frame::{self, DoneHeader, JobHeader, Message};

pub use fork_server::serve;

/// The life of a model's process after the fork; the three standard places are its pipes.
fn run_job(environment: &Environment) -> io::Result<()> {
    let mut stdin = io::stdin().lock();
    let mut stdout = io::stdout().lock();
    let header: JobHeader = frame::read(&mut stdin)?;
    if header.rows > ROWS_MAX || header.columns > COLUMNS_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let locked = match confine::lock(&header) {
        Ok(sandbox) => Message::Locked { sandbox },
        Err(error) => {
            let what = error.to_string();
            return say(&mut stdout, &Message::NotLocked { what });
        }
    };
    say(&mut stdout, &locked)?;
    #[cfg(debug_assertions)]
    if let Some(trial) = header.trial {
        let outcome = attempt::make(trial.attempt, &mut stdout);
        return answer(&mut stdout, outcome);
    }
    let work = read_work(&mut stdin, header)?;
    let mut loaded = || say(&mut stdout, &Message::Loaded);
    let outcome = execution::execute(environment, &work, &mut loaded);
    answer(&mut stdout, outcome)
}

/// One job as it came through the pipe.
pub(crate) struct Work {
    pub(crate) header: JobHeader,
    pub(crate) model: Vec<u8>,
    /// `rows × columns`, row-major.
    pub(crate) features: Vec<f32>,
}

fn read_work(stdin: &mut impl Read, header: JobHeader) -> io::Result<Work> {
    let mut model = vec![0; header.model_bytes];
    stdin.read_exact(&mut model)?;
    let mut bytes = vec![0; header.rows * header.columns * size_of::<f32>()];
    stdin.read_exact(&mut bytes)?;
    let (chunks, _) = bytes.as_chunks::<4>();
    let features = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk));
    Ok(Work {
        features: features.collect(),
        header,
        model,
    })
}

fn say(stdout: &mut impl Write, message: &Message) -> io::Result<()> {
    frame::write(stdout, message)?;
    stdout.flush()
}

fn answer(stdout: &mut impl Write, outcome: Outcome) -> io::Result<()> {
    let done = Message::Done(DoneHeader {
        status: outcome.status,
        reasons: outcome.reasons,
        rows: outcome.p.len(),
        cost: outcome.cost,
        facts: outcome.facts.map(Box::new),
    });
    let p: Vec<u8> = outcome.p.iter().flat_map(|p| p.to_le_bytes()).collect();
    frame::write(stdout, &done)?;
    stdout.write_all(&p)?;
    stdout.flush()
}

//! The child: loads ONNX Runtime, locks itself, reads one job, answers, ends.
//!
//! Owns the only code that loads ONNX Runtime. Never reads a byte of a model before the steps of
//! `crate::confine` are done, and never touches a file after them.

mod contract;
mod device;
mod execution;

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use ort::environment::Environment;

pub use device::{DeviceOptions, serve_device};

use crate::confine;
use crate::limits::{COLUMNS_MAX, ROWS_MAX};
use crate::outcome::{Cost, Outcome};
use crate::process::frame::{self, DoneHeader, JobHeader, Message};
use crate::stopwatch::Stopwatch;

/// The whole life of a child. `false` when it could not even answer.
#[must_use]
pub fn serve(ort: &Path) -> bool {
    let mut stdout = io::stdout().lock();
    let watch = Stopwatch::start();
    let (environment, mut memory) = match prepare(ort) {
        Ok(ready) => ready,
        Err(what) => return frame::write(&mut stdout, &Message::NotReady { what }).is_ok(),
    };
    let ready = Message::Ready {
        start_us: watch.elapsed_us(),
        address_space_bytes: memory.kibibytes("VmSize") << 10,
    };
    if frame::write(&mut stdout, &ready).is_err() || stdout.flush().is_err() {
        return false;
    }
    let Ok(work) = read_job() else {
        // Not needed any more, or the parent is gone.
        return true;
    };
    let cpu_before = cpu_us();
    let mut loaded = || -> io::Result<()> {
        frame::write(&mut stdout, &Message::Loaded)?;
        stdout.flush()
    };
    let outcome = execution::execute(&environment, &work, &mut loaded);
    let cost = Cost {
        cpu_us: cpu_us().saturating_sub(cpu_before),
        peak_bytes: memory.kibibytes("VmHWM") << 10,
        ..outcome.cost
    };
    answer(&mut stdout, outcome, cost).is_ok()
}

/// One job as it came through the pipe.
pub(crate) struct Work {
    pub(crate) header: JobHeader,
    pub(crate) model: Vec<u8>,
    /// `rows × columns`, row-major.
    pub(crate) features: Vec<f32>,
}

/// Loads the runtime and takes the steps that follow it.
fn prepare(ort: &Path) -> Result<(Environment, MemoryFile), String> {
    if std::env::var("ORT_DISABLE_TELEMETRY").as_deref() != Ok("1") {
        return Err("ORT_DISABLE_TELEMETRY=1 must be set before the runtime is loaded".to_owned());
    }
    let environment = ort::init_from(ort)
        .map_err(|error| error.to_string())?
        .with_name("foretoken")
        .with_telemetry(false)
        .build()
        .map_err(|error| error.to_string())?;
    let memory = MemoryFile::open().map_err(|error| format!("/proc/self/status: {error}"))?;
    confine::after_runtime().map_err(|error| format!("descriptor limit: {error}"))?;
    Ok((environment, memory))
}

/// Reads the limits, applies them, and only then reads the model.
fn read_job() -> io::Result<Work> {
    let mut stdin = io::stdin().lock();
    let header: JobHeader = frame::read(&mut stdin)?;
    if header.rows > ROWS_MAX || header.columns > COLUMNS_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let cpu_seconds_used = cpu_us().div_ceil(1_000_000);
    confine::for_job(
        header.address_space_bytes,
        header.cpu_seconds,
        cpu_seconds_used,
    )?;
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

fn answer(stdout: &mut impl Write, outcome: Outcome, cost: Cost) -> io::Result<()> {
    let done = Message::Done(DoneHeader {
        status: outcome.status,
        reasons: outcome.reasons,
        rows: outcome.p.len(),
        cost,
        facts: outcome.facts,
    });
    let p: Vec<u8> = outcome.p.iter().flat_map(|p| p.to_le_bytes()).collect();
    frame::write(stdout, &done)?;
    stdout.write_all(&p)?;
    stdout.flush()
}

fn cpu_us() -> u64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return 0;
    };
    let total = usage.user_time() + usage.system_time();
    u64::try_from(total.num_microseconds()).unwrap_or_default()
}

/// /proc/self/status, opened while that was still possible.
struct MemoryFile(File);

impl MemoryFile {
    fn open() -> io::Result<Self> {
        File::open("/proc/self/status").map(Self)
    }

    /// The value of `field`; zero when the kernel does not show it.
    fn kibibytes(&mut self, field: &str) -> u64 {
        let mut text = String::new();
        if self.0.rewind().is_err() || self.0.read_to_string(&mut text).is_err() {
            return 0;
        }
        let line = text.lines().find(|line| line.starts_with(field));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|n| n.parse().ok()).unwrap_or_default()
    }
}

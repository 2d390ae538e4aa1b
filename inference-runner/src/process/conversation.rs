//! One job told to a process, and its answer believed only as far as it can be checked.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender};

use super::frame::{self, DoneHeader, JobHeader, Message};
use super::{Job, Task};
use crate::confine::SandboxLevel;
use crate::limits::STDERR_BYTES_MAX;
use crate::outcome::{Outcome, Reason, Status};

/// The two pipes of a job.
pub(super) struct Pipes<'a> {
    pub(super) stdin: &'a mut Sender,
    pub(super) stdout: &'a mut Receiver,
}

/// The last frame of a process and the bytes that belong to it.
pub(super) enum Answer {
    Done(DoneHeader, Vec<u8>),
    /// It has not read the model: our fault.
    NotLocked(String),
}

/// Sends `job` and reads until the last frame; `loaded` turns true when the process says so.
/// `expected` is what every process of this runner must be confined by.
pub(super) async fn converse(
    pipes: Pipes<'_>,
    job: &Job,
    expected: SandboxLevel,
    loaded: &mut bool,
) -> io::Result<Answer> {
    // A process that dies while it is written to is judged by how it died.
    drop(send(pipes.stdin, job).await);
    let mut locked = false;
    loop {
        match frame::receive(pipes.stdout).await? {
            Message::Locked { sandbox } if !locked => {
                // Said before a byte of the model is read, and therefore true.
                if !job.is_trial() && sandbox < expected {
                    let what = format!("confined by {} only", sandbox.name());
                    return Ok(Answer::NotLocked(what));
                }
                locked = true;
            }
            Message::NotLocked { what } if !locked => return Ok(Answer::NotLocked(what)),
            Message::Loaded if locked && !*loaded => *loaded = true,
            Message::Done(header) if locked => {
                let rows = header.rows.min(job.features.rows);
                let mut p = vec![0; rows * size_of::<f64>()];
                pipes.stdout.read_exact(&mut p).await?;
                return Ok(Answer::Done(header, p));
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

async fn send(stdin: &mut Sender, job: &Job) -> io::Result<()> {
    let header = JobHeader {
        address_space_bytes: job.limits.address_space_bytes,
        cpu_ms: u64::try_from(job.limits.cpu.as_millis()).unwrap_or(u64::MAX),
        rows: job.features.rows,
        columns: job.features.columns,
        model_bytes: job.model.len(),
        repeats: match job.task {
            Task::Run => 1,
            Task::Check { repeats } => repeats.max(2),
            #[cfg(debug_assertions)]
            Task::Unscanned => 2,
            #[cfg(debug_assertions)]
            Task::Trial(_) => 1,
        },
        probe: matches!(job.task, Task::Check { .. }),
        #[cfg(debug_assertions)]
        unscanned: matches!(job.task, Task::Unscanned),
        #[cfg(debug_assertions)]
        trial: match job.task {
            Task::Trial(trial) => Some(trial),
            _ => None,
        },
    };
    stdin.write_all(&frame::encode(&header)?).await?;
    stdin.write_all(&job.model).await?;
    stdin.write_all(&job.features.bytes).await?;
    stdin.flush().await
}

/// Drives `talk` to its end; `listen` keeps the other pipe from filling up meanwhile.
pub(super) async fn talk_while_listening<T>(
    talk: impl Future<Output = T>,
    listen: impl Future,
) -> T {
    tokio::pin!(talk, listen);
    tokio::select! {
        biased;
        done = &mut talk => done,
        _ = &mut listen => talk.await,
    }
}

/// Reads to the end and keeps the first bytes.
pub(super) async fn keep_start(from: &mut Receiver, kept: &mut Vec<u8>) {
    let mut block = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut block).await {
        let room = STDERR_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&block[..count.min(room)]);
    }
}

/// Turns the last frame into an outcome; the process may have lied.
pub(super) fn believe(answer: Answer, job: &Job) -> Outcome {
    let (header, bytes) = match answer {
        Answer::Done(header, bytes) => (header, bytes),
        Answer::NotLocked(what) => {
            return Outcome::platform(format!("the model's process was not locked: {what}"));
        }
    };
    let p: Vec<f64> = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|chunk| f64::from_le_bytes(*chunk))
        .collect();
    let complete = p.len() == job.features.rows && p.iter().all(|p| (0.0..=1.0).contains(p));
    let claims_ok = header.status == Status::Ok;
    // Only we may say that something was our fault: a model must not excuse itself.
    let excuses_itself = header.status == Status::PlatformError;
    if claims_ok != complete || claims_ok != header.reasons.is_empty() || excuses_itself {
        return refuse(&io::ErrorKind::InvalidData.into());
    }
    Outcome {
        status: header.status,
        reasons: header.reasons,
        p,
        cost: header.cost,
        facts: header.facts.map(|facts| *facts),
    }
}

pub(super) fn refuse(error: &io::Error) -> Outcome {
    let message = format!("the model's process answered something that is no answer ({error})");
    let fix = "export the model again; if this repeats, tell the operator";
    Outcome::failed(Status::RunError, Reason::new("run-reply", message, fix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::known_rows;
    use crate::limits::Limits;
    use crate::outcome::Cost;

    fn said(status: Status, p: &[f64]) -> Outcome {
        let job = Job {
            task: Task::Run,
            model: Vec::new().into(),
            features: known_rows(2, 1),
            limits: Limits::DEFAULT,
        };
        let header = DoneHeader {
            status,
            reasons: Vec::new(),
            rows: p.len(),
            cost: Cost::default(),
            facts: None,
        };
        let bytes: Vec<u8> = p.iter().flat_map(|p| p.to_le_bytes()).collect();
        believe(Answer::Done(header, bytes), &job)
    }

    #[test]
    fn a_lying_child_is_not_believed() {
        assert_eq!(said(Status::Ok, &[0.0, 1.0]).p, [0.0, 1.0]);
        for lie in [
            said(Status::Ok, &[0.5]),
            said(Status::Ok, &[0.5, f64::NAN]),
            said(Status::Ok, &[0.5, 1.000_1]),
            said(Status::Ok, &[-0.1, 0.5]),
            said(Status::RunError, &[]),
            said(Status::BadOutput, &[0.5, 0.5]),
            said(Status::PlatformError, &[]),
        ] {
            assert_eq!(lie.status, Status::RunError);
            assert_eq!(lie.reasons[0].code, "run-reply");
            assert!(lie.p.is_empty());
        }
    }
}

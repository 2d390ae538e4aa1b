//! One job told to a child, and its answer believed only as far as it can be checked.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use super::frame::{self, DoneHeader, JobHeader, Message};
use super::{Job, Task};
use crate::limits::STDERR_BYTES_MAX;
use crate::outcome::{Outcome, Reason, Status};

/// Sends `job` and reads until the last frame; `loaded` turns true when the child says so.
pub(super) async fn converse(
    stdin: &mut ChildStdin,
    stdout: &mut ChildStdout,
    job: &Job,
    loaded: &mut bool,
) -> io::Result<(DoneHeader, Vec<u8>)> {
    // A child that dies while it is written to is judged by how it died.
    drop(send(stdin, job).await);
    loop {
        match frame::receive(stdout).await? {
            Message::Loaded => *loaded = true,
            Message::Done(header) => {
                let rows = header.rows.min(job.features.rows);
                let mut p = vec![0; rows * size_of::<f64>()];
                stdout.read_exact(&mut p).await?;
                return Ok((header, p));
            }
            Message::Ready { .. } | Message::NotReady { .. } => {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
}

async fn send(stdin: &mut ChildStdin, job: &Job) -> io::Result<()> {
    let header = JobHeader {
        address_space_bytes: job.limits.address_space_bytes,
        cpu_seconds: job.limits.cpu_seconds,
        rows: job.features.rows,
        columns: job.features.columns,
        model_bytes: job.model.len(),
        repeats: match job.task {
            Task::Run => 1,
            Task::Check { repeats } => repeats.max(2),
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
pub(super) async fn keep_start(from: &mut ChildStderr, kept: &mut Vec<u8>) {
    let mut block = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut block).await {
        let room = STDERR_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&block[..count.min(room)]);
    }
}

/// Turns a child's last frame into an outcome; the child may have lied.
pub(super) fn believe(header: DoneHeader, bytes: &[u8], job: &Job) -> Outcome {
    let p: Vec<f64> = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|chunk| f64::from_le_bytes(*chunk))
        .collect();
    let complete = p.len() == job.features.rows && p.iter().all(|p| (0.0..=1.0).contains(p));
    let claims_ok = header.status == Status::Ok;
    if claims_ok != complete || claims_ok != header.reasons.is_empty() {
        return refuse(&io::ErrorKind::InvalidData.into());
    }
    Outcome {
        status: header.status,
        reasons: header.reasons,
        p,
        cost: header.cost,
        facts: header.facts,
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
        believe(header, &bytes, &job)
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
        ] {
            assert_eq!(lie.status, Status::RunError);
            assert_eq!(lie.reasons[0].code, "run-reply");
            assert!(lie.p.is_empty());
        }
    }
}

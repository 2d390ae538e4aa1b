//! The one writer of predictions: many at once share one durable commit (group commit).

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{RoundId, RoundState};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::{Accepted, PredictionError, Receipt, ReceiptSigner, late, store};
use crate::db::{Conn, Db};
use crate::rounds;

/// Predictions that may wait for the writer; more wait at the door.
const QUEUE: usize = 16_384;
/// Predictions that share one commit at most.
const GROUP: usize = 1_024;

/// The writer has stopped: the process is ending.
#[derive(Debug, Error)]
#[error("predictions are not taken any more: the server is stopping")]
pub struct WriterStopped;

type Reply = oneshot::Sender<Result<Receipt, PredictionError>>;

enum Order {
    Write(Box<Accepted>, Reply),
    Barrier(oneshot::Sender<()>),
}

/// A handle to the writer; clones share it.
#[derive(Clone, Debug)]
pub struct Writer {
    orders: mpsc::Sender<Order>,
}

impl Writer {
    /// Starts the writer; it ends when the last handle is dropped.
    #[must_use]
    pub fn start(db: Db, signer: Arc<ReceiptSigner>) -> Self {
        let (orders, inbox) = mpsc::channel(QUEUE);
        tokio::spawn(run(db, signer, inbox));
        Self { orders }
    }

    /// Stores one prediction; durable when it returns.
    pub(super) async fn write(&self, accepted: Accepted) -> Result<Receipt, PredictionError> {
        let (reply, answer) = oneshot::channel();
        let order = Order::Write(Box::new(accepted), reply);
        self.orders.send(order).await.map_err(|_| WriterStopped)?;
        answer.await.map_err(|_| WriterStopped)?
    }

    /// Returns once everything handed in before is stored: the lock queues behind it.
    ///
    /// # Errors
    /// [`WriterStopped`].
    pub async fn barrier(&self) -> Result<(), WriterStopped> {
        let (reply, answer) = oneshot::channel();
        self.orders
            .send(Order::Barrier(reply))
            .await
            .map_err(|_| WriterStopped)?;
        answer.await.map_err(|_| WriterStopped)
    }
}

async fn run(db: Db, signer: Arc<ReceiptSigner>, mut inbox: mpsc::Receiver<Order>) {
    let mut group = Vec::with_capacity(GROUP);
    while inbox.recv_many(&mut group, GROUP).await > 0 {
        let mut writes = Vec::new();
        let mut barriers = Vec::new();
        for order in group.drain(..) {
            match order {
                Order::Write(accepted, reply) => writes.push((accepted, reply)),
                Order::Barrier(reply) => barriers.push(reply),
            }
        }
        if !writes.is_empty() {
            commit_group(&db, &signer, writes).await;
        }
        for barrier in barriers {
            barrier.send(()).ok();
        }
    }
}

/// One transaction for the group. Each prediction has its own verdict; only a failure of the
/// database refuses them all, and then none is stored.
async fn commit_group(db: &Db, signer: &ReceiptSigner, writes: Vec<(Box<Accepted>, Reply)>) {
    let mut verdicts = Vec::with_capacity(writes.len());
    let stored = store_group(db, signer, &writes, &mut verdicts).await;
    if let Err(error) = stored {
        tracing::error!(%error, count = writes.len(), "a group of predictions was not stored");
        let text = error.to_string();
        for (_, reply) in writes {
            let error = sqlx::Error::Protocol(format!("the group was not stored: {text}"));
            reply.send(Err(PredictionError::Database(error))).ok();
        }
        return;
    }
    for ((_, reply), verdict) in writes.into_iter().zip(verdicts) {
        reply.send(verdict).ok();
    }
}

async fn store_group(
    db: &Db,
    signer: &ReceiptSigner,
    writes: &[(Box<Accepted>, Reply)],
    verdicts: &mut Vec<Result<Receipt, PredictionError>>,
) -> Result<(), PredictionError> {
    let mut tx = db.begin().await?;
    // In order, so that two writers never wait for each other.
    let rounds: BTreeSet<&RoundId> = writes.iter().map(|(a, _)| &a.submission.round).collect();
    let mut open = BTreeSet::new();
    for round in rounds {
        if rounds::hold(&mut tx, round, RoundState::Open).await? {
            open.insert(round);
        }
    }
    let mut sequence = store::last_sequence(&mut tx).await?;
    for (accepted, _) in writes {
        let verdict = if open.contains(&accepted.submission.round) {
            store_one(&mut tx, signer, accepted, &mut sequence).await
        } else {
            Err(late(&accepted.submission, accepted.deadline_us))
        };
        match verdict {
            // A statement that failed aborts the whole transaction on PostgreSQL.
            Err(error) if error.is_of_database() => return Err(error),
            verdict => verdicts.push(verdict),
        }
    }
    tx.commit().await?;
    Ok(())
}

async fn store_one(
    conn: &mut Conn,
    signer: &ReceiptSigner,
    accepted: &Accepted,
    sequence: &mut i64,
) -> Result<Receipt, PredictionError> {
    let s = &accepted.submission;
    if let Some((posted, ask, receipt)) = store::last(conn, &s.round, &s.model).await?
        && posted == s.posted.ppm()
        && ask == s.ask
    {
        return Ok(receipt);
    }
    let next = *sequence + 1;
    let receipt = signer.receipt(s, accepted.counted, accepted.deadline_us, next)?;
    let text =
        serde_json::to_string(&receipt).map_err(|e| PredictionError::Broken(e.to_string()))?;
    store::insert(conn, &receipt, s.ask, &text).await?;
    *sequence = next;
    Ok(receipt)
}

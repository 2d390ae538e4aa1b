//! The one writer of predictions: many at once share one durable commit (group commit). While one
//! group commits, the next gathers.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::{Notify, mpsc, oneshot};

use super::group::{self, Outcome, Work};
use super::{PredictionError, ReceiptSigner};
use crate::db::Db;

/// Requests that may wait for the writer; more wait at the door.
const QUEUE: usize = 16_384;
/// Predictions that share one commit, from which on no further request joins.
const GROUP: usize = 1_024;

/// The writer has stopped: the process is ending.
#[derive(Debug, Error)]
#[error("predictions are not taken any more: the server is stopping")]
pub struct WriterStopped;

type Reply = oneshot::Sender<Result<Outcome, PredictionError>>;

enum Order {
    Write(Box<Work>, Reply),
    Barrier(oneshot::Sender<()>),
}

/// A handle to the writer; clones share it.
#[derive(Clone, Debug)]
pub struct Writer {
    orders: mpsc::Sender<Order>,
}

impl Writer {
    /// Starts the writer; it ends when the last handle is dropped. It rings `due` when what it stored
    /// makes a round due.
    #[must_use]
    pub fn start(db: Db, signer: Arc<ReceiptSigner>, due: Arc<Notify>) -> Self {
        let (orders, inbox) = mpsc::channel(QUEUE);
        tokio::spawn(run(db, signer, due, inbox));
        Self { orders }
    }

    /// Stores what one request wants, all of it in one commit; durable when it returns.
    pub(super) async fn write(&self, work: Work) -> Result<Outcome, PredictionError> {
        let (reply, answer) = oneshot::channel();
        let order = Order::Write(Box::new(work), reply);
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

async fn run(
    db: Db,
    signer: Arc<ReceiptSigner>,
    due: Arc<Notify>,
    mut inbox: mpsc::Receiver<Order>,
) {
    while let Some(first) = inbox.recv().await {
        let (mut works, mut replies, mut barriers) = (Vec::new(), Vec::new(), Vec::new());
        let mut count = 0;
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Write(work, reply) => {
                    count += work.submissions.len();
                    works.push(*work);
                    replies.push(reply);
                }
                Order::Barrier(reply) => barriers.push(reply),
            }
            next = (count < GROUP).then(|| inbox.try_recv().ok()).flatten();
        }
        if !works.is_empty() {
            commit(&db, &signer, &due, works, replies).await;
        }
        for barrier in barriers {
            barrier.send(()).ok();
        }
    }
}

async fn commit(
    db: &Db,
    signer: &Arc<ReceiptSigner>,
    due: &Notify,
    works: Vec<Work>,
    replies: Vec<Reply>,
) {
    match group::commit(db, signer, due, works).await {
        Ok(outcomes) => {
            for (reply, outcome) in replies.into_iter().zip(outcomes) {
                reply.send(Ok(outcome)).ok();
            }
        }
        Err(error) => {
            let (count, text) = (replies.len(), error.to_string());
            tracing::error!(%error, count, "a group of predictions was not stored");
            for reply in replies {
                let error = sqlx::Error::Protocol(format!("the group was not stored: {text}"));
                reply.send(Err(PredictionError::Database(error))).ok();
            }
        }
    }
}

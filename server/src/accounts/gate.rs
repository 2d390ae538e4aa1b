//! The gate: looks up the keys of many requests with one query.
//!
//! It remembers nothing. A request's key is read from the database after the request came, so a
//! revoked key is refused by the next request, whichever process revoked it.

use std::net::IpAddr;

use tokio::sync::{mpsc, oneshot};

use super::keys::{Opened, by_keys};
use super::{Account, AccountError, KeyEntry};
use crate::db::Db;

/// Requests that may wait for the gate; more wait at the door.
const QUEUE: usize = 16_384;
/// Keys that one look takes at most.
const GROUP: usize = 1_024;

struct Knock {
    key: String,
    reply: oneshot::Sender<Opened>,
}

/// A handle to the gate; clones share it.
#[derive(Clone, Debug)]
pub struct Gate {
    knocks: mpsc::Sender<Knock>,
}

impl Gate {
    /// Starts the gate; it ends when the last handle is dropped.
    #[must_use]
    pub fn start(db: Db) -> Self {
        let (knocks, inbox) = mpsc::channel(QUEUE);
        tokio::spawn(run(db, inbox));
        Self { knocks }
    }

    /// The account of a key that came from the address `from`, and the key.
    ///
    /// # Errors
    /// Those of [`by_key`](super::by_key).
    pub async fn open(
        &self,
        now_us: i64,
        key: &str,
        from: IpAddr,
    ) -> Result<(Account, KeyEntry), AccountError> {
        let (reply, answer) = oneshot::channel();
        let key = key.to_owned();
        let stopped = || AccountError::Database(sqlx::Error::PoolClosed);
        let knock = Knock { key, reply };
        self.knocks.send(knock).await.map_err(|_| stopped())?;
        let (account, key) = answer.await.map_err(|_| stopped())??;
        key.admit(now_us, from)?;
        Ok((account, key))
    }
}

/// While one look is at the database, the next group gathers.
async fn run(db: Db, mut inbox: mpsc::Receiver<Knock>) {
    let mut group = Vec::with_capacity(GROUP);
    while inbox.recv_many(&mut group, GROUP).await > 0 {
        let keys: Vec<&str> = group.iter().map(|knock| knock.key.as_str()).collect();
        match look(&db, &keys).await {
            Ok(opened) => {
                for (knock, opened) in group.drain(..).zip(opened) {
                    knock.reply.send(opened).ok();
                }
            }
            Err(error) => {
                let text = format!("keys could not be looked up: {error}");
                for knock in group.drain(..) {
                    let error = sqlx::Error::Protocol(text.clone());
                    knock.reply.send(Err(error.into())).ok();
                }
            }
        }
    }
}

async fn look(db: &Db, keys: &[&str]) -> Result<Vec<Opened>, AccountError> {
    let mut conn = db.read().await?;
    by_keys(&mut conn, keys).await
}

//! Transactions that must happen at most once. An intent is planned in the transaction that causes
//! it; its attempts are signed forms on one nonce, stored before they are sent. What became of it
//! is known only when the final nonce has passed its own: until then a time-out means nothing.

use alloy::primitives::{Address, B256, Bytes, keccak256};

use super::lease::{self, Lease};
use super::{SettlementError, broken, store};
use crate::chain::{ChainError, Fees, Signed};
use crate::db::Conn;

pub use super::verdict::{Look, LostRule, Missing, Verdict, verdict};

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Commits to the rounds of a tick.
    Commit,
    /// Proposes a batch.
    Propose,
    /// Accepts a batch.
    Accept,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Commit, Self::Propose, Self::Accept];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Propose => "propose",
            Self::Accept => "accept",
        }
    }

    /// The action of a stored name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == text)
    }
}

/// Where an intent stands. Stored by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentState {
    /// No attempt yet.
    Planned,
    /// Attempts exist; its fate is not known.
    Sent,
    /// Mined, took effect, final.
    Done,
    /// Mined, refused by the contract, final.
    Reverted,
    /// Replaced by a transfer of nothing to ourselves, final.
    Cancelled,
    /// Its nonce was used by a transaction that is not ours.
    Lost,
    /// Became useless before anything was signed.
    Abandoned,
}

impl IntentState {
    const ALL: [Self; 7] = [
        Self::Planned,
        Self::Sent,
        Self::Done,
        Self::Reverted,
        Self::Cancelled,
        Self::Lost,
        Self::Abandoned,
    ];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Sent => "sent",
            Self::Done => "done",
            Self::Reverted => "reverted",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Abandoned => "abandoned",
        }
    }

    /// The state of a stored name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == text)
    }
}

/// A transaction that must happen at most once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Hash of action and subject.
    pub id: String,
    /// The key that signs it.
    pub signer: Address,
    /// What it does.
    pub action: Action,
    /// What it does it to: a batch's id (with the number of the try from the second on), or a tick
    /// with its rounds.
    pub subject: String,
    /// The contract.
    pub recipient: Address,
    /// What it says.
    pub calldata: Bytes,
    /// From this block time on it has no use, microseconds.
    pub useless_from_us: i64,
    /// Where it stands.
    pub state: IntentState,
    /// The nonce of its attempts, once there are any.
    pub nonce: Option<u64>,
    /// The transaction that decided it; empty before.
    pub mined_tx: String,
    /// When it was planned, wall microseconds.
    pub created_us: i64,
    /// How often a contract refused it before anything was signed.
    pub failures: i64,
    /// Why, the last time; empty when it never was.
    pub last_error: String,
    /// Not tried again before this, wall microseconds.
    pub next_try_us: i64,
}

impl Intent {
    /// A new intent; the same action on the same subject has the same id.
    #[must_use]
    pub fn new(
        action: Action,
        subject: String,
        signer: Address,
        recipient: Address,
        calldata: Bytes,
        useless_from_us: i64,
        wall_us: i64,
    ) -> Self {
        let id = keccak256(format!("{} {subject}", action.name())).to_string();
        Self {
            id,
            signer,
            action,
            subject,
            recipient,
            calldata,
            useless_from_us,
            state: IntentState::Planned,
            nonce: None,
            mined_tx: String::new(),
            created_us: wall_us,
            failures: 0,
            last_error: String::new(),
            next_try_us: 0,
        }
    }
}

/// The subject of another try at a batch, after `tries` that came to nothing.
pub(super) fn subject_of_try(batch: &str, tries: i64) -> String {
    if tries == 0 {
        return batch.to_owned();
    }
    format!("{batch}#{tries}")
}

impl Intent {
    /// The batch that this is about, for proposals and acceptances.
    #[must_use]
    pub fn batch(&self) -> &str {
        self.subject.split('#').next().unwrap_or_default()
    }
}

/// One signed form of an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counts from 1.
    pub number: i64,
    /// The intent's nonce.
    pub nonce: u64,
    /// A transfer of nothing to ourselves, in the intent's place.
    pub is_cancel: bool,
    /// At most.
    pub gas_limit: u64,
    /// Offered.
    pub fees: Fees,
    /// As sent.
    pub raw: Vec<u8>,
    /// Its hash.
    pub tx_hash: B256,
    /// When it was signed, wall microseconds.
    pub created_us: i64,
}

/// Plans an intent; the same one twice is one.
///
/// # Errors
/// [`SettlementError::Broken`] when the same id was planned with other content.
pub(super) async fn plan(conn: &mut Conn, intent: &Intent) -> Result<(), SettlementError> {
    if store::intents::insert(conn, intent).await? {
        return Ok(());
    }
    match store::intents::get(conn, &intent.id).await? {
        Some(known) if known.calldata == intent.calldata && known.signer == intent.signer => Ok(()),
        _ => Err(broken(format!(
            "intent {} was planned with other content",
            intent.id
        ))),
    }
}

/// Intents whose fate is not known, those with a nonce first and in its order.
///
/// # Errors
/// Database errors and broken rows.
pub async fn open(conn: &mut Conn) -> Result<Vec<Intent>, SettlementError> {
    store::intents::open(conn).await
}

/// The attempts of an intent, oldest first.
///
/// # Errors
/// Database errors and broken rows.
pub async fn attempts(conn: &mut Conn, intent: &Intent) -> Result<Vec<Attempt>, SettlementError> {
    store::intents::attempts(conn, &intent.id).await
}

/// Reads the next nonce of a key for the first time, or compares: a chain that is ahead of us saw
/// a transaction of this key that we do not know.
///
/// # Errors
/// [`SettlementError::Differs`].
pub async fn check_nonce(
    conn: &mut Conn,
    signer: Address,
    on_chain: u64,
) -> Result<(), SettlementError> {
    let chain_next = i64::try_from(on_chain).map_err(|_| broken("a nonce beyond 2^63"))?;
    store::control::seed_nonce(conn, &signer.to_string(), chain_next).await?;
    let next = store::control::nonce(conn, &signer.to_string())
        .await?
        .unwrap_or(chain_next);
    if chain_next <= next {
        return Ok(());
    }
    Err(SettlementError::Differs(format!(
        "key {signer} has sent {chain_next} transactions, but we know of {next} only: \
         somebody else uses it, or the database is an old copy"
    )))
}

/// What every attempt is made of.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// A transfer of nothing to ourselves.
    pub is_cancel: bool,
    /// At most.
    pub gas_limit: u64,
    /// Offered.
    pub fees: Fees,
    /// Now, wall microseconds.
    pub wall_us: i64,
}

/// Takes the next nonce of the intent's key, signs with it and stores the signed bytes, all in the
/// caller's transaction. To be sent only after its commit.
///
/// # Errors
/// [`SettlementError::Fenced`], [`SettlementError::Moved`] when it has an attempt already.
pub async fn first_attempt(
    conn: &mut Conn,
    lease: &Lease,
    intent: &Intent,
    offer: Offer,
    sign: impl FnOnce(u64) -> Result<Signed, ChainError>,
) -> Result<Attempt, SettlementError> {
    lease::hold(conn, lease).await?;
    let taken = store::control::take_nonce(conn, &intent.signer.to_string()).await?;
    let nonce = u64::try_from(taken).map_err(|_| broken("a negative nonce"))?;
    if !store::intents::set_sent(conn, &intent.id, taken).await? {
        return Err(moved(intent, "planned"));
    }
    let attempt = formed(1, nonce, offer, sign(nonce)?);
    store_attempt(conn, intent, attempt).await
}

/// Stores another attempt on the same nonce: a higher fee, or a transfer to ourselves.
///
/// # Errors
/// [`SettlementError::Fenced`], [`SettlementError::Moved`].
pub async fn next_attempt(
    conn: &mut Conn,
    lease: &Lease,
    intent: &Intent,
    last: &Attempt,
    offer: Offer,
    sign: impl FnOnce(u64) -> Result<Signed, ChainError>,
) -> Result<Attempt, SettlementError> {
    lease::hold(conn, lease).await?;
    match store::intents::get(conn, &intent.id).await? {
        Some(now) if now.state == IntentState::Sent => {}
        _ => return Err(moved(intent, "sent")),
    }
    let attempt = formed(
        last.number.saturating_add(1),
        last.nonce,
        offer,
        sign(last.nonce)?,
    );
    store_attempt(conn, intent, attempt).await
}

fn formed(number: i64, nonce: u64, offer: Offer, signed: Signed) -> Attempt {
    Attempt {
        number,
        nonce,
        is_cancel: offer.is_cancel,
        gas_limit: offer.gas_limit,
        fees: offer.fees,
        raw: signed.raw,
        tx_hash: signed.tx_hash,
        created_us: offer.wall_us,
    }
}

async fn store_attempt(
    conn: &mut Conn,
    intent: &Intent,
    attempt: Attempt,
) -> Result<Attempt, SettlementError> {
    if store::intents::insert_attempt(conn, intent, &attempt).await? {
        return Ok(attempt);
    }
    Err(moved(intent, "at this attempt"))
}

pub(super) fn moved(intent: &Intent, expected: &'static str) -> SettlementError {
    SettlementError::Moved {
        what: format!("intent {}", intent.id),
        expected,
    }
}

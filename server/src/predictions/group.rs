//! One group: what shares one transaction, and so one durable commit. Each table is asked once for
//! the whole group, and each prediction has its own verdict.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::thread::available_parallelism;

use domain::{RoundId, RoundState};

use super::check::check;
use super::nonce;
use super::once::{self, Claim, Once};
use super::store::{self, Last};
use super::{Draft, PredictionError, Receipt, ReceiptSigner, Signed, Submission};
use crate::db::{Conn, Db};
use crate::models;
use crate::rounds::{self, Ruled};

/// What became of one prediction.
pub type Verdict = Result<Receipt, PredictionError>;

/// Receipts that are worth a thread of their own.
const LEAST_SHARE: usize = 32;

/// What one request wants stored.
pub(super) struct Work {
    pub(super) submissions: Vec<Submission>,
    pub(super) once: Option<Once>,
}

/// What became of one request.
pub(super) enum Outcome {
    /// A verdict for each of its predictions, in their order.
    Verdicts(Vec<Verdict>),
    /// The answer that stands under its idempotency key, and whether an earlier request had it.
    Answer { text: String, is_replay: bool },
    /// Its idempotency key is refused; nothing was stored.
    Refused(PredictionError),
}

/// Stores a group. Only a failure of the database or of the signer refuses all of it, and then
/// nothing is stored.
pub(super) async fn commit(
    db: &Db,
    signer: &Arc<ReceiptSigner>,
    works: Vec<Work>,
) -> Result<Vec<Outcome>, PredictionError> {
    let mut tx = db.begin().await?;
    let mut claims = Vec::with_capacity(works.len());
    for work in &works {
        claims.push(once::claim(&mut tx, work.once.as_ref()).await?);
    }
    let asked = works.iter().zip(&claims);
    let submissions: Vec<&Submission> = asked
        .filter(|(_, claim)| matches!(claim, Claim::Ours))
        .flat_map(|(work, _)| &work.submissions)
        .collect();
    let mut verdicts = write(&mut tx, signer, &submissions).await?.into_iter();
    let mut outcomes = Vec::with_capacity(works.len());
    for (work, claim) in works.into_iter().zip(claims) {
        outcomes.push(match claim {
            Claim::Ours => {
                let own = verdicts.by_ref().take(work.submissions.len()).collect();
                once::keep(&mut tx, work.once, own).await?
            }
            Claim::Answered(text) => Outcome::Answer {
                text,
                is_replay: true,
            },
            Claim::Refused(error) => Outcome::Refused(error),
        });
    }
    tx.commit().await?;
    Ok(outcomes)
}

/// Checks, signs and inserts; verdicts in the order of the submissions.
async fn write(
    conn: &mut Conn,
    signer: &Arc<ReceiptSigner>,
    submissions: &[&Submission],
) -> Result<Vec<Verdict>, PredictionError> {
    if submissions.is_empty() {
        return Ok(Vec::new());
    }
    let known = Known::read(conn, submissions).await?;
    let (decisions, drafts) = known.decide(submissions);
    let signed = sign(signer, drafts).await?;
    store::insert(conn, &signed).await?;
    let verdict = |decision| match decision {
        Decision::Refused(error) => Err(error),
        Decision::Known(receipt) => Ok(*receipt),
        Decision::New(place) => signed.get(place).map_or_else(
            || Err(PredictionError::Signing("a receipt is missing".to_owned())),
            |signed: &Signed| Ok(signed.receipt.clone()),
        ),
    };
    Ok(decisions.into_iter().map(verdict).collect())
}

/// What stands about one prediction before anything is written.
enum Decision {
    Refused(PredictionError),
    /// The same was stored before.
    Known(Box<Receipt>),
    /// The draft at this place is its receipt.
    New(usize),
}

/// What the group has read.
struct Known {
    rounds: HashMap<RoundId, Ruled>,
    models: HashMap<domain::ModelId, models::Standing>,
    /// The latest row of each submission's round and model, in the submissions' order.
    last: Vec<Option<Last>>,
    sequence: i64,
}

impl Known {
    async fn read(conn: &mut Conn, submissions: &[&Submission]) -> Result<Self, PredictionError> {
        let rounds = hold(conn, submissions).await?;
        let ids: BTreeSet<_> = submissions.iter().map(|s| &s.model).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        Ok(Self {
            rounds,
            models: models::standings(conn, &ids).await?,
            last: store::last_of_each(conn, submissions).await?,
            sequence: store::last_sequence(conn).await?,
        })
    }

    fn decide(&self, submissions: &[&Submission]) -> (Vec<Decision>, Vec<Draft>) {
        let mut decisions = Vec::with_capacity(submissions.len());
        let mut drafts: Vec<Draft> = Vec::with_capacity(submissions.len());
        // The latest draft of a round and model, for who posts twice in one group.
        let mut drafted: HashMap<_, usize> = HashMap::with_capacity(submissions.len());
        let mut sequence = self.sequence;
        for (s, last) in submissions.iter().copied().zip(&self.last) {
            let (round, model) = (self.rounds.get(&s.round), self.models.get(&s.model));
            let accepted = match check(s, round, model) {
                Ok(accepted) => accepted,
                Err(error) => {
                    decisions.push(Decision::Refused(error));
                    continue;
                }
            };
            let place = drafted.get(&(&s.round, &s.model)).copied();
            let earlier = place.and_then(|place| Some((place, drafts.get(place)?)));
            let highest = match earlier {
                Some((_, draft)) => Some(draft.nonce),
                None => last.as_ref().map(|last| last.nonce),
            };
            let nonce = nonce::beside(s, highest);
            let said = already_said(s, earlier, last.as_ref());
            if let Some(known) = said.filter(|_| !nonce.is_next) {
                decisions.push(known);
                continue;
            }
            if nonce.is_used {
                decisions.push(Decision::Refused(nonce::used(s, highest)));
                continue;
            }
            sequence += 1;
            drafted.insert((&s.round, &s.model), drafts.len());
            decisions.push(Decision::New(drafts.len()));
            drafts.push(Draft {
                submission: s.clone(),
                counted: accepted.counted,
                deadline_us: accepted.deadline_us,
                sequence,
                nonce: nonce.stored,
            });
        }
        (decisions, drafts)
    }
}

/// The same prediction again gives the same receipt: that of this group's latest draft for the
/// round and model, or of the latest row where the group has none.
fn already_said(
    s: &Submission,
    earlier: Option<(usize, &Draft)>,
    last: Option<&Last>,
) -> Option<Decision> {
    match (earlier, last) {
        (Some((place, draft)), _) => {
            let is_same = draft.submission.says_the_same(s);
            is_same.then_some(Decision::New(place))
        }
        (None, Some(last)) if last.posted == s.posted && last.ask == s.ask => {
            let known = |receipt| Decision::Known(Box::new(receipt));
            Some(last.receipt().map_or_else(Decision::Refused, known))
        }
        (None, _) => None,
    }
}

/// Holds the open rounds of the group for the rest of the transaction, in order, so that two
/// writers never wait for each other, and reads them.
async fn hold(
    conn: &mut Conn,
    submissions: &[&Submission],
) -> Result<HashMap<RoundId, Ruled>, PredictionError> {
    let ids: BTreeSet<&RoundId> = submissions.iter().map(|s| &s.round).collect();
    let mut held = BTreeSet::new();
    for id in &ids {
        if rounds::hold(conn, id, RoundState::Open).await? {
            held.insert(*id);
        }
    }
    let ids: Vec<&RoundId> = ids.into_iter().collect();
    let mut rounds = rounds::ruled(conn, &ids).await?;
    for (id, ruled) in &mut rounds {
        // It opened in between and is not held: for this group it is not open yet.
        if ruled.round.state == RoundState::Open && !held.contains(id) {
            ruled.round.state = RoundState::Scheduled;
        }
    }
    Ok(rounds)
}

/// Signs on as many threads as the machine has, away from those that serve requests.
async fn sign(
    signer: &Arc<ReceiptSigner>,
    drafts: Vec<Draft>,
) -> Result<Vec<Signed>, PredictionError> {
    let threads = available_parallelism().map_or(1, std::num::NonZero::get);
    let share = drafts.len().div_ceil(threads).max(LEAST_SHARE);
    let mut signed = Vec::with_capacity(drafts.len());
    let (mut parts, mut rest) = (Vec::new(), drafts);
    while !rest.is_empty() {
        let after = rest.split_off(share.min(rest.len()));
        let (part, signer) = (rest, Arc::clone(signer));
        parts.push(tokio::task::spawn_blocking(move || {
            let signed = part.iter().map(|draft| signer.sign(draft));
            signed.collect::<Result<Vec<Signed>, PredictionError>>()
        }));
        rest = after;
    }
    for part in parts {
        let part = part.await;
        signed.extend(part.map_err(|e| PredictionError::Signing(e.to_string()))??);
    }
    Ok(signed)
}

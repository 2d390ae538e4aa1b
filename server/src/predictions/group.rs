//! One group: what shares one transaction, and so one durable commit. Each table is asked once for
//! the whole group, and each prediction has its own verdict.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::thread::available_parallelism;

use domain::{ModelId, RoundId, RoundState, TokenAmount};
use tokio::sync::Notify;

use super::check::{Accepted, check};
use super::nonce;
use super::notice::{Grounds, beside};
use super::once::{self, Claim, Once};
use super::risk::{Rivals, would_risk};
use super::said::{Before, Judgement, judge};
use super::store::{self, Last};
use super::{Answer, Draft, Notice, PredictionError, Receipt, ReceiptSigner, Signed, Submission};
use crate::chain::B256;
use crate::db::{Conn, Db};
use crate::models;
use crate::rounds::{self, Ruled};
use crate::stakes::WouldRisk;

/// What became of one prediction.
pub type Verdict = Result<Answer, PredictionError>;

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

/// Stores a group, and rings `due` when that makes a round due. Only a failure of the database or of the signer refuses all of it, and then
/// nothing is stored.
pub(super) async fn commit(
    db: &Db,
    signer: &Arc<ReceiptSigner>,
    due: &Notify,
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
    let written = write(&mut tx, signer, &submissions).await?;
    let mut verdicts = written.verdicts.into_iter();
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
    if written.is_any_due {
        due.notify_one();
    }
    Ok(outcomes)
}

/// What came of the submissions of a group.
#[derive(Default)]
struct Written {
    /// In the order of the submissions.
    verdicts: Vec<Verdict>,
    /// Whether a round may lock now because its last seal was opened.
    is_any_due: bool,
}

/// Checks, signs and inserts.
async fn write(
    conn: &mut Conn,
    signer: &Arc<ReceiptSigner>,
    submissions: &[&Submission],
) -> Result<Written, PredictionError> {
    if submissions.is_empty() {
        return Ok(Written::default());
    }
    let known = Known::read(conn, submissions).await?;
    let accepted: Vec<_> = submissions.iter().map(|s| known.check(s)).collect();
    let may_count: Vec<bool> = accepted.iter().map(Result::is_ok).collect();
    let would = would_risk(conn, submissions, &may_count, &known.rounds).await?;
    let (decisions, drafts) = known.decide(signer, submissions, accepted, &would);
    let signed = sign(signer, drafts).await?;
    store::insert(conn, &signed).await?;
    let is_any_due = lock_early(conn, &known.rounds, &signed).await?;
    let mut receipts = Vec::with_capacity(decisions.len());
    for decision in decisions {
        receipts.push(receipt_of(conn, decision, &signed).await?);
    }
    let verdicts = answers(conn, &known.rounds, submissions, receipts, &would).await?;
    Ok(Written {
        verdicts,
        is_any_due,
    })
}

/// A round whose last closed seal was opened after its deadline need not wait for its lock's moment:
/// it is due at once.
async fn lock_early(
    conn: &mut Conn,
    rounds: &HashMap<RoundId, Ruled>,
    signed: &[Signed],
) -> Result<bool, PredictionError> {
    let submissions = signed.iter().map(|signed| &signed.draft.submission);
    let mut opened = BTreeMap::new();
    for s in submissions.filter(|s| s.said.is_opening()) {
        let ruled = rounds.get(&s.round);
        if ruled.is_some_and(|ruled| s.received_us >= ruled.round.schedule.deadline_us) {
            opened.insert(&s.round, s.received_us);
        }
    }
    let mut is_any_due = false;
    for (round, received_us) in opened {
        if !store::is_any_sealed(conn, round).await? {
            rounds::look_again(conn, round, RoundState::Open, received_us).await?;
            is_any_due = true;
        }
    }
    Ok(is_any_due)
}

/// Whether a receipt was made now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    New,
    /// The same was stored before.
    Repeated,
    /// So was the seal, and what opened it.
    OpenedSince,
}

type Receipted = Result<(Receipt, Age), PredictionError>;

async fn receipt_of(
    conn: &mut Conn,
    decision: Decision,
    signed: &[Signed],
) -> Result<Receipted, PredictionError> {
    let missing = || PredictionError::Signing("a receipt is missing".to_owned());
    Ok(match decision {
        Decision::Refused(error) => Err(error),
        Decision::Known(receipt) => Ok((*receipt, Age::Repeated)),
        Decision::New { place, age } => {
            let signed = signed.get(place).ok_or_else(missing)?;
            Ok((signed.receipt.clone(), age))
        }
        Decision::SealOf(of) => {
            let (round, model, seal) = *of;
            let receipt = store::receipt_of_seal(conn, &round, &model, seal).await?;
            Ok((receipt.ok_or_else(missing)?, Age::OpenedSince))
        }
    })
}

/// The receipts with what there is to say beside them.
async fn answers(
    conn: &mut Conn,
    rounds: &HashMap<RoundId, Ruled>,
    submissions: &[&Submission],
    receipts: Vec<Receipted>,
    would: &[Option<WouldRisk>],
) -> Result<Vec<Verdict>, PredictionError> {
    let staked = submissions.iter().zip(would).filter_map(|(s, would)| {
        let would = would.as_ref()?;
        (would.at_risk > TokenAmount::ZERO).then_some(&s.round)
    });
    let rivals = Rivals::read(conn, staked).await?;
    let answer = |((s, receipted), would): ((&&Submission, Receipted), &Option<WouldRisk>)| {
        let (receipt, age) = receipted?;
        let mut notices = Vec::new();
        if age != Age::New {
            notices.push(Notice::Duplicate);
        }
        let is_closed = s.said.is_sealed() && age != Age::OpenedSince;
        if let Some(ruled) = rounds.get(&s.round)
            && (would.is_some() || is_closed)
        {
            let on = Grounds {
                would: would.unwrap_or_default(),
                minimum: ruled.tournament.stake.minimum,
                has_rival: rivals.of(&s.round, &s.model),
                reveal_until_us: ruled.round.schedule.lock_us,
            };
            notices.extend(beside(&s.said, &receipt, &on));
        }
        Ok(Answer { receipt, notices })
    };
    let all = submissions.iter().zip(receipts).zip(would);
    Ok(all.map(answer).collect())
}

/// What stands about one prediction before anything is written.
enum Decision {
    Refused(PredictionError),
    /// The same was stored before.
    Known(Box<Receipt>),
    /// The draft at this place is its receipt; of an earlier one of the group that says the same.
    New {
        place: usize,
        age: Age,
    },
    /// A seal that was opened since: the receipt of the seal.
    SealOf(Box<(RoundId, ModelId, B256)>),
}

impl Decision {
    /// Whether it is the latest of its round and model, said again.
    fn is_again(&self) -> bool {
        match self {
            Self::Known(_) => true,
            Self::New { age, .. } => *age == Age::Repeated,
            Self::Refused(_) | Self::SealOf(_) => false,
        }
    }
}

/// What the group has read.
struct Known {
    rounds: HashMap<RoundId, Ruled>,
    models: HashMap<ModelId, models::Standing>,
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

    fn check(&self, s: &Submission) -> Result<Accepted, PredictionError> {
        check(s, self.rounds.get(&s.round), self.models.get(&s.model))
    }

    fn decide(
        &self,
        signer: &ReceiptSigner,
        submissions: &[&Submission],
        accepted: Vec<Result<Accepted, PredictionError>>,
        would: &[Option<WouldRisk>],
    ) -> (Vec<Decision>, Vec<Draft>) {
        let mut decisions = Vec::with_capacity(submissions.len());
        let mut drafts: Vec<Draft> = Vec::with_capacity(submissions.len());
        // The latest draft of a round and model, for who posts twice in one group.
        let mut drafted: HashMap<_, usize> = HashMap::with_capacity(submissions.len());
        let mut sequence = self.sequence;
        let all = submissions.iter().copied().zip(&self.last);
        for (((s, last), accepted), would) in all.zip(accepted).zip(would) {
            let accepted = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    decisions.push(refused(s, last.as_ref(), error));
                    continue;
                }
            };
            let place = drafted.get(&(&s.round, &s.model)).copied();
            let earlier = place.and_then(|place| Some((place, drafts.get(place)?)));
            let would = would.unwrap_or_default();
            let judged = judged(signer, s, earlier, last.as_ref(), &would);
            let (seal, index, nonce) = match with_nonce(s, earlier, last.as_ref(), judged) {
                Ok(row) => row,
                Err(decision) => {
                    decisions.push(decision);
                    continue;
                }
            };
            sequence += 1;
            drafted.insert((&s.round, &s.model), drafts.len());
            decisions.push(Decision::New {
                place: drafts.len(),
                age: Age::New,
            });
            drafts.push(Draft {
                submission: s.clone(),
                counted: accepted.counted,
                stake_counted: would.at_risk,
                seal,
                index,
                until_us: if s.said.is_opening() {
                    accepted.lock_us
                } else {
                    accepted.deadline_us
                },
                sequence,
                nonce,
            });
        }
        (decisions, drafts)
    }
}

/// The last seal of a round may have locked it at once; whoever did not hear so asks again, and is
/// told what was stored.
fn refused(s: &Submission, last: Option<&Last>, error: PredictionError) -> Decision {
    let is_late = matches!(error, PredictionError::SealLate { .. });
    match last {
        Some(last) if is_late && last.said == s.said => known(last),
        _ => Decision::Refused(error),
    }
}

fn known(last: &Last) -> Decision {
    let known = |receipt| Decision::Known(Box::new(receipt));
    last.receipt().map_or_else(Decision::Refused, known)
}

/// What is to be stored: the seal that it is or opens, and the seal's index. Otherwise the decision
/// that stands: beside this group's latest draft for the round and model, or beside the latest row
/// where the group has none.
fn judged(
    signer: &ReceiptSigner,
    s: &Submission,
    earlier: Option<(usize, &Draft)>,
    last: Option<&Last>,
    would: &WouldRisk,
) -> Result<(Option<B256>, u32), Decision> {
    let before = match (earlier, last) {
        (Some((_, draft)), _) => Some((&draft.submission.said, draft.seal)),
        (None, Some(last)) => Some((&last.said, last.seal)),
        (None, None) => None,
    };
    let before = before.map(|(said, seal)| Before { said, seal });
    let chain_round = || signer.chain_round(&s.round);
    match judge(s, before, chain_round, would.model_index) {
        Err(error) => Err(Decision::Refused(error)),
        Ok(Judgement::New { seal, index }) => Ok((seal, index)),
        Ok(Judgement::OpenedSince { seal }) => {
            let of = (s.round.clone(), s.model.clone(), seal);
            Err(Decision::SealOf(Box::new(of)))
        }
        Ok(Judgement::Repeated) => Err(match (earlier, last) {
            (Some((place, _)), _) => Decision::New {
                place,
                age: Age::Repeated,
            },
            (None, Some(last)) => known(last),
            (None, None) => Decision::Refused(PredictionError::Broken("repeated nothing".into())),
        }),
    }
}

/// The same beside the nonces of the round and model: what is to be stored, and the nonce of its
/// row. A higher nonce is stored even where it says the same again, a used one never.
fn with_nonce(
    s: &Submission,
    earlier: Option<(usize, &Draft)>,
    last: Option<&Last>,
    judged: Result<(Option<B256>, u32), Decision>,
) -> Result<(Option<B256>, u32, i64), Decision> {
    let latest = match (earlier, last) {
        (Some((_, draft)), _) => Some((draft.seal, draft.index, draft.nonce)),
        (None, last) => last.map(|last| (last.seal, last.index, last.nonce)),
    };
    let highest = latest.map(|(_, _, nonce)| nonce);
    let nonce = nonce::beside(s, highest);
    let is_again = matches!(&judged, Err(again) if again.is_again());
    match (judged, latest) {
        (Err(_), Some((seal, index, _))) if is_again && nonce.is_next => {
            Ok((seal, index, nonce.stored))
        }
        (Err(Decision::Refused(_)) | Ok(_), _) if nonce.is_used => {
            Err(Decision::Refused(nonce::used(s, highest)))
        }
        (judged, _) => judged.map(|(seal, index)| (seal, index, nonce.stored)),
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
            let signed = part.into_iter().map(|draft| signer.sign(draft));
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

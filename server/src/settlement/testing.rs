//! Rounds that walk the way the jobs walk them, for tests of settlement and settler.

use alloy::primitives::{Address, B256};
use domain::{Direction, ModelId, Outcome, Probability, RoundState};

use crate::chain::{Deployment, Fees};
use crate::db::Conn;
use crate::predictions::{self, Counted};
use crate::prices::{self, Resolution};
use crate::rounds::{self, NOT_DUE, Round};
use crate::settlement::intent::{Action, Attempt, Intent};
use crate::settlement::{self, Lock, Settled, store};
use crate::stakes;
use crate::stakes::testing::tournament;

/// Locks a round over these reports, in ppm, with the default stakes; as the lock job does.
pub(crate) async fn lock(
    conn: &mut Conn,
    now_us: i64,
    round: &Round,
    deployment: &Deployment,
    reports: &[(ModelId, u32)],
) -> Lock {
    let rule = tournament(conn).await.tournament.stake;
    let asks: Vec<_> = reports
        .iter()
        .map(|(model, _)| (model.clone(), None))
        .collect();
    let at_risk = stakes::snapshot(conn, &round.id, &rule, &asks)
        .await
        .expect("a snapshot");
    let counted: Vec<Counted> = at_risk
        .into_iter()
        .zip(reports)
        .map(|(risk, (model, ppm))| Counted {
            model: model.clone(),
            sequence: 1,
            model_index: risk.model_index,
            at_risk: risk.at_risk,
            counted: Probability::from_ppm(*ppm).expect("in range"),
            posted: Probability::from_ppm(*ppm).expect("in range"),
        })
        .collect();
    predictions::freeze(conn, &round.id, &counted)
        .await
        .expect("freezes");
    let frozen = settlement::freeze(conn, now_us, round, deployment, &counted, [8; 32]).await;
    let (from, to) = (RoundState::Open, RoundState::Locked);
    rounds::advance(conn, &round.id, from, to, NOT_DUE)
        .await
        .expect("locks");
    frozen.expect("a lock")
}

/// Scores a committed round that went up, as the resolve and score jobs do.
pub(crate) async fn score(conn: &mut Conn, round: &Round) -> Settled {
    let outcome = Outcome::Direction(Direction::Up);
    let resolution = Resolution {
        outcome,
        reason: String::new(),
        p0: None,
        p1: None,
        return_e12: 1,
        evidence: "{}".into(),
        evidence_hash: B256::from([3; 32]).to_string(),
        resolved_us: round.schedule.end_us,
    };
    prices::write_resolution(conn, &round.id, &resolution)
        .await
        .expect("written");
    let rule = tournament(conn).await.tournament.stake;
    let counted = predictions::counted(conn, &round.id)
        .await
        .expect("counted");
    let settled = settlement::settle(conn, round, &rule, outcome, &counted)
        .await
        .expect("settles");
    stakes::keep_only_losses(conn, &round.id, &settled.payouts)
        .await
        .expect("keeps");
    use RoundState as S;
    for (from, to) in [
        (S::Committed, S::Evidenced),
        (S::Evidenced, S::Resolved),
        (S::Resolved, S::Scored),
    ] {
        rounds::advance(conn, &round.id, from, to, NOT_DUE)
            .await
            .expect("advances");
    }
    settled
}

/// An acceptance that a contract refused once with `error` before it was signed; its calldata is
/// `c0ffee`, its signed bytes are `deadbeef`, it offers a little over 3 gwei.
pub(crate) async fn refused_acceptance(conn: &mut Conn, error: &str) {
    let (signer, vault) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let calldata = vec![0xc0, 0xff, 0xee].into();
    let subject = "a batch".to_owned();
    let intent = Intent::new(Action::Accept, subject, signer, vault, calldata, 1, 1);
    let attempt = Attempt {
        number: 1,
        nonce: 7,
        is_cancel: false,
        gas_limit: 1,
        fees: Fees {
            max: 3_000_000_001,
            tip: 1,
        },
        raw: vec![0xde, 0xad, 0xbe, 0xef],
        tx_hash: B256::repeat_byte(0x11),
        created_us: 1,
    };
    let is_new = store::intents::insert(conn, &intent).await;
    assert!(is_new.expect("inserts"));
    let is_noted = store::intents::set_refused(conn, &intent.id, error, 9).await;
    assert!(is_noted.expect("notes"));
    let is_sent = store::intents::set_sent(conn, &intent.id, 7).await;
    assert!(is_sent.expect("is sent"));
    let is_stored = store::intents::insert_attempt(conn, &intent, &attempt).await;
    assert!(is_stored.expect("inserts"));
}

//! What tests of stakes, settlement and settler begin with: a tournament, models with stakes, and
//! rounds that walk the way the jobs walk them.

use alloy::primitives::{Address, B256};
use domain::timestamp::SECOND_US;
use domain::{Direction, ModelId, Outcome, Probability, RoundState, TokenAmount};

use crate::chain::{Deployment, Event, Said};
use crate::db::{Conn, Db};
use crate::predictions::{self, Counted};
use crate::prices::{self, Resolution};
use crate::rounds::{self, Entered, NOT_DUE, Round};
use crate::settlement::{self, Lock, Settled};
use crate::{accounts, models, stakes};

/// T of the first round.
pub(crate) const START_US: i64 = 1_709_640_000 * SECOND_US;

/// Units of so many tokens.
pub(crate) fn tokens(tokens: u64) -> TokenAmount {
    TokenAmount::from_units(tokens * 1_000_000_000).expect("in range")
}

/// The demo's tournament.
pub(crate) async fn tournament(conn: &mut Conn) -> Entered {
    let file = include_str!("../demo/btc-usd-5m.toml");
    rounds::enter(conn, 1, file).await.expect("enters")
}

/// Contracts that exist on no chain.
pub(crate) fn deployment() -> Deployment {
    Deployment {
        chain_id: 31_337,
        token: Address::repeat_byte(1),
        registry: Address::repeat_byte(2),
        vault: Address::repeat_byte(3),
        deployed_block: 0,
        window_s: 120,
        settle_by_s: 900,
        delay_s: 1_400,
        margin_s: 60,
        idle_limit_s: 7 * 86_400,
        bond: 1_000_000_000,
        minimum_deposit: 1_000_000_000,
        committer: Address::repeat_byte(4),
        operator: Address::repeat_byte(5),
        guardian: Address::repeat_byte(6),
        owner: Address::repeat_byte(7),
    }
}

/// An external model of a new account with this wallet.
pub(crate) async fn model(conn: &mut Conn, name: &str, wallet: Address) -> ModelId {
    let wallet = wallet.to_string();
    let account = accounts::create(conn, 1, name, &wallet, false)
        .await
        .expect("an account");
    let tournament = "btc-usd-5m".parse().expect("valid");
    let model = models::register_external(conn, 1, &account.id, &tournament, name).await;
    model.expect("a model").id
}

/// A final event of the vault or the registry in a block of its own.
pub(crate) fn event(address: Address, number: i64, said: Said) -> Event {
    Event {
        block_hash: B256::from([u8::try_from(number % 251).expect("small"); 32]).to_string(),
        log_index: 0,
        block_number: number,
        block_time_s: START_US / SECOND_US,
        tx_hash: B256::from([9; 32]).to_string(),
        address,
        is_final: true,
        said,
    }
}

/// Three models of wallets 0x11…, 0x12…, 0x13… with `stake` each.
pub(crate) async fn three_models(conn: &mut Conn, stake: TokenAmount) -> Vec<ModelId> {
    let tournament = tournament(conn).await;
    let mut made = Vec::new();
    for (index, name) in ["ada", "bob", "cleo"].into_iter().enumerate() {
        let index = u32::try_from(index).expect("small");
        let owner = Address::repeat_byte(0x11 + u8::try_from(index).expect("small"));
        let model = model(conn, name, owner).await;
        let said = Said::ModelRegistered {
            index,
            tournament: tournament.chain_key.parse().expect("a key"),
            model_key: stakes::model_key(&model),
            owner,
            amount: stake.units(),
        };
        let registered = event(deployment().vault, i64::from(index), said);
        stakes::apply(conn, &registered).await.expect("applies");
        made.push(model);
    }
    made
}

/// A round of the tournament, open for predictions.
pub(crate) async fn open_round(conn: &mut Conn, start_us: i64) -> Round {
    let entered = tournament(conn).await;
    let moments = entered.tournament.round(start_us).expect("a start");
    rounds::schedule(conn, std::slice::from_ref(&moments))
        .await
        .expect("schedules");
    let (from, to) = (RoundState::Scheduled, RoundState::Open);
    rounds::advance(conn, &moments.id, from, to, NOT_DUE)
        .await
        .expect("opens");
    rounds::get(conn, &moments.id).await.expect("there")
}

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

/// Runs `step` in a transaction of its own.
pub(crate) async fn in_transaction<T>(db: &Db, step: impl AsyncFnOnce(&mut Conn) -> T) -> T {
    let mut tx = db.begin().await.expect("begins");
    let done = step(&mut tx).await;
    tx.commit().await.expect("commits");
    done
}

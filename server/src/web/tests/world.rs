//! A server with rounds behind it, made through the slices' verbs without chain and runner.

use std::sync::Arc;

use alloy::primitives::Address;
use datasets::bundled;
use domain::timestamp::SECOND_US;
use domain::{
    ModelId, Outcome, Probability, RoundId, RoundState, TokenAmount, TournamentId, Venue,
};

use crate::app::App;
use crate::app::testing::{NOW_US, app};
use crate::chain::Deployment;
use crate::db::Tx;
use crate::models::Model;
use crate::predictions::{self, Counted};
use crate::prices::feeds::replay::Replay;
use crate::prices::{self, Evidence};
use crate::rounds::{self, NOT_DUE, Round};
use crate::{accounts, aggregates, models, scores, settlement};

/// Rounds behind the clock.
const ROUNDS: i64 = 40;
const BAR_US: i64 = 300 * SECOND_US;

/// The models: name, report in even and in odd rounds, tokens at risk.
const MODELS: [(&str, f64, f64, &str); 6] = [
    ("steady", 0.56, 0.53, "40"),
    ("contrary", 0.45, 0.48, "40"),
    ("constant-half", 0.5, 0.5, "40"),
    ("loud", 0.9, 0.2, "12.345678901"),
    ("quiet", 0.51, 0.495, "0"),
    ("forest", 0.52, 0.47, "25"),
];

/// A server whose clock stands after [`ROUNDS`] rounds of bitcoin.
pub(super) struct Played {
    pub(super) app: Arc<App>,
    pub(super) scored: RoundId,
    pub(super) locked: RoundId,
    pub(super) open: RoundId,
    pub(super) void: RoundId,
    _folder: tempfile::TempDir,
}

impl Played {
    pub(super) async fn new() -> Self {
        let (app, wall, folder) = app().await;
        let id: TournamentId = "btc-usd-5m".parse().expect("an id");
        let mut tx = app.db.begin().await.expect("begins");
        record_prices(&mut tx).await;
        let entrants = enter(&mut tx, &id).await;
        let first_us = NOW_US.div_euclid(BAR_US) * BAR_US;
        let mut scored = None;
        for n in 0..ROUNDS {
            scored = Some(play(&mut tx, &id, first_us + n * BAR_US, n, &entrants).await);
        }
        let at = |n: i64| first_us + (ROUNDS + n) * BAR_US;
        let void = opened(&mut tx, &id, at(0)).await;
        rounds::void(&mut tx, &void.id, RoundState::Open, "the test says so")
            .await
            .expect("voids");
        let locked = opened(&mut tx, &id, at(1)).await;
        lock(&mut tx, &locked, &counted(&entrants, 0)).await;
        let open = opened(&mut tx, &id, at(2)).await;
        tx.commit().await.expect("commits");
        wall.set(at(1) + 100 * SECOND_US);
        let scored = scored.expect("a round").id;
        Self {
            app,
            scored,
            locked: locked.id,
            open: open.id,
            void: void.id,
            _folder: folder,
        }
    }
}

async fn record_prices(tx: &mut Tx) {
    let history = bundled::candles().expect("bundled");
    let replay = Replay::new(
        vec![history.btc.clone(), history.eth.clone()],
        Venue::ALL.to_vec(),
    );
    let from_us = NOW_US - 3 * BAR_US;
    let batch = replay.between(from_us, NOW_US + (ROUNDS + 3) * BAR_US);
    prices::insert_ticks(tx, &batch.ticks).await.expect("ticks");
    for (asset, candle) in &batch.candles {
        prices::insert_candles(tx, asset, &[*candle])
            .await
            .expect("candles");
    }
}

async fn enter(tx: &mut Tx, id: &TournamentId) -> Vec<Model> {
    let account = accounts::create(tx, NOW_US, "someone", "", false)
        .await
        .expect("an account");
    let mut entrants = Vec::new();
    for (name, ..) in MODELS {
        let model = models::register_external(tx, NOW_US, &account.id, id, name).await;
        entrants.push(model.expect("a model"));
    }
    entrants
}

/// What the models say in round `n`.
fn counted(entrants: &[Model], n: i64) -> Vec<Counted> {
    let all = entrants.iter().zip(MODELS).zip(0_u32..);
    let mut counted: Vec<Counted> = all
        .map(|((model, (_, even, odd, stake)), index)| {
            let posted = Probability::from_f64(if n % 2 == 0 { even } else { odd }).expect("valid");
            let at_risk = TokenAmount::from_tokens(stake).expect("valid");
            Counted {
                model: model.id.clone(),
                sequence: n * 100 + i64::from(index) + 1,
                model_index: (at_risk > TokenAmount::ZERO).then_some(index),
                at_risk,
                counted: posted.clamp_to_edge(350_000),
                posted,
            }
        })
        .collect();
    counted.sort_by(|a, b| a.model.cmp(&b.model));
    counted
}

async fn opened(tx: &mut Tx, id: &TournamentId, start_us: i64) -> Round {
    let tournament = rounds::tournament(tx, id)
        .await
        .expect("entered")
        .tournament;
    let schedule = tournament.round(start_us).expect("on the grid");
    rounds::schedule(tx, std::slice::from_ref(&schedule))
        .await
        .expect("scheduled");
    advance(tx, &schedule.id, &[RoundState::Scheduled, RoundState::Open]).await;
    rounds::get(tx, &schedule.id).await.expect("a round")
}

async fn lock(tx: &mut Tx, round: &Round, counted: &[Counted]) {
    predictions::freeze(tx, &round.id, counted)
        .await
        .expect("frozen");
    let at_us = round.schedule.lock_us;
    settlement::freeze(tx, at_us, round, &deployment(), counted, [3; 32])
        .await
        .expect("committed");
    let skills = scores::skills_of_round(tx, counted).await.expect("skills");
    aggregates::build(tx, at_us, round, counted, &skills)
        .await
        .expect("an aggregate");
    rounds::record_stage(tx, &round.id, "lock", at_us, 4_200)
        .await
        .expect("a stage");
    advance(tx, &round.id, &[RoundState::Open, RoundState::Locked]).await;
}

async fn play(tx: &mut Tx, id: &TournamentId, start_us: i64, n: i64, entrants: &[Model]) -> Round {
    let tournament = rounds::tournament(tx, id)
        .await
        .expect("entered")
        .tournament;
    let round = opened(tx, id, start_us).await;
    let counted = counted(entrants, n);
    lock(tx, &round, &counted).await;
    let later_us = round.schedule.end_us + 20 * SECOND_US;
    let evidence = prices::close_evidence(tx, later_us, &round, &tournament)
        .await
        .expect("evidence");
    let Evidence::Closed(resolution) = evidence else {
        panic!("the evidence is late")
    };
    prices::write_resolution(tx, &round.id, &resolution)
        .await
        .expect("written");
    use RoundState as S;
    advance(
        tx,
        &round.id,
        &[S::Locked, S::Committed, S::Evidenced, S::Resolved],
    )
    .await;
    if resolution.outcome == Outcome::Void {
        rounds::void(tx, &round.id, S::Resolved, &resolution.reason)
            .await
            .expect("voids");
        return round;
    }
    let reference: &[ModelId] = &[];
    scores::score(tx, &round, &resolution, &counted, reference)
        .await
        .expect("scored");
    settlement::settle(tx, &round, &tournament.stake, resolution.outcome, &counted)
        .await
        .expect("settled");
    advance(tx, &round.id, &[S::Resolved, S::Scored]).await;
    round
}

async fn advance(tx: &mut Tx, id: &RoundId, states: &[RoundState]) {
    for pair in states.windows(2) {
        rounds::advance(tx, id, pair[0], pair[1], NOT_DUE)
            .await
            .expect("advances");
    }
}

fn deployment() -> Deployment {
    Deployment {
        chain_id: 31_337,
        token: Address::repeat_byte(1),
        registry: Address::repeat_byte(2),
        vault: Address::repeat_byte(3),
        deployed_block: 1,
        window_s: 60,
        settle_by_s: 900,
        delay_s: 3_600,
        margin_s: 300,
        idle_limit_s: 604_800,
        bond: 1,
        minimum_deposit: 1,
        committer: Address::repeat_byte(4),
        operator: Address::repeat_byte(5),
        guardian: Address::repeat_byte(6),
        owner: Address::repeat_byte(7),
    }
}

//! What tests of stakes and of everything above begin with: a tournament, models with stakes, an
//! open round.

use alloy::primitives::Address;
use domain::timestamp::SECOND_US;
use domain::{ModelId, RoundState, TokenAmount};

use crate::chain::Said;
use crate::chain::testing::{deployment, event};
use crate::db::{Conn, Db};
use crate::rounds::{self, Entered, NOT_DUE, Round};
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

/// Runs `step` in a transaction of its own.
pub(crate) async fn in_transaction<T>(db: &Db, step: impl AsyncFnOnce(&mut Conn) -> T) -> T {
    let mut tx = db.begin().await.expect("begins");
    let done = step(&mut tx).await;
    tx.commit().await.expect("commits");
    done
}

//! The demo's participants: the operator's reference models, the bots, their wallets and stakes.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use domain::{ModelId, TokenAmount, TournamentId};

use super::bots::{self, BOTS, Bot};
use super::world::{Keys, World, api_key};
use crate::accounts::Scope;
use crate::chain::wallet::Wallet;
use crate::chain::{B256, Key, anvil};
use crate::db::Db;
use crate::wall::pause;
use crate::{models, rounds, stakes};

/// The account of the platform's own models.
const OPERATOR: &str = "foretoken";
/// What each model has at stake, tokens.
const STAKE: &str = "10000";
/// The follower sees a registration by then, wall time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who plays.
#[derive(Default)]
pub(super) struct Participants {
    /// Each bot with its models: tournament, model.
    pub(super) bots: Vec<(Bot, Vec<(String, String)>)>,
    /// Whose stake is withdrawn in part.
    pub(super) leaver: Option<Leaver>,
}

/// A participant who takes a part of a stake out.
pub(super) struct Leaver {
    pub(super) model: ModelId,
    pub(super) key: Key,
}

/// One wallet and the models that it stakes.
struct Staker {
    key: Key,
    models: Vec<(TournamentId, ModelId)>,
}

/// A key for the demo's runner.
pub(super) async fn runner_key(db: &Db, now_us: i64) -> anyhow::Result<String> {
    let (_, key) = api_key(db, now_us, "demo-runner", "", false, &[Scope::Run]).await?;
    Ok(key)
}

/// Enters everybody: accounts, models, wallets, stakes. What is there already stays.
pub(super) async fn enter(world: &World, keys: &Keys) -> anyhow::Result<Participants> {
    let tournaments = {
        let mut conn = world.db.read().await?;
        rounds::tournaments(&mut conn).await?
    };
    let ids: Vec<TournamentId> = tournaments.into_iter().map(|e| e.tournament.id).collect();
    let mut stakers = vec![enter_operator(world, keys, &ids).await?];
    let mut participants = Participants::default();
    for (name, strategy, stake) in BOTS {
        let wallet = keys.of_label(name)?;
        let address = wallet.address().to_string();
        let scopes = [Scope::Read, Scope::Predict, Scope::Upload];
        let (_, key) = api_key(
            &world.db,
            world.market.wall().now_us(),
            name,
            &address,
            false,
            &scopes,
        )
        .await?;
        let client = bots::client()?;
        let mut models = Vec::new();
        let mut staked = Vec::new();
        for id in &ids {
            let model = bots::own_model(&client, &world.server, &key, id.as_str(), name).await?;
            staked.push((id.clone(), model.parse::<ModelId>()?));
            models.push((id.to_string(), model));
        }
        if name == "noise-bot" {
            let model = staked.first().context("a tournament")?.1.clone();
            participants.leaver = Some(Leaver {
                model,
                key: wallet.clone(),
            });
        }
        stakers.push(Staker {
            key: wallet,
            models: staked,
        });
        let (server, speed) = (world.server.clone(), world.market.speed());
        participants.bots.push((
            Bot {
                name,
                key,
                strategy,
                stake,
                server,
                speed,
            },
            models,
        ));
    }
    stake_all(world, keys, stakers).await?;
    Ok(participants)
}

async fn enter_operator(
    world: &World,
    keys: &Keys,
    ids: &[TournamentId],
) -> anyhow::Result<Staker> {
    let wallet = keys.of_label("participant")?;
    let address = wallet.address().to_string();
    let now_us = world.market.wall().now_us();
    let (account, _) = api_key(
        &world.db,
        now_us,
        OPERATOR,
        &address,
        true,
        &[Scope::Upload],
    )
    .await?;
    let artifacts = world.folder.join("artifacts");
    let mut tx = world.db.begin().await?;
    let mut entered = Vec::new();
    for id in ids {
        let known = models::list(&mut tx, Some(id), Some(&account.id)).await?;
        let known: HashMap<String, ModelId> = known.into_iter().map(|m| (m.name, m.id)).collect();
        for reference in datasets::reference_models() {
            let model = match known.get(reference.name) {
                Some(model) => model.clone(),
                None => {
                    let (name, bytes) = (reference.name, reference.bytes);
                    models::upload(
                        &mut tx,
                        &artifacts,
                        now_us,
                        &account.id,
                        id,
                        name,
                        bytes,
                        true,
                    )
                    .await?
                    .id
                }
            };
            entered.push((id.clone(), model));
        }
    }
    tx.commit().await?;
    Ok(Staker {
        key: wallet,
        models: entered,
    })
}

/// Registers and stakes every model that has no stake yet, and waits until it is seen.
async fn stake_all(world: &World, keys: &Keys, stakers: Vec<Staker>) -> anyhow::Result<()> {
    let amount = TokenAmount::from_tokens(STAKE)?;
    let mut owner = Wallet::new(&world.chain, &world.deployment, keys.of_label("owner")?).await?;
    let mut waiting = Vec::new();
    let mut staking = Vec::new();
    for staker in stakers {
        let mut fresh = Vec::new();
        let mut conn = world.db.read().await?;
        for (tournament, model) in staker.models {
            if stakes::of_model(&mut conn, &model).await?.is_none() {
                fresh.push((tournament, model));
            }
        }
        drop(conn);
        if fresh.is_empty() {
            continue;
        }
        anvil::give_gas(&world.chain, staker.key.address()).await?;
        let count = u64::try_from(fresh.len())?;
        let total = TokenAmount::from_units(amount.units() * count)?;
        let given = owner.give(staker.key.address(), total).await?;
        staking.push((staker.key, fresh, total, given));
    }
    for (key, fresh, total, given) in staking {
        owner.wait(given).await?;
        let mut wallet = Wallet::new(&world.chain, &world.deployment, key).await?;
        wallet.approve(total).await?;
        for (tournament, model) in fresh {
            let (tournament, model_key) = (key_of(tournament.as_str()), key_of(model.as_str()));
            wallet.register_model(tournament, model_key, amount).await?;
            waiting.push(model);
        }
    }
    for model in waiting {
        wait_for_stake(world, &model).await?;
    }
    Ok(())
}

/// Returns the model's place in the vault once the registration is final and applied.
async fn wait_for_stake(world: &World, model: &ModelId) -> anyhow::Result<()> {
    let look = Duration::from_millis(50);
    for _ in 0..PATIENCE.as_millis() / look.as_millis() {
        let mut conn = world.db.read().await?;
        if stakes::of_model(&mut conn, model).await?.is_some() {
            return Ok(());
        }
        drop(conn);
        pause(look).await;
    }
    anyhow::bail!("the stake of {model} was not seen; logs/server.log says more")
}

/// The contracts' name of a tournament or model.
fn key_of(id: &str) -> B256 {
    alloy::primitives::keccak256(id)
}

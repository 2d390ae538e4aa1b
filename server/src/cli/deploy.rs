//! `foretoken admin deploy`: the contracts of an installation, and its tournaments in them.

use anyhow::Context;
use clap::Args;
use domain::TokenAmount;

use super::role_key::role_key;
use super::{DataArgs, Ended, print, refuse};
use crate::chain::{self, ChainAddress, DeploySettings, Deployment, NewTournament, Roles};
use crate::db::Db;
use crate::rounds;
use crate::settlement::{self, VaultTimes};

#[derive(Debug, Args)]
pub(super) struct DeployArgs {
    #[command(flatten)]
    data: DataArgs,
    /// JSON-RPC address of the chain
    #[arg(long, value_name = "URL", env = "FORETOKEN_RPC")]
    rpc: String,
    /// Who may veto and pause; its key is not needed here and belongs on another machine
    #[arg(long, value_name = "ADDRESS")]
    guardian: ChainAddress,
    /// The ERC-20 that is staked: exact transfers, burnable; else a development token is made
    #[arg(long, value_name = "ADDRESS")]
    token: Option<ChainAddress>,
    /// What the operator locks with a proposal, tokens
    #[arg(long, value_name = "TOKENS", default_value = "1000", value_parser = tokens)]
    bond: TokenAmount,
    /// The least first deposit of a model, tokens
    #[arg(long, value_name = "TOKENS", default_value = "1", value_parser = tokens)]
    minimum_deposit: TokenAmount,
    /// Nobody may accept a proposal before, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = DeploySettings::protocol().window_s)]
    window: u32,
    /// A round is settled so long after its start or never, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = DeploySettings::protocol().settle_by_s)]
    settle_by: u32,
    /// From the request of a withdrawal to its payment, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = DeploySettings::protocol().delay_s)]
    delay: u32,
}

pub(super) async fn run(args: DeployArgs) -> anyhow::Result<Ended> {
    let settings = DeploySettings {
        window_s: args.window,
        settle_by_s: args.settle_by,
        delay_s: args.delay,
        bond: args.bond.units(),
        minimum_deposit: args.minimum_deposit.units(),
        token: args.token,
        ..DeploySettings::protocol()
    };
    if let Some(why) = unfit(&settings) {
        return Ok(refuse(&why));
    }
    let data = &args.data.data;
    let roles = Roles {
        owner: role_key(data, "owner", "FORETOKEN_OWNER_KEY")?,
        operator: role_key(data, "operator", "FORETOKEN_OPERATOR_KEY")?,
        committer: role_key(data, "committer", "FORETOKEN_COMMITTER_KEY")?.address(),
        guardian: args.guardian,
    };
    let chain = chain::connect(&args.rpc)
        .await
        .with_context(|| format!("the chain at {} does not answer", args.rpc))?;
    if let Some(token) = args.token
        && !chain.has_code(token).await?
    {
        return Ok(refuse(&format!(
            "--token {token}: the chain has no contract there"
        )));
    }
    let db = args.data.open().await?;
    let (tournaments, misfits) = tournaments(&db, &settings).await?;
    if !misfits.is_empty() {
        return Ok(refuse(&misfits.join("\n")));
    }
    let made = chain::deploy(&db, &chain, &roles, &settings, &tournaments).await;
    db.close().await;
    let made = made?;
    report(&made, tournaments.len())?;
    let (bond, held) = chain::bond_held(&chain, &made).await?;
    if held < bond {
        print(&format!(
            "the operator {} holds less than the bond of {}: send it that much before it proposes",
            made.operator,
            args.bond.tokens()
        ))?;
    }
    Ok(Ended::Done)
}

/// Why a vault would refuse these durations: a withdrawal must mature after every round that saw
/// its stake is settled or never will be (protocol.md §6).
fn unfit(settings: &DeploySettings) -> Option<String> {
    let least = [settings.window_s; 3]
        .into_iter()
        .chain([settings.settle_by_s, settings.margin_s])
        .fold(0_u64, |sum, seconds| sum + u64::from(seconds));
    if u64::from(settings.delay_s) <= least {
        return Some(format!(
            "--delay {} must be over {least}: settle-by, three windows and an hour of margin",
            settings.delay_s
        ));
    }
    let is_zero = settings.window_s == 0 || settings.settle_by_s == 0 || settings.bond == 0;
    is_zero.then(|| "--window, --settle-by and --bond must be above zero".to_owned())
}

/// The tournaments of the database, and what in them does not fit the vault: the one that is there,
/// else the one to be made.
async fn tournaments(
    db: &Db,
    settings: &DeploySettings,
) -> anyhow::Result<(Vec<NewTournament>, Vec<String>)> {
    let mut conn = db.read().await?;
    let settings = VaultTimes {
        margin_s: i64::from(settings.margin_s),
        settle_by_s: i64::from(settings.settle_by_s),
    };
    let stored = chain::deployment(&mut conn).await?;
    let times = stored.as_ref().map_or(settings, VaultTimes::from);
    let (mut found, mut misfits) = (Vec::new(), Vec::new());
    for entered in rounds::tournaments(&mut conn).await? {
        misfits.extend(settlement::misfits(&entered.tournament, times));
        found.push(NewTournament {
            key: entered.chain_key.parse()?,
            rule_hash: format!("0x{}", entered.rule_hash).parse()?,
            a_ppm: entered.tournament.stake.a_ppm,
        });
    }
    Ok((found, misfits))
}

fn report(made: &Deployment, tournaments: usize) -> anyhow::Result<()> {
    for (what, address) in [
        ("token", made.token),
        ("registry", made.registry),
        ("vault", made.vault),
        ("owner", made.owner),
        ("committer", made.committer),
        ("operator", made.operator),
        ("guardian", made.guardian),
    ] {
        print(&format!("{what:<10} {address}"))?;
    }
    let (chain_id, block) = (made.chain_id, made.deployed_block);
    print(&format!(
        "chain {chain_id} from block {block}, {tournaments} tournaments registered"
    ))
}

fn tokens(text: &str) -> Result<TokenAmount, String> {
    TokenAmount::from_tokens(text).map_err(|error| error.to_string())
}

//! Makes our contracts on a chain, once per installation.

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256, Uint};
use alloy::sol_types::SolCall;
use contracts::abi::{ForeToken, Kind, RoundRegistry, Settings, WEI_PER_UNIT};

use super::transaction::{Fees, Key, Unsigned, sign};
use super::{Chain, ChainError, Deployment, Receipt, deployment, set_deployment, store};
use crate::db::{Conn, Db};
use crate::wall::pause;

/// Enough for the largest of the contracts.
const GAS_LIMIT: u64 = 8_000_000;
/// Waiting for a transaction ends here: many blocks of any chain.
const LIMIT: Duration = Duration::from_secs(300);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Who signs what. All different, so that a stolen key is one role.
#[derive(Clone, Debug)]
pub struct DeployKeys {
    /// Makes the contracts, registers tournaments, and receives the development token's supply.
    pub owner: Key,
    /// Signs commitments.
    pub committer: Key,
    /// Signs proposals and acceptances and locks the bond.
    pub operator: Key,
    /// May veto and pause.
    pub guardian: Key,
}

impl DeployKeys {
    /// Who deploys, and for whom.
    #[must_use]
    pub fn roles(&self) -> Roles {
        Roles {
            owner: self.owner.clone(),
            operator: self.operator.clone(),
            committer: self.committer.address(),
            guardian: self.guardian.address(),
        }
    }
}

/// What a deployment needs of each role: only two of the keys sign it.
#[derive(Clone, Debug)]
pub struct Roles {
    /// See [`DeployKeys`].
    pub owner: Key,
    /// See [`DeployKeys`].
    pub operator: Key,
    /// See [`DeployKeys`].
    pub committer: Address,
    /// See [`DeployKeys`].
    pub guardian: Address,
}

/// Parameters of the vault; seconds, and units of 1e-9 token.
#[derive(Clone, Debug)]
pub struct DeploySettings {
    /// See [`Deployment`].
    pub window_s: u32,
    /// See [`Deployment`].
    pub settle_by_s: u32,
    /// See [`Deployment`].
    pub delay_s: u32,
    /// See [`Deployment`].
    pub margin_s: u32,
    /// See [`Deployment`].
    pub idle_limit_s: u32,
    /// See [`Deployment`].
    pub bond: u64,
    /// See [`Deployment`].
    pub minimum_deposit: u64,
    /// The development token's supply, units.
    pub supply: u64,
    /// The stake token, where it exists; else the development token is made.
    pub token: Option<Address>,
}

impl DeploySettings {
    /// Short durations, for a chain that runs at sixty-fold speed.
    #[must_use]
    pub fn demo() -> Self {
        Self {
            window_s: 120,
            settle_by_s: 900,
            delay_s: 1_400,
            margin_s: 60,
            idle_limit_s: 7 * 86_400,
            bond: 1_000_000_000_000,
            minimum_deposit: 1_000_000_000,
            supply: 1_000_000_000_000_000_000,
            token: None,
        }
    }

    /// The durations that the protocol names, for a real chain.
    #[must_use]
    pub fn protocol() -> Self {
        Self {
            window_s: 2 * 3_600,
            settle_by_s: 12 * 3_600,
            delay_s: 24 * 3_600,
            margin_s: 3_600,
            ..Self::demo()
        }
    }
}

/// A tournament to be registered for good.
#[derive(Clone, Debug)]
pub struct NewTournament {
    /// keccak256 of its id.
    pub key: B256,
    /// SHA-256 of its file.
    pub rule_hash: B256,
    /// The clamp a, ppm.
    pub a_ppm: u32,
}

/// The stored deployment, when the chain is the one that it was made on.
///
/// # Errors
/// [`ChainError::DoesNotFit`] when the contracts or the last final block are not on this chain:
/// the database belongs to another chain, or the chain lost its state.
pub async fn fitting_deployment(
    conn: &mut Conn,
    chain: &Chain,
) -> Result<Option<Deployment>, ChainError> {
    let Some(stored) = deployment(conn).await? else {
        return Ok(None);
    };
    if stored.chain_id != chain.chain_id() {
        return Err(ChainError::DoesNotFit(format!(
            "the database belongs to chain {}, the node to chain {}",
            stored.chain_id,
            chain.chain_id()
        )));
    }
    for contract in [stored.token, stored.registry, stored.vault] {
        if !chain.has_code(contract).await? {
            return Err(ChainError::DoesNotFit(format!(
                "the chain has no contract at {contract}"
            )));
        }
    }
    if let Some(block) = store::newest_final(conn).await? {
        let there = chain.at(block.number).await?.map(|there| there.hash);
        if there != Some(block.hash) {
            return Err(ChainError::DoesNotFit(format!(
                "block {} was final with hash {}, but this chain has another there",
                block.number, block.hash
            )));
        }
    }
    Ok(Some(stored))
}

/// What an operator must hold to propose, wei, and what it holds.
///
/// # Errors
/// When the node does not answer.
pub async fn bond_held(chain: &Chain, made: &Deployment) -> Result<(U256, U256), ChainError> {
    let held = ForeToken::balanceOfCall {
        account: made.operator,
    };
    let bond = U256::from(made.bond).saturating_mul(U256::from(WEI_PER_UNIT));
    Ok((bond, chain.view(made.token, &held, None).await?))
}

/// The contracts of this installation: those it has, or new ones. Tournaments that the registry
/// does not know are registered. Somebody must mine meanwhile.
///
/// # Errors
/// [`ChainError::DoesNotFit`], [`ChainError::Refused`], [`ChainError::NotMined`].
pub async fn deploy(
    db: &Db,
    chain: &Chain,
    roles: &Roles,
    settings: &DeploySettings,
    tournaments: &[NewTournament],
) -> Result<Deployment, ChainError> {
    let stored = fitting_deployment(&mut *db.read().await?, chain).await?;
    if let Some(stored) = stored {
        register(chain, roles, &stored, tournaments).await?;
        return Ok(stored);
    }
    let made = make(chain, roles, settings).await?;
    register(chain, roles, &made, tournaments).await?;
    lend_bond(chain, roles, &made).await?;
    let mut tx = db.begin().await?;
    set_deployment(&mut tx, &made).await?;
    tx.commit().await?;
    Ok(made)
}

async fn make(
    chain: &Chain,
    roles: &Roles,
    settings: &DeploySettings,
) -> Result<Deployment, ChainError> {
    let owner = roles.owner.address();
    let first = chain.nonce(owner, false).await?;
    let deployed_block = chain.latest().await?.number;
    let supply = U256::from(settings.supply).saturating_mul(U256::from(WEI_PER_UNIT));
    // Addresses follow from the sender's numbers: the token takes the first one where it is made.
    let offset = u64::from(settings.token.is_none());
    let token = settings.token.unwrap_or_else(|| owner.create(first));
    let [registry, fault_proof, vault] =
        [0, 1, 2].map(|place: u64| owner.create(first.saturating_add(offset + place)));
    let made = Deployment {
        chain_id: chain.chain_id(),
        token,
        registry,
        vault,
        deployed_block,
        window_s: i64::from(settings.window_s),
        settle_by_s: i64::from(settings.settle_by_s),
        delay_s: i64::from(settings.delay_s),
        margin_s: i64::from(settings.margin_s),
        idle_limit_s: i64::from(settings.idle_limit_s),
        bond: settings.bond,
        minimum_deposit: settings.minimum_deposit,
        committer: roles.committer,
        operator: roles.operator.address(),
        guardian: roles.guardian,
        owner,
    };
    let new_token =
        (settings.token.is_none()).then(|| contracts::deploy::fore_token(owner, supply));
    let codes = [
        contracts::deploy::round_registry(owner, made.committer),
        contracts::deploy::fault_proof(),
        contracts::deploy::stake_vault(vault_settings(&made, fault_proof, settings)),
    ];
    let mut sender = Sender::new(chain, &roles.owner).await?;
    let mut sent = Vec::new();
    for code in new_token.into_iter().chain(codes) {
        sent.push(sender.send(None, code).await?);
    }
    for tx_hash in sent {
        mined(chain, tx_hash, "the deployment of a contract").await?;
    }
    Ok(made)
}

fn vault_settings(made: &Deployment, fault_proof: Address, settings: &DeploySettings) -> Settings {
    Settings {
        token: made.token,
        registry: made.registry,
        faultProof: fault_proof,
        kind: Kind::Direction as u8,
        window: settings.window_s,
        settleBy: settings.settle_by_s,
        delay: settings.delay_s,
        margin: settings.margin_s,
        idleLimit: settings.idle_limit_s,
        bond: settings.bond,
        minimumDeposit: settings.minimum_deposit,
        owner: made.owner,
        operator: made.operator,
        guardian: made.guardian,
    }
}

async fn register(
    chain: &Chain,
    roles: &Roles,
    made: &Deployment,
    tournaments: &[NewTournament],
) -> Result<(), ChainError> {
    let mut sender = Sender::new(chain, &roles.owner).await?;
    let mut sent = Vec::new();
    for tournament in tournaments {
        let known = RoundRegistry::tournamentOfCall {
            tournament: tournament.key,
        };
        if !chain
            .view(made.registry, &known, None)
            .await?
            .vault
            .is_zero()
        {
            continue;
        }
        let call = RoundRegistry::registerTournamentCall {
            tournament: tournament.key,
            ruleHash: tournament.rule_hash,
            kind: Kind::Direction as u8,
            parameter: Uint::<24, 1>::from(tournament.a_ppm),
            vault: made.vault,
        };
        sent.push(
            sender
                .send(Some(made.registry), call.abi_encode().into())
                .await?,
        );
    }
    for tx_hash in sent {
        mined(chain, tx_hash, "the registration of a tournament").await?;
    }
    Ok(())
}

/// The operator locks a bond with every proposal: it gets two of them, where the owner has as much,
/// and lets the vault take them.
async fn lend_bond(chain: &Chain, roles: &Roles, made: &Deployment) -> Result<(), ChainError> {
    let bonds = U256::from(made.bond).saturating_mul(U256::from(WEI_PER_UNIT));
    let two = bonds.saturating_mul(U256::from(2_u64));
    let held = ForeToken::balanceOfCall {
        account: made.owner,
    };
    let is_rich = chain.view(made.token, &held, None).await? >= two;
    let transfer = ForeToken::transferCall {
        to: made.operator,
        value: two,
    };
    let approve = ForeToken::approveCall {
        spender: made.vault,
        value: U256::MAX,
    };
    if is_rich {
        let lent = Sender::new(chain, &roles.owner)
            .await?
            .send(Some(made.token), transfer.abi_encode().into())
            .await?;
        mined(chain, lent, "the operator's bond").await?;
    }
    let allowed = Sender::new(chain, &roles.operator)
        .await?
        .send(Some(made.token), approve.abi_encode().into())
        .await?;
    mined(chain, allowed, "the operator's allowance").await?;
    Ok(())
}

/// Sends transactions of one key in order, without waiting for any.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    chain: &'a Chain,
    key: &'a Key,
    nonce: u64,
}

impl<'a> Sender<'a> {
    pub(super) async fn new(chain: &'a Chain, key: &'a Key) -> Result<Self, ChainError> {
        let nonce = chain.nonce(key.address(), false).await?;
        Ok(Self { chain, key, nonce })
    }

    pub(super) fn at(chain: &'a Chain, key: &'a Key, nonce: u64) -> Self {
        Self { chain, key, nonce }
    }

    pub(super) async fn send(
        &mut self,
        to: Option<Address>,
        input: Bytes,
    ) -> Result<B256, ChainError> {
        let fees: Fees = self.chain.fees().await?;
        let unsigned = Unsigned {
            chain_id: self.chain.chain_id(),
            nonce: self.nonce,
            to,
            input,
            gas_limit: GAS_LIMIT,
            fees,
        };
        let signed = sign(self.key, &unsigned)?;
        self.chain.send(&signed.raw).await?;
        self.nonce = self.nonce.saturating_add(1);
        Ok(signed.tx_hash)
    }
}

/// Waits until a transaction is mined, and took effect.
pub(super) async fn mined(
    chain: &Chain,
    tx_hash: B256,
    what: &'static str,
) -> Result<Receipt, ChainError> {
    for _ in 0..LIMIT.as_millis() / LOOK.as_millis() {
        match chain.receipt(tx_hash).await? {
            Some(receipt) if receipt.succeeded => return Ok(receipt),
            Some(_) => return Err(ChainError::Refused { what, tx_hash }),
            None => pause(LOOK).await,
        }
    }
    Err(ChainError::NotMined(what))
}

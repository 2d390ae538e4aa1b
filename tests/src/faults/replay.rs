//! R9: a signature that was made for one thing is shown for another. Everything that reads a
//! signature today: receipts of predictions, transactions of the chain, permits of the token.

use alloy::primitives::{Address, B256, Bytes, Signature, U256, keccak256};
use alloy::sol_types::{SolCall, SolValue};
use anyhow::{Context, ensure};
use contracts::abi::{ForeToken, StakeVault, WEI_PER_UNIT};
use contracts::receipt::{PredictionReceipt, signing_hash};
use serde_json::{Value, json};
use server::chain::{Fees, Key, Unsigned, sign};

use super::world::{LIMIT, Plan, World, key};
use crate::wait;

/// What was tried and what was refused.
#[derive(Debug, Default)]
struct Matrix {
    tried: u32,
    taken: Vec<String>,
}

impl Matrix {
    fn add(&mut self, what: &str, refused: bool) {
        self.tried += 1;
        if !refused {
            self.taken.push(what.to_owned());
        }
    }
}

/// The whole matrix.
///
/// # Errors
/// When a signature that must be taken is not: then the refusals mean nothing.
pub async fn run() -> anyhow::Result<(bool, Value)> {
    World::with("replay", Plan::default(), async |world| {
        let receipts = receipts(world)?;
        let transactions = transactions(world).await?;
        let permits = permits(world).await?;
        let all = [&receipts, &transactions, &permits];
        let tried: u32 = all.iter().map(|matrix| matrix.tried).sum();
        let taken: Vec<&String> = all.iter().flat_map(|matrix| &matrix.taken).collect();
        Ok((
            taken.is_empty(),
            json!({
                "receipts": receipts.tried,
                "transactions": transactions.tried,
                "permits": permits.tried,
                "tried": tried,
                "refused": tried - u32::try_from(taken.len())?,
                "taken": taken,
            }),
        ))
    })
    .await
}

fn signer_of(signature: &[u8; 65], digest: B256) -> Option<Address> {
    Signature::from_raw(signature)
        .ok()?
        .recover_address_from_prehash(&digest)
        .ok()
}

fn a_receipt() -> PredictionReceipt {
    PredictionReceipt {
        roundId: B256::repeat_byte(1),
        model: String::from("ada"),
        countedPpm: 600_000,
        postedPpm: 610_000,
        stakeNamed: true,
        stakeUnits: 5_000_000_000,
        sequence: 7,
        receivedAtUs: 1_709_640_000_000_000,
        stakeCountedUnits: 4_000_000_000,
        seal: B256::repeat_byte(9),
    }
}

/// A receipt proves what was signed and nothing else: another chain, contract, round, user, number,
/// sequence or time has another signer.
fn receipts(world: &World) -> anyhow::Result<Matrix> {
    let signer = key(0x61)?;
    let (chain, registry) = (world.deployment.chain_id, world.deployment.registry);
    let signed = a_receipt();
    let signature = signer.sign_digest(signing_hash(&signed, chain, registry))?;
    ensure!(
        signer_of(&signature, signing_hash(&signed, chain, registry)) == Some(signer.address()),
        "a receipt proves itself"
    );
    let changed = |change: fn(&mut PredictionReceipt)| {
        let mut other = signed.clone();
        change(&mut other);
        signing_hash(&other, chain, registry)
    };
    let shown = [
        ("receipt: chain", signing_hash(&signed, 1, registry)),
        (
            "receipt: next chain",
            signing_hash(&signed, chain + 1, registry),
        ),
        (
            "receipt: contract",
            signing_hash(&signed, chain, world.deployment.vault),
        ),
        (
            "receipt: no contract",
            signing_hash(&signed, chain, Address::ZERO),
        ),
        (
            "receipt: round",
            changed(|other| other.roundId = B256::repeat_byte(2)),
        ),
        (
            "receipt: user",
            changed(|other| other.model = String::from("bob")),
        ),
        ("receipt: counted", changed(|other| other.countedPpm += 1)),
        ("receipt: posted", changed(|other| other.postedPpm += 1)),
        (
            "receipt: stake named",
            changed(|other| other.stakeNamed = false),
        ),
        ("receipt: stake", changed(|other| other.stakeUnits += 1)),
        ("receipt: sequence", changed(|other| other.sequence += 1)),
        ("receipt: time", changed(|other| other.receivedAtUs += 1)),
        (
            "receipt: stake counted",
            changed(|other| other.stakeCountedUnits += 1),
        ),
        ("receipt: seal", changed(|other| other.seal = B256::ZERO)),
    ];
    let mut matrix = Matrix::default();
    for (what, digest) in shown {
        matrix.add(
            what,
            signer_of(&signature, digest) != Some(signer.address()),
        );
    }
    let other = key(0x62)?.sign_digest(signing_hash(&signed, chain, registry))?;
    let digest = signing_hash(&signed, chain, registry);
    matrix.add(
        "receipt: another signer",
        signer_of(&other, digest) != Some(signer.address()),
    );
    Ok(matrix)
}

/// A transaction is for one chain and one nonce.
async fn transactions(world: &World) -> anyhow::Result<Matrix> {
    let sender = key(0x63)?;
    server::chain::anvil::give_gas(&world.chain, sender.address()).await?;
    let unsigned = |chain_id: u64, nonce: u64| Unsigned {
        chain_id,
        nonce,
        to: Some(world.deployment.token),
        input: ForeToken::approveCall {
            spender: world.deployment.vault,
            value: U256::from(1),
        }
        .abi_encode()
        .into(),
        gas_limit: 100_000,
        fees: Fees::over_base(2_000_000_000),
    };
    let own = world.deployment.chain_id;
    let mut matrix = Matrix::default();
    for (what, chain_id) in [
        ("main chain", 1),
        ("next chain", own + 1),
        ("another test chain", 11_155_111),
        ("chain 0", 0),
    ] {
        let signed = sign(&sender, &unsigned(chain_id, 0))?;
        let refused = world.chain.send(&signed.raw).await.is_err()
            && !world.chain.knows(signed.tx_hash).await?;
        matrix.add(&format!("transaction of {what}"), refused);
    }
    let signed = sign(&sender, &unsigned(own, 0))?;
    world
        .chain
        .send(&signed.raw)
        .await
        .context("a transaction of this chain is taken")?;
    wait::until("its receipt", LIMIT, async || {
        Ok(world.chain.receipt(signed.tx_hash).await?)
    })
    .await?;
    world.chain.send(&signed.raw).await.ok();
    let mined = world.chain.nonce(sender.address(), false).await?;
    matrix.add("transaction sent again", mined == 1);
    let again = sign(
        &sender,
        &Unsigned {
            gas_limit: 100_001,
            ..unsigned(own, 0)
        },
    )?;
    let refused = world.chain.send(&again.raw).await.is_err();
    matrix.add("transaction of a used nonce", refused);
    Ok(matrix)
}

/// What a permit says.
#[derive(Clone, Copy)]
struct Permit {
    chain_id: u64,
    contract: Address,
    version: &'static str,
    owner: Address,
    spender: Address,
    value: u64,
    nonce: u64,
    deadline: u64,
}

impl Permit {
    /// EIP-2612, written out: independent of the library that the contract uses.
    fn digest(&self) -> B256 {
        let domain =
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
        let domain = (
            keccak256(domain),
            keccak256("Foretoken"),
            keccak256(self.version),
            U256::from(self.chain_id),
            self.contract,
        );
        let message =
            "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)";
        let (value, nonce) = (U256::from(self.value), U256::from(self.nonce));
        let message = (
            keccak256(message),
            self.owner,
            self.spender,
            value,
            nonce,
            U256::from(self.deadline),
        );
        let (domain, message) = (
            keccak256(domain.abi_encode()),
            keccak256(message.abi_encode()),
        );
        keccak256([&[0x19, 0x01], domain.as_slice(), message.as_slice()].concat())
    }

    /// The call that shows this permit with a signature made for `signed`.
    fn call(&self, signer: &Key, signed: &Self) -> anyhow::Result<ForeToken::permitCall> {
        let (v, r, s) = parts(&signer.sign_digest(signed.digest())?);
        let (owner, spender) = (self.owner, self.spender);
        Ok(ForeToken::permitCall {
            owner,
            spender,
            value: U256::from(self.value),
            deadline: U256::from(self.deadline),
            v,
            r,
            s,
        })
    }
}

fn parts(signature: &[u8; 65]) -> (u8, B256, B256) {
    (
        signature[64],
        B256::from_slice(&signature[..32]),
        B256::from_slice(&signature[32..64]),
    )
}

/// A permit is for one chain, contract, owner, spender, value, nonce and time, and once.
async fn permits(world: &World) -> anyhow::Result<Matrix> {
    let (owner, other) = (key(0x51)?, key(0x52)?);
    let token = world.deployment.token;
    let right = Permit {
        chain_id: world.deployment.chain_id,
        contract: token,
        version: "1",
        owner: owner.address(),
        spender: world.deployment.vault,
        value: 5 * WEI_PER_UNIT,
        nonce: 0,
        deadline: u64::MAX,
    };
    let mut matrix = Matrix::default();
    ensure!(
        accepts(world, other.address(), token, &right.call(&owner, &right)?).await,
        "a permit that is right is taken"
    );
    for (what, signed) in elsewhere(&right, world.deployment.vault, other.address()) {
        let call = right.call(&owner, &signed)?;
        matrix.add(
            &format!("permit: {what}"),
            !accepts(world, other.address(), token, &call).await,
        );
    }
    matrix.add(
        "permit: another signer",
        !accepts(world, other.address(), token, &right.call(&other, &right)?).await,
    );
    let past = Permit {
        deadline: 1,
        ..right
    };
    matrix.add(
        "permit: past its deadline",
        !accepts(world, other.address(), token, &past.call(&owner, &past)?).await,
    );
    shown_by_others(world, &right, (&owner, &other), &mut matrix).await?;
    Ok(matrix)
}

/// Permits that were signed for something else than `right`, one difference each.
fn elsewhere(right: &Permit, vault: Address, other: Address) -> [(&'static str, Permit); 8] {
    let with = |change: &dyn Fn(&mut Permit)| {
        let mut signed = *right;
        change(&mut signed);
        signed
    };
    [
        ("chain", with(&|signed| signed.chain_id = 1)),
        ("contract", with(&|signed| signed.contract = vault)),
        ("version", with(&|signed| signed.version = "2")),
        ("owner", with(&|signed| signed.owner = other)),
        ("spender", with(&|signed| signed.spender = other)),
        ("value", with(&|signed| signed.value -= 1)),
        ("nonce ahead", with(&|signed| signed.nonce = 1)),
        ("deadline", with(&|signed| signed.deadline -= 1)),
    ]
}

/// A permit that is right, by somebody who is not its owner, and a second time.
async fn shown_by_others(
    world: &World,
    right: &Permit,
    (owner, other): (&Key, &Key),
    matrix: &mut Matrix,
) -> anyhow::Result<()> {
    let token = world.deployment.token;
    // Shown to the vault by somebody else than its owner.
    let (v, r, s) = parts(&owner.sign_digest(right.digest())?);
    let units = right.value / WEI_PER_UNIT;
    let deposit = StakeVault::depositWithPermitCall {
        index: 0,
        amount: units,
        deadline: U256::from(right.deadline),
        v,
        r,
        s,
    };
    matrix.add(
        "permit: deposited by a stranger",
        !accepts(
            world,
            key(0x78)?.address(),
            world.deployment.vault,
            &deposit,
        )
        .await,
    );
    let call = right.call(owner, right)?;
    send(world, other, token, call.abi_encode().into()).await?;
    matrix.add(
        "permit: used before",
        !accepts(world, other.address(), token, &call).await,
    );
    Ok(())
}

async fn accepts<C: SolCall>(world: &World, from: Address, to: Address, call: &C) -> bool {
    let data = Bytes::from(call.abi_encode());
    world
        .node
        .call(
            "eth_call",
            json!([{ "from": from, "to": to, "data": data }, "latest"]),
        )
        .await
        .is_ok()
}

async fn send(world: &World, key: &Key, to: Address, input: Bytes) -> anyhow::Result<()> {
    let unsigned = Unsigned {
        chain_id: world.deployment.chain_id,
        nonce: world.chain.nonce(key.address(), false).await?,
        to: Some(to),
        input,
        gas_limit: 200_000,
        fees: Fees::over_base(2_000_000_000),
    };
    let signed = sign(key, &unsigned)?;
    world.chain.send(&signed.raw).await?;
    let receipt = wait::until("a receipt", LIMIT, async || {
        Ok(world.chain.receipt(signed.tx_hash).await?)
    })
    .await?;
    ensure!(
        receipt.succeeded,
        "the chain refused a permit that is right"
    );
    Ok(())
}

//! Prints, as JSON, the transactions of 24 rounds × 1,000 models on a fresh anvil: deployment,
//! registration, one commitment per round, a batch that pays one model a unit too little, its
//! challenge, the honest batch, withdrawals. `gas.mjs` sends them and adds up the gas. Payouts are
//! those of the formula, so the calldata has honest bytes.

#[path = "../fixture/mod.rs"]
#[expect(dead_code, reason = "only the formula is used here")]
mod fixture;

use alloy_primitives::{Address, B256, Bytes, U256, address, keccak256};
use alloy_sol_types::SolCall;
use contracts::abi::{
    ForeToken, Kind, Outcome, Reveal, RoundCommitment, RoundRegistry, Settings, StakeVault,
};
use contracts::changes::{self, Change};
use contracts::fault::{self, Leaves, RevealedRound};
use contracts::ledger::Ledger;
use contracts::tree::{self, LedgerTree, PredictionLeaf, PredictionTree};
use contracts::{deploy, round};
use serde_json::{Value, json};

/// The first account of anvil and what its first four transactions create.
const SENDER: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
const TOKEN: Address = address!("5FbDB2315678afecb367f032d93F642f64180aa3");
const REGISTRY: Address = address!("e7f1725E7734CE288F8367e1Bb143E90bb3F0512");
const FAULT_PROOF: Address = address!("9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0");
const VAULT: Address = address!("Cf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9");
const RECEIVER: Address = address!("70997970C51812dc3A010C7d01b50e0d17dc79C8");
const CHALLENGER: Address = address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC");

const FIRST: u64 = 1_709_251_200;
const ROUNDS: u64 = 24;
const MODELS: u32 = 1_000;
const CLAMP: u32 = 350_000;
/// Has spoken in every round.
const CHALLENGED: u32 = 421;
const STAKE: u64 = 1_000_000_000_000;

struct Script {
    calls: Vec<Value>,
    time: u64,
}

impl Script {
    fn send(&mut self, label: &str, to: Option<Address>, data: &Bytes) {
        self.send_from(SENDER, label, to, data);
    }

    fn send_from(&mut self, from: Address, label: &str, to: Option<Address>, data: &Bytes) {
        self.time += 1;
        let call = json!({"label": label, "from": from, "to": to, "data": data, "time": self.time});
        self.calls.push(call);
    }
}

fn main() {
    let tournament = keccak256("btc-usd-5m");
    let mut script = Script {
        calls: Vec::new(),
        time: FIRST,
    };
    set_up(&mut script, tournament);
    stake(&mut script, tournament);
    let reveals: Vec<Reveal> = (1..=ROUNDS)
        .map(|number| {
            let starts_at = FIRST + 6_000 + number * 300;
            let (reveal, commitment) = round_of(tournament, number, starts_at);
            script.time = starts_at - 10;
            let data = RoundRegistry::commitCall {
                commitments: vec![commitment],
            }
            .abi_encode();
            script.send("commit", Some(REGISTRY), &data.into());
            reveal
        })
        .collect();
    batch(&mut script, &reveals);
    serde_json::to_writer(std::io::stdout().lock(), &script.calls)
        .expect("standard output is open");
}

fn set_up(script: &mut Script, tournament: B256) {
    let supply = U256::from(10).pow(U256::from(27));
    script.send("deploy token", None, &deploy::fore_token(SENDER, supply));
    script.send(
        "deploy registry",
        None,
        &deploy::round_registry(SENDER, SENDER),
    );
    script.send("deploy fault proof", None, &deploy::fault_proof());
    let settings = Settings {
        token: TOKEN,
        registry: REGISTRY,
        faultProof: FAULT_PROOF,
        kind: Kind::Direction as u8,
        window: 7_200,
        settleBy: 43_200,
        delay: 86_400,
        margin: 3_600,
        idleLimit: 604_800,
        bond: 1_000_000_000_000,
        minimumDeposit: 1_000_000_000,
        owner: SENDER,
        operator: SENDER,
        guardian: SENDER,
    };
    script.send("deploy vault", None, &deploy::stake_vault(settings));
    let register = RoundRegistry::registerTournamentCall {
        tournament,
        ruleHash: keccak256("rule"),
        kind: Kind::Direction as u8,
        parameter: alloy_primitives::Uint::from(CLAMP),
        vault: VAULT,
    };
    script.send(
        "register tournament",
        Some(REGISTRY),
        &register.abi_encode().into(),
    );
}

fn stake(script: &mut Script, tournament: B256) {
    let approve = ForeToken::approveCall {
        spender: VAULT,
        value: U256::MAX,
    }
    .abi_encode();
    script.send("approve", Some(TOKEN), &approve.clone().into());
    let amount = U256::from(STAKE) * U256::from(1_000_000_000_u64);
    let give = ForeToken::transferCall {
        to: RECEIVER,
        value: amount,
    }
    .abi_encode();
    script.send("give", Some(TOKEN), &give.into());
    script.send_from(RECEIVER, "approve", Some(TOKEN), &approve.into());
    for index in 0..MODELS {
        let model_key = keccak256(index.to_be_bytes());
        let call = StakeVault::registerModelCall {
            tournament,
            modelKey: model_key,
            amount: STAKE,
        };
        let owner = if index == 500 { RECEIVER } else { SENDER };
        script.send_from(
            owner,
            "register model",
            Some(VAULT),
            &call.abi_encode().into(),
        );
    }
    let fund = StakeVault::fundCall {
        tournament,
        amount: STAKE,
    }
    .abi_encode();
    script.send("fund", Some(VAULT), &fund.into());
    for index in 0..4 {
        let deposit = StakeVault::depositCall {
            index,
            amount: STAKE,
        }
        .abi_encode();
        script.send("deposit", Some(VAULT), &deposit.into());
    }
    for (index, owner) in [(499, SENDER), (500, RECEIVER)] {
        let request = StakeVault::requestWithdrawalCall {
            index,
            amount: 100_000_000_000,
        };
        script.send_from(owner, "request", Some(VAULT), &request.abi_encode().into());
    }
}

fn leaves(number: u64) -> Vec<PredictionLeaf> {
    (0..MODELS)
        .map(|index| {
            let hash = keccak256([number.to_be_bytes(), u64::from(index).to_be_bytes()].concat());
            let draw = |place: usize| u32::from(u16::from_be_bytes([hash[place], hash[place + 1]]));
            PredictionLeaf {
                index,
                w: 5_000_000_000 + u64::from(draw(0)) * 12_345,
                p: 420_000 + (draw(2) * 5) / 2,
            }
        })
        .collect()
}

fn round_of(tournament: B256, number: u64, starts_at: u64) -> (Reveal, RoundCommitment) {
    let top = PredictionTree::from_leaves(&leaves(number))
        .expect("ascending")
        .top();
    let salt = keccak256([b"salt", number.to_be_bytes().as_slice()].concat());
    let id = round::round_id(31337, REGISTRY, tournament, starts_at);
    let reveal = Reveal {
        tournament,
        startsAt: starts_at,
        top: top.hash,
        totalStake: u64::try_from(top.sums.stake).expect("below 2^63"),
        totalWeighted: top.sums.weighted,
        outcome: if number.is_multiple_of(2) {
            Outcome::Zero
        } else {
            Outcome::One
        } as u8,
        salt,
        evidence: keccak256(salt),
    };
    let commitment = round::commitment(id, top.root(), salt);
    (
        reveal,
        RoundCommitment {
            tournament,
            startsAt: starts_at,
            commitment,
        },
    )
}

fn batch(script: &mut Script, reveals: &[Reveal]) {
    let honest = earned(reveals);
    let mut lying = honest.clone();
    lying[CHALLENGED as usize].stake_delta -= 1;
    script.time += 400;
    propose(script, "propose", &lying, reveals);
    challenge(script, &lying, reveals);
    let tree = propose(script, "propose, again", &honest, reveals);
    script.time += 7_200;
    let accept = StakeVault::acceptBatchCall {
        seq: 1,
        root: tree.root(),
    };
    script.send("accept", Some(VAULT), &accept.abi_encode().into());
    script.time += 86_400;
    let ledger = ledger_of(&honest);
    for (index, label) in [(499, "withdraw"), (500, "withdraw, new holder")] {
        let leaf = ledger.leaf(index);
        let withdraw = StakeVault::withdrawCall {
            index,
            stakeDelta: leaf.stake_delta,
            poolReward: leaf.pool_reward,
            proof: tree.proof(index).expect("inside").to_words(),
        };
        script.send(label, Some(VAULT), &withdraw.abi_encode().into());
    }
}

fn earned(reveals: &[Reveal]) -> Vec<Change> {
    let mut deltas = vec![0_i128; MODELS as usize];
    for (number, reveal) in (1..=ROUNDS).zip(reveals) {
        let y = u32::from(reveal.outcome) * 1_000_000;
        for leaf in leaves(number) {
            deltas[leaf.index as usize] += fixture::payout(
                CLAMP,
                y,
                leaf.w,
                leaf.p,
                reveal.totalStake,
                reveal.totalWeighted,
            );
        }
    }
    (0_u32..)
        .zip(deltas)
        .map(|(index, delta)| Change {
            index,
            stake_delta: i64::try_from(delta).expect("small"),
            pool_reward: u64::from(index) * 7_919 % 400_000_000,
        })
        .collect()
}

fn ledger_of(list: &[Change]) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.apply(list).expect("fits");
    ledger
}

fn propose(script: &mut Script, label: &str, list: &[Change], reveals: &[Reveal]) -> LedgerTree {
    let ledger_tree = ledger_of(list).tree().expect("fits");
    let (stake, pool) = changes::sums(list);
    let propose = StakeVault::proposeBatchCall {
        seq: 1,
        prevRoot: tree::root(B256::ZERO, tree::LedgerSums::default()),
        newTop: ledger_tree.top().hash,
        burned: u64::try_from(-stake).expect("negative-sum"),
        poolUsed: u64::try_from(pool).expect("small"),
        reveals: reveals.to_vec(),
        changes: changes::pack(list).expect("ascending").into(),
        recordHash: keccak256("record"),
    };
    script.send(label, Some(VAULT), &propose.abi_encode().into());
    ledger_tree
}

fn challenge(script: &mut Script, lying: &[Change], reveals: &[Reveal]) {
    let said: Vec<Vec<PredictionLeaf>> = (1..=ROUNDS).map(leaves).collect();
    let rounds: Vec<RevealedRound<'_>> = reveals
        .iter()
        .zip(&said)
        .map(|(reveal, leaves)| RevealedRound {
            reveal: reveal.clone(),
            leaves: Leaves::Direction(leaves),
        })
        .collect();
    let (head, next) = (Ledger::default(), ledger_of(lying));
    let tournament = reveals[0].tournament;
    let call = fault::challenge(CHALLENGED, tournament, &head, &next, &rounds);
    let call = call
        .expect("the leaves are the committed ones")
        .abi_encode();
    script.send_from(CHALLENGER, "challenge", Some(VAULT), &call.into());
}

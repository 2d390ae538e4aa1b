//! What goes to the chain and comes back: constructor data, calldata, events, errors, the receipt.

use alloy_primitives::{Address, B256, Bytes, U256, b256, keccak256};
use alloy_sol_types::{
    SolCall, SolError, SolEvent, SolEventInterface, SolInterface, SolStruct, SolValue,
};
use contracts::abi::{
    AggregateVerifier, Fault, FaultProof, ForeToken, Kind, Outcome, Reveal, RoundRegistry,
    Settings, StakeVault, SubscriptionSettings, Subscriptions, Tree, UnknownValue,
};
use contracts::aggregate::{self, Aggregate};
use contracts::receipt::{self, PredictionReceipt};
use contracts::requests::{self, CreateKey, DelegateSession, LinkWallet, OpenAccount, Prediction};
use contracts::{deploy, round};

const ADDRESS: Address = Address::repeat_byte(0x11);

fn settings() -> Settings {
    Settings {
        token: ADDRESS,
        registry: ADDRESS,
        faultProof: ADDRESS,
        kind: Kind::Direction as u8,
        window: 120,
        settleBy: 900,
        delay: 1_400,
        margin: 60,
        idleLimit: 604_800,
        bond: 1_000_000_000,
        minimumDeposit: 1_000_000_000,
        owner: ADDRESS,
        operator: ADDRESS,
        guardian: ADDRESS,
    }
}

#[test]
fn creation_data_is_the_bytecode_and_the_arguments() {
    let data = deploy::fore_token(ADDRESS, U256::from(5));
    let arguments = (ADDRESS, U256::from(5)).abi_encode_params();
    assert_eq!(data, [ForeToken::BYTECODE.as_ref(), &arguments].concat());
    let data = deploy::stake_vault(settings());
    assert_eq!(data.len(), StakeVault::BYTECODE.len() + 14 * 32);
    assert_eq!(deploy::fault_proof(), FaultProof::BYTECODE);
    let data = deploy::round_registry(ADDRESS, ADDRESS);
    assert_eq!(data.len(), RoundRegistry::BYTECODE.len() + 2 * 32);
    let data = deploy::subscriptions(SubscriptionSettings {
        token: ADDRESS,
        registry: ADDRESS,
        notice: 86_400,
        feePpm: 50_000,
        feeReceiver: ADDRESS,
        owner: ADDRESS,
        guardian: ADDRESS,
    });
    assert_eq!(data.len(), Subscriptions::BYTECODE.len() + 7 * 32);
    let data = deploy::aggregate_verifier(ADDRESS, 300, 172_800, vec![ADDRESS], U256::ONE);
    assert_eq!(data.len(), AggregateVerifier::BYTECODE.len() + 7 * 32);
}

#[test]
fn a_forecast_is_bound_to_chain_verifier_and_every_field() {
    let forecast = Aggregate {
        feed: B256::repeat_byte(1),
        startsAt: 1_709_251_500,
        probabilityPpm: 531_000,
        lowPpm: 498_000,
        highPpm: 562_000,
        models: 240,
        stakeUnits: 600_000_000_000,
        effectiveModelsMilli: 57_250,
        disagreementPpm: 31_000,
        calibrated: true,
        generatedAtUs: 1_709_251_490_000_000,
    };
    let kind = "Aggregate(bytes32 feed,uint64 startsAt,uint32 probabilityPpm,uint32 lowPpm,\
                uint32 highPpm,uint32 models,uint64 stakeUnits,uint32 effectiveModelsMilli,\
                uint32 disagreementPpm,bool calibrated,uint64 generatedAtUs)";
    assert_eq!(forecast.eip712_type_hash(), keccak256(kind));
    let hash = aggregate::signing_hash(&forecast, 31337, ADDRESS);
    assert_ne!(hash, aggregate::signing_hash(&forecast, 1, ADDRESS));
    let elsewhere = aggregate::signing_hash(&forecast, 31337, Address::ZERO);
    assert_ne!(hash, elsewhere);
    let other = Aggregate {
        calibrated: false,
        ..forecast
    };
    assert_ne!(hash, aggregate::signing_hash(&other, 31337, ADDRESS));
}

#[test]
fn signatures_are_ordered_by_signer_and_each_signer_is_there_once() {
    let low = Address::repeat_byte(2);
    let signed = vec![(ADDRESS, [1; 65]), (low, [2; 65]), (ADDRESS, [3; 65])];
    let ordered = aggregate::ordered(signed);
    assert_eq!(ordered, [Bytes::from([2; 65]), Bytes::from([1; 65])]);
}

#[test]
fn a_proposal_is_read_back_from_its_calldata() {
    let reveal = Reveal {
        tournament: B256::repeat_byte(1),
        startsAt: 1_709_251_200,
        top: B256::repeat_byte(2),
        totalStake: 600_000_000_000,
        totalWeighted: 322_000_000_000_000_000,
        outcome: Outcome::One as u8,
        salt: B256::repeat_byte(7),
        evidence: B256::repeat_byte(8),
    };
    assert_eq!(reveal.abi_encode().len(), 256);
    assert_eq!(round::reveals_hash(&[]), keccak256([]));
    assert_eq!(
        round::reveals_hash(std::slice::from_ref(&reveal)),
        keccak256(reveal.abi_encode())
    );
    let call = StakeVault::proposeBatchCall {
        seq: 1,
        prevRoot: B256::ZERO,
        newTop: B256::repeat_byte(3),
        burned: 4,
        poolUsed: 5,
        reveals: vec![reveal],
        changes: Bytes::from(vec![0; 20]),
        recordHash: B256::repeat_byte(6),
    };
    let read = StakeVault::StakeVaultCalls::abi_decode(&call.abi_encode()).expect("a known call");
    assert_eq!(read, StakeVault::StakeVaultCalls::proposeBatch(call));
}

#[test]
fn events_and_errors_are_read_back() {
    let event = StakeVault::Withdrawn {
        index: 3,
        owner: ADDRESS,
        amount: 7,
        requestedLeft: alloy_primitives::Uint::from(2_u8),
    };
    let log = event.encode_log_data();
    let read = StakeVault::StakeVaultEvents::decode_raw_log(log.topics(), &log.data);
    assert_eq!(read, Ok(StakeVault::StakeVaultEvents::Withdrawn(event)));
    let error = StakeVault::WrongSeq {
        seq: 3,
        expected: 2,
    };
    let read = StakeVault::StakeVaultErrors::abi_decode(&error.abi_encode());
    assert_eq!(read, Ok(StakeVault::StakeVaultErrors::WrongSeq(error)));
}

#[test]
fn enums_have_the_numbers_of_the_contract() {
    assert_eq!(Kind::try_from(2), Ok(Kind::Ranking));
    assert_eq!(Kind::try_from(0), Err(UnknownValue(0)));
    assert_eq!(Outcome::try_from(2), Ok(Outcome::Void));
    assert_eq!(Outcome::try_from(3), Err(UnknownValue(3)));
    assert_eq!(Fault::try_from(11), Ok(Fault::ForeignLeaf));
    assert_eq!(Fault::try_from(12), Err(UnknownValue(12)));
    assert_eq!(Tree::try_from(1), Ok(Tree::Prediction));
}

/// The example of docs/API.md, which clients compute by hand.
#[test]
fn the_seal_of_the_guide() {
    let (chain_round, salt) = (B256::repeat_byte(1), B256::repeat_byte(0x5a));
    let seal = b256!("26f01648baafce49d601c800b94aefb53203627bf8d75a7fc3716b6645cd3f2e");
    assert_eq!(
        round::seal(chain_round, 7, 10_500_000_000, 530_000, salt),
        seal
    );
}

#[test]
fn a_receipt_is_bound_to_chain_registry_and_every_field() {
    let receipt = PredictionReceipt {
        roundId: B256::repeat_byte(1),
        model: "swift-otter".into(),
        countedPpm: 650_000,
        postedPpm: 900_000,
        stakeNamed: true,
        stakeUnits: 1_500_000_000,
        sequence: 9,
        receivedAtUs: 1_709_251_185_000_000,
        stakeCountedUnits: 1_000_000_000,
        seal: B256::ZERO,
    };
    let kind = "PredictionReceipt(bytes32 roundId,string model,uint32 countedPpm,uint32 postedPpm,\
                bool stakeNamed,uint64 stakeUnits,uint64 sequence,uint64 receivedAtUs,\
                uint64 stakeCountedUnits,bytes32 seal)";
    assert_eq!(receipt.eip712_type_hash(), keccak256(kind));
    let hash = receipt::signing_hash(&receipt, 31337, ADDRESS);
    let domain = receipt::domain(31337, ADDRESS).hash_struct();
    let packed = [
        &[0x19, 0x01],
        domain.as_slice(),
        receipt.eip712_hash_struct().as_slice(),
    ]
    .concat();
    assert_eq!(hash, keccak256(packed));
    assert_ne!(hash, receipt::signing_hash(&receipt, 1, ADDRESS));
    assert_ne!(hash, receipt::signing_hash(&receipt, 31337, Address::ZERO));
    let changed = |change: fn(&mut PredictionReceipt)| {
        let mut other = receipt.clone();
        change(&mut other);
        receipt::signing_hash(&other, 31337, ADDRESS)
    };
    assert_ne!(hash, changed(|other| other.sequence = 10));
    assert_ne!(hash, changed(|other| other.stakeCountedUnits = 0));
    assert_ne!(hash, changed(|other| other.seal = B256::repeat_byte(2)));
    let domain_kind = b256!("8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f");
    assert_eq!(receipt::domain(31337, ADDRESS).type_hash(), domain_kind);
}

#[test]
fn requests_are_typed_as_wallets_show_them() {
    let types = [
        Prediction::eip712_encode_type(),
        OpenAccount::eip712_encode_type(),
        LinkWallet::eip712_encode_type(),
        CreateKey::eip712_encode_type(),
        DelegateSession::eip712_encode_type(),
    ];
    assert_eq!(
        types,
        [
            "Prediction(bytes32 roundId,string model,uint32 postedPpm,bool stakeNamed,\
             uint64 stakeUnits,bytes32 seal,bytes32 salt,uint64 nonce)",
            "OpenAccount(string name,address wallet,uint64 issuedAtUs,bytes32 nonce)",
            "LinkWallet(string account,address wallet,uint64 issuedAtUs,bytes32 nonce)",
            "CreateKey(address wallet,string name,string[] scopes,uint64 expiresAtS,\
             string[] addresses,uint64 issuedAtUs,bytes32 nonce)",
            "DelegateSession(address session,string account,uint64 expiresAtS,\
             uint64 issuedAtUs,bytes32 nonce)",
        ]
    );
}

/// Spelled out, as a client without this crate computes it.
#[test]
fn the_hash_of_a_request_is_that_of_eip_712() {
    let request = CreateKey {
        wallet: ADDRESS,
        name: "bot".to_owned(),
        scopes: vec!["read".to_owned(), "predict".to_owned()],
        expiresAtS: 0,
        addresses: Vec::new(),
        issuedAtUs: 7,
        nonce: B256::repeat_byte(9),
    };
    let word = |number: u64| U256::from(number).to_be_bytes::<32>();
    let text = |text: &str| keccak256(text.as_bytes()).0;
    let scopes = keccak256([text("read"), text("predict")].concat()).0;
    let fields = [
        text(&CreateKey::eip712_encode_type()),
        ADDRESS.into_word().0,
        text("bot"),
        scopes,
        word(0),
        keccak256([]).0,
        word(7),
        [9; 32],
    ];
    let domain = [
        text("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
        text("Foretoken"),
        text("1"),
        word(31_337),
        ADDRESS.into_word().0,
    ];
    let expected = keccak256(
        [
            &[0x19, 0x01],
            keccak256(domain.concat()).as_slice(),
            keccak256(fields.concat()).as_slice(),
        ]
        .concat(),
    );
    assert_eq!(requests::signing_hash(&request, 31_337, ADDRESS), expected);
}

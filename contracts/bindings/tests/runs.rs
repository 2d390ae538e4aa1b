//! Trees and typed data of runs against `run_vectors.json`, which the Python client's own code made
//! (`clients/python/tests/test_receipts.py` compares again), and inclusion proofs.

use alloy_primitives::{Address, B256, keccak256};
use contracts::round;
use contracts::runs::{
    Inclusion, InputBlock, ModelRun, RunReceipt, RunTree, Runtime, TreeKind, input_root, leaf,
    model_leaf, models_root, output_root, receipts_root, runtime_digest, salt, signing_hash,
};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("run_vectors.json")).expect("JSON")
}

fn rows<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().expect("a list")
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().expect("text")
}

fn number(of: &Value, name: &str) -> u64 {
    of[name].as_u64().expect("a number")
}

fn hash(of: &Value, name: &str) -> B256 {
    text(of, name).parse().expect("32 bytes")
}

fn models(of: &Value) -> Vec<ModelRun> {
    let one = |row: &Value| ModelRun {
        model: text(row, "model").to_owned(),
        artifact: hash(row, "artifact"),
        canonical: hash(row, "canonical"),
    };
    rows(of, "models").iter().map(one).collect()
}

#[test]
fn every_root_is_the_one_that_other_code_computes() {
    let all = vectors();
    for case in rows(&all, "models") {
        assert_eq!(models_root(&models(case)), hash(case, "root"), "{case}");
    }
    for case in rows(&all, "inputs") {
        let names: Vec<&str> = rows(case, "names")
            .iter()
            .map(|name| name.as_str().expect("text"))
            .collect();
        let bytes = alloy_primitives::hex::decode(text(case, "bytes")).expect("hexadecimal");
        let block = InputBlock {
            rows: number(case, "rows"),
            columns: number(case, "columns"),
            names: &names,
            sha256: hash(case, "sha256"),
            bytes: &bytes,
        };
        assert_eq!(input_root(&block), hash(case, "root"), "{case}");
    }
    for case in rows(&all, "outputs") {
        let answers = rows(case, "output").iter();
        #[expect(clippy::cast_possible_truncation, reason = "the vectors are float32")]
        let answers: Vec<f32> = answers
            .map(|p| p.as_f64().expect("a number") as f32)
            .collect();
        assert_eq!(output_root(&answers), hash(case, "root"), "{case}");
    }
    for case in rows(&all, "receipts") {
        let receipts: Vec<(&str, B256)> = rows(case, "receipts")
            .iter()
            .map(|row| (text(row, "model"), hash(row, "hash")))
            .collect();
        assert_eq!(receipts_root(&receipts), hash(case, "root"), "{case}");
    }
    let case = &all["salt"];
    let [seed, models, input, receipts] =
        ["seed", "models_root", "input_root", "receipts_root"].map(|name| hash(case, name));
    assert_eq!(salt(seed, models, input, receipts), hash(case, "salt"));
}

#[test]
fn typed_data_is_hashed_as_other_code_does() {
    let all = vectors();
    let case = &all["runtime"];
    let runtime = Runtime {
        profile: text(case, "profile").to_owned(),
        ortVersion: text(case, "ort_version").to_owned(),
        library: hash(case, "library"),
        provider: text(case, "provider").to_owned(),
        options: text(case, "options").to_owned(),
        isa: text(case, "isa").to_owned(),
        build: text(case, "build").to_owned(),
        sandbox: text(case, "sandbox").to_owned(),
    };
    assert_eq!(runtime_digest(&runtime), hash(case, "digest"));
    let case = &all["receipt"];
    let (chain_id, registry) = (number(case, "chain_id"), text(case, "registry"));
    let registry: Address = registry.parse().expect("an address");
    let starts_at = number(case, "starts_at");
    let round = round::round_id(chain_id, registry, keccak256("btc-usd-5m"), starts_at);
    assert_eq!(round, hash(case, "chain_round"));
    let receipt = RunReceipt {
        roundId: round,
        model: text(case, "model").to_owned(),
        modelDigest: hash(case, "model_digest"),
        canonicalDigest: hash(case, "canonical_digest"),
        inputRoot: hash(case, "input_root"),
        outputRoot: hash(case, "output_root"),
        runtimeDigest: hash(case, "runtime_digest"),
        status: text(case, "status").to_owned(),
        cpuMs: number(case, "cpu_ms"),
        finishedAtUs: number(case, "finished_us"),
        runner: text(case, "runner").to_owned(),
        sequence: number(case, "sequence"),
    };
    assert_eq!(
        signing_hash(&receipt, chain_id, registry),
        hash(case, "hash")
    );
}

#[test]
fn every_leaf_of_every_size_is_shown_and_no_other() {
    for count in 0..=9_usize {
        let leaves: Vec<B256> = (0..count).map(|at| leaf(&at.to_be_bytes())).collect();
        let tree = RunTree::new(TreeKind::Models, leaves.clone());
        assert!(tree.inclusion(count).is_none());
        for (at, shown) in leaves.iter().enumerate() {
            let proof = tree.inclusion(at).expect("it is there");
            assert!(
                proof.verify(TreeKind::Models, tree.root(), *shown),
                "{at} of {count}"
            );
            assert!(!proof.verify(TreeKind::Output, tree.root(), *shown));
            assert!(!proof.verify(TreeKind::Models, tree.root(), leaf(b"other")));
            let longer = Inclusion {
                count: proof.count + 1,
                ..proof.clone()
            };
            assert!(!longer.verify(TreeKind::Models, tree.root(), *shown));
            let mut padded = proof.clone();
            padded.siblings.push(B256::ZERO);
            assert!(!padded.verify(TreeKind::Models, tree.root(), *shown));
        }
    }
}

#[test]
fn a_root_holds_the_count_the_kind_and_the_order() {
    let empty = RunTree::new(TreeKind::Models, Vec::new()).root();
    assert_ne!(empty, RunTree::new(TreeKind::Output, Vec::new()).root());
    let all = vectors();
    let case = rows(&all, "models").last().expect("a case");
    let genuine = models(case);
    let root = models_root(&genuine);
    let mut turned = genuine.clone();
    turned.swap(0, 1);
    assert_ne!(root, models_root(&turned));
    for change in 0..3 {
        let mut changed = genuine.clone();
        let one = &mut changed[2];
        match change {
            0 => one.model.push('x'),
            1 => one.artifact = B256::ZERO,
            _ => one.canonical = B256::repeat_byte(1),
        }
        assert_ne!(model_leaf(&genuine[2]), model_leaf(&changed[2]));
        assert_ne!(root, models_root(&changed));
    }
}

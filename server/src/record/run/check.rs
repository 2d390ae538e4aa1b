//! Everything that must follow in one run: digests, roots, signature, inclusion proofs.

use alloy::primitives::{Address, B256, Signature};
use contracts::runs::{self, TreeKind};

use super::{ModelRow, Place, RunFile, answers, sha256_of};

impl RunFile {
    /// What the model answered; `None` when it is not float32.
    #[must_use]
    pub fn answers(&self) -> Option<Vec<f32>> {
        answers(&self.output)
    }

    /// Everything that does not follow in it; empty when it is whole. `signers` are the addresses
    /// that may sign.
    #[must_use]
    pub fn differences(&self, signers: &[Address]) -> Vec<String> {
        let receipt = &self.receipt;
        let mut wrong = Vec::new();
        let mut same = |what: &str, claimed: B256, computed: Option<B256>| {
            if Some(claimed) != computed {
                let found = computed.map_or("nothing".to_owned(), |hash| hash.to_string());
                wrong.push(format!("{what}: {claimed} claimed, {found} computed"));
            }
        };
        let place = Place::of(&self.place.round, self.place.chain_id, self.place.registry);
        same(
            "chain_round",
            self.place.chain_round,
            Some(place.chain_round),
        );
        let runtime = match &self.runtime {
            Some(runtime) => runtime.digest(),
            None => Some(B256::ZERO),
        };
        same("runtime_digest", receipt.runtime_digest, runtime);
        let input = self.input.root();
        same(
            "input_root",
            receipt.input_root,
            input.map(|(root, _)| root),
        );
        let sha256 = sha256_of(&self.input.sha256).unwrap_or_default();
        same(
            "sha256 of the input",
            sha256,
            input.map(|(_, sha256)| sha256),
        );
        let output = self.answers().map(|answers| runs::output_root(&answers));
        same("output_root", receipt.output_root, output);
        let typed = receipt.typed(place.chain_round);
        let hash =
            typed.map(|typed| runs::signing_hash(&typed, self.place.chain_id, self.place.registry));
        same("hash of the receipt", receipt.hash, hash);
        if let Some(committed) = &self.committed {
            let salt = runs::salt(
                committed.seed,
                self.models_root,
                receipt.input_root,
                committed.receipts_root,
            );
            same("salt", committed.salt, Some(salt));
        }
        if self.place.round != receipt.round {
            wrong.push(format!("the receipt is about round {}", receipt.round));
        }
        let is_answer = receipt.status == "ok";
        if is_answer == self.output.is_empty() {
            wrong.push(format!(
                "status {} with {} answers",
                receipt.status,
                self.output.len() / 8
            ));
        }
        wrong.extend(self.wrong_signature(hash.unwrap_or_default(), signers));
        wrong.extend(self.wrong_proofs(hash.unwrap_or_default()));
        wrong
    }

    /// What the receipt says of its signer counts for nothing.
    fn wrong_signature(&self, hash: B256, signers: &[Address]) -> Option<String> {
        let signature = self.receipt.signature.parse();
        let signature: Signature = match signature {
            Ok(signature) => signature,
            Err(_) => return Some("signature: not 65 bytes".to_owned()),
        };
        match signature.recover_address_from_prehash(&hash) {
            Ok(signer) if signers.contains(&signer) => None,
            Ok(signer) => Some(format!(
                "signature: of {signer}, which signs no receipts of this installation"
            )),
            Err(_) => Some("signature: of no key".to_owned()),
        }
    }

    fn wrong_proofs(&self, hash: B256) -> Vec<String> {
        let mut wrong = Vec::new();
        let row = ModelRow {
            model: self.receipt.model.clone(),
            artifact: self.receipt.model_digest.clone(),
            canonical: self.receipt.canonical_digest.clone(),
        };
        let leaf = row.run().map(|run| runs::model_leaf(&run));
        let shown = |leaf| {
            let proof = &self.model_proof;
            proof.verify(TreeKind::Models, self.models_root, leaf)
        };
        if !leaf.is_some_and(shown) {
            wrong.push("model_proof: not one of the models of the round".to_owned());
        }
        if let (Some(committed), Some(proof)) = (&self.committed, &self.receipt_proof) {
            let leaf = runs::receipt_leaf(self.receipt.model.as_str(), hash);
            if !proof.verify(TreeKind::Receipts, committed.receipts_root, leaf) {
                wrong.push("receipt_proof: not one of the receipts of the lock".to_owned());
            }
        }
        wrong
    }
}

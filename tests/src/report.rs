//! The demo's JSON file as its readers see it. Amounts are decimal text in 1e-9 token.

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Report {
    /// Everything that ended, oldest first.
    pub rounds: Vec<Round>,
    /// Accepted batches in order.
    pub batches: Vec<Batch>,
    /// The stake that left.
    pub withdrawal: Option<Withdrawal>,
    /// Ledger against chain, at the end.
    pub reconciliation: Option<Reconciliation>,
    /// Wall seconds since the start.
    pub elapsed_seconds: f64,
}

/// A round that was settled or is void.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Round {
    /// `btc-usd-5m-20240305T1200Z`.
    pub id: String,
    /// Its tournament.
    pub tournament: String,
    /// RFC 3339.
    pub opens_at: String,
    /// RFC 3339.
    pub locks_at: String,
    /// Price at T, decimal.
    pub p0: Option<String>,
    /// Price at T + 300 s, decimal.
    pub p1: Option<String>,
    /// `up`, `down` or `void`.
    pub outcome: String,
    /// A single staked model.
    pub thin: bool,
    /// Why it is void.
    pub void_reason: Option<String>,
    /// The clamp, ppm.
    pub a: u32,
    /// Σ w.
    #[serde(rename = "W")]
    pub stake: String,
    /// Σ w·p, p in ppm.
    #[serde(rename = "P")]
    pub weighted: String,
    /// −Σ delta.
    pub burned: String,
    /// The staked models.
    pub entries: Vec<Entry>,
}

/// A staked model in a round.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// Model id.
    pub model: String,
    /// Its name.
    pub name: String,
    /// `hosted` or `external`.
    pub hosting: String,
    /// Stake at risk.
    pub w: String,
    /// Counted probability, ppm.
    pub p: u32,
    /// What the round paid or took.
    pub delta: String,
}

/// An accepted settlement batch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Batch {
    /// The contract.
    pub vault: String,
    /// Its place, from 1.
    pub seq: i64,
    /// The ledger's root.
    pub root: String,
    /// Ids of its rounds.
    pub rounds: Vec<String>,
    /// Transaction hash.
    pub propose_tx: String,
    /// Transaction hash.
    pub accept_tx: String,
    /// Of both.
    pub gas_used: i64,
    /// What it burned.
    pub burned: String,
}

/// A stake that left with a proof.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Withdrawal {
    /// Model id.
    pub model: String,
    /// What was paid.
    pub amount: String,
    /// Transaction hash.
    pub tx: String,
}

/// Ledger and chain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Reconciliation {
    /// Sum by the database.
    pub ledger: String,
    /// Sum by the contracts.
    pub chain: String,
    /// Whether they agree.
    pub equal: bool,
}

impl Report {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is not there or not of this form.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{}:\n{text}", path.display()))
    }

    /// Rounds with an outcome, oldest first.
    pub fn decided(&self) -> impl Iterator<Item = &Round> {
        self.rounds.iter().filter(|round| round.outcome != "void")
    }

    /// The round of that id.
    #[must_use]
    pub fn round(&self, id: &str) -> Option<&Round> {
        self.rounds.iter().find(|round| round.id == id)
    }
}

impl Round {
    /// y in ppm.
    ///
    /// # Errors
    /// When it has none.
    pub fn y_ppm(&self) -> anyhow::Result<u32> {
        match self.outcome.as_str() {
            "up" => Ok(1_000_000),
            "down" => Ok(0),
            other => anyhow::bail!("round {} has outcome {other:?}", self.id),
        }
    }

    /// The entry of the model with that name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// An amount of the file, units of 1e-9 token.
///
/// # Errors
/// When it is no whole number.
pub fn units(text: &str) -> anyhow::Result<i128> {
    text.parse()
        .with_context(|| format!("{text:?} is no whole number"))
}

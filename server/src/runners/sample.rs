//! Which models of a round run on two runners. Pure.
//!
//! The seed of a round is a keyed hash that nobody outside the server can compute; when the round
//! has locked it is published, and everybody can check the choice with [`choose`].

use domain::{ModelId, RoundId};
use sha2::{Digest, Sha256};

/// The seed of a round, hexadecimal.
pub(super) fn seed(secret: &[u8; 32], round: &RoundId) -> String {
    let mut hash = Sha256::new();
    hash.update(b"foretoken replicas 1\0");
    hash.update(secret);
    hash.update(round.to_string().as_bytes());
    hex::encode(hash.finalize())
}

/// What can be told of a seed before it may be known: SHA-256 of its 64 digits.
pub(super) fn commitment(seed: &str) -> String {
    hex::encode(Sha256::digest(seed.as_bytes()))
}

/// The models with the smallest hashes of seed and id: `share_ppm` of them, rounded up, one at
/// least unless the share is 0.
#[must_use]
pub fn choose<'a>(seed: &str, models: &'a [ModelId], share_ppm: u32) -> Vec<&'a ModelId> {
    let wanted = models.len() as u64 * u64::from(share_ppm.min(1_000_000));
    let wanted = usize::try_from(wanted.div_ceil(1_000_000)).unwrap_or(usize::MAX);
    let mut hashed: Vec<_> = models.iter().map(|id| (hash_of(seed, id), id)).collect();
    hashed.sort();
    hashed.into_iter().take(wanted).map(|(_, id)| id).collect()
}

fn hash_of(seed: &str, model: &ModelId) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.as_bytes());
    hash.update(model.as_str().as_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(count: usize) -> Vec<ModelId> {
        (0..count)
            .map(|n| format!("m-{n:04}").parse().expect("an id"))
            .collect()
    }

    fn round(hour: u8) -> RoundId {
        format!("btc-usd-5m-20240305T{hour:02}00Z")
            .parse()
            .expect("an id")
    }

    #[test]
    fn a_share_is_rounded_up_and_one_at_least() {
        let all = models(1_000);
        let seed = seed(&[1; 32], &round(12));
        assert_eq!(choose(&seed, &all, 50_000).len(), 50);
        assert_eq!(choose(&seed, &all[..3], 50_000).len(), 1);
        assert_eq!(choose(&seed, &all[..3], 0).len(), 0);
        assert_eq!(choose(&seed, &all, 2_000_000).len(), 1_000);
        assert!(choose(&seed, &[], 50_000).is_empty());
    }

    #[test]
    fn the_choice_depends_on_secret_and_round_and_on_nothing_else() {
        let all = models(1_000);
        let of = |secret: u8, hour: u8| {
            let chosen = choose(&seed(&[secret; 32], &round(hour)), &all, 50_000);
            chosen.into_iter().cloned().collect::<Vec<_>>()
        };
        assert_eq!(of(1, 12), of(1, 12));
        assert_ne!(of(1, 12), of(1, 13));
        assert_ne!(of(1, 12), of(2, 12));
        let mut turned = all.clone();
        turned.reverse();
        let turned = choose(&seed(&[1; 32], &round(12)), &turned, 50_000);
        assert_eq!(turned.into_iter().cloned().collect::<Vec<_>>(), of(1, 12));
    }
}

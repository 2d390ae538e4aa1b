//! One era of the validation part as one model answered it, and its stored form.

use domain::{Direction, Probability};
use scorer::direction::brier;

/// Bytes of a stored answer: ppm, little-endian.
const ANSWER_BYTES: usize = 4;
/// Bytes of a stored era: start, ppm, outcome, little-endian.
const ERA_BYTES: usize = 13;

/// A five-minute round of the validation part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Era {
    /// T, microseconds UTC.
    pub start_us: i64,
    /// What the model says.
    pub p: Probability,
    /// What happened.
    pub outcome: Direction,
}

impl Era {
    /// Brier score less that of the constant one half.
    #[must_use]
    pub fn skill(&self) -> f64 {
        self.skill_against(Probability::HALF)
    }

    /// Brier score less that of somebody who said `other`.
    #[must_use]
    pub fn skill_against(&self, other: Probability) -> f64 {
        brier(self.p, self.outcome) - brier(other, self.outcome)
    }
}

pub(super) fn encode_answers(answers: &[Probability]) -> Vec<u8> {
    answers.iter().flat_map(|p| p.ppm().to_le_bytes()).collect()
}

/// `None` when nothing of ours wrote the bytes.
pub(super) fn decode_answers(bytes: &[u8]) -> Option<Vec<Probability>> {
    let (answers, rest) = bytes.as_chunks::<ANSWER_BYTES>();
    let all = answers.iter().map(|ppm| probability(*ppm)).collect();
    if rest.is_empty() { all } else { None }
}

pub(super) fn encode(eras: &[Era]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(eras.len() * ERA_BYTES);
    for era in eras {
        bytes.extend_from_slice(&era.start_us.to_le_bytes());
        bytes.extend_from_slice(&era.p.ppm().to_le_bytes());
        bytes.push(u8::from(era.outcome == Direction::Up));
    }
    bytes
}

/// `None` when nothing of ours wrote the bytes.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Era>> {
    let (eras, rest) = bytes.as_chunks::<ERA_BYTES>();
    if !rest.is_empty() {
        return None;
    }
    eras.iter().map(one).collect()
}

fn one(bytes: &[u8; ERA_BYTES]) -> Option<Era> {
    let (start, rest) = bytes.split_first_chunk::<8>()?;
    let (ppm, outcome) = rest.split_first_chunk::<ANSWER_BYTES>()?;
    Some(Era {
        start_us: i64::from_le_bytes(*start),
        p: probability(*ppm)?,
        outcome: match outcome {
            [1] => Direction::Up,
            [0] => Direction::Down,
            _ => return None,
        },
    })
}

fn probability(ppm: [u8; ANSWER_BYTES]) -> Option<Probability> {
    Probability::from_ppm(u32::from_le_bytes(ppm)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eras_and_answers_come_back_and_broken_bytes_do_not() {
        let era = |start_us, ppm, outcome| Era {
            start_us,
            p: Probability::from_ppm(ppm).expect("a probability"),
            outcome,
        };
        let eras = [
            era(-1, 0, Direction::Down),
            era(5, 1_000_000, Direction::Up),
        ];
        let bytes = encode(&eras);
        assert_eq!(decode(&bytes), Some(eras.to_vec()));
        assert_eq!(decode(&bytes[1..]), None);
        assert_eq!(decode(&[0xff; ERA_BYTES]), None);
        let answers = eras.map(|era| era.p);
        let bytes = encode_answers(&answers);
        assert_eq!(decode_answers(&bytes), Some(answers.to_vec()));
        assert_eq!(decode_answers(&bytes[..5]), None);
    }

    #[test]
    fn skill_is_what_is_better_than_one_half() {
        let sure = Era {
            start_us: 0,
            p: Probability::from_ppm(900_000).expect("a probability"),
            outcome: Direction::Up,
        };
        assert!((sure.skill() - 0.24).abs() < 1e-12);
        assert!((sure.skill_against(sure.p)).abs() < 1e-12);
    }
}

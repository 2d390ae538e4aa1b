//! Seals again: what was revealed opens what was committed, and who never revealed counts nothing.

use contracts::round;

use super::difference::Compare;
use super::format::{PredictionRow, RoundFile, SealRow, UnopenedRow};
use crate::predictions::{NO_INDEX, Opening, Unopened};

/// Holds every seal of a round against what the round counts.
pub(super) fn seals(compare: &mut Compare, file: &RoundFile) {
    for row in &file.predictions {
        opened(compare, file, row);
    }
    let absent = &file.never_revealed;
    compare.same(
        "never_revealed, every model once, by id",
        absent.is_sorted_by(|a, b| a.model < b.model),
        true,
    );
    for row in absent {
        let is_counted = file.predictions.iter().any(|one| one.model == row.model);
        let of = format!("whether {} counts, which never revealed", row.model);
        compare.same(&of, is_counted, false);
    }
}

fn opened(compare: &mut Compare, file: &RoundFile, row: &PredictionRow) {
    let Some(sealed) = &row.seal else { return };
    let of = |field: &str| match row.index {
        Some(_) => field.to_owned(),
        None => format!("{field} of {}", row.model),
    };
    let seal = round::seal(
        file.chain_round,
        sealed.index,
        sealed.w,
        row.posted,
        sealed.salt,
    );
    compare.same_of(row.index, &of("seal"), sealed.seal, seal);
    // The place of a model that was scored, not staked, stands nowhere in the record.
    let is_own = sealed.index == NO_INDEX || row.index.is_none_or(|own| own == sealed.index);
    compare.same_of(row.index, &of("whether the seal is its own"), is_own, true);
    let is_later = sealed.sequence < row.sequence;
    compare.same_of(
        row.index,
        &of("whether the seal came first"),
        is_later,
        true,
    );
    if row.w > sealed.w {
        let most = format!("at most the {} of its seal", sealed.w);
        compare.same_of(row.index, &of("w"), row.w, most);
    }
}

impl From<&Opening> for SealRow {
    fn from(opening: &Opening) -> Self {
        Self {
            seal: opening.seal,
            salt: opening.salt,
            index: opening.index,
            w: opening.stake_units,
            sequence: opening.sequence,
        }
    }
}

impl From<&Unopened> for UnopenedRow {
    fn from(unopened: &Unopened) -> Self {
        Self {
            model: unopened.model.to_string(),
            seal: unopened.seal,
            sequence: unopened.sequence,
        }
    }
}

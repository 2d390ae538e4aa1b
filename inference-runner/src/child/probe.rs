//! What a check asks of a model beyond its answers: that a row's answer does not depend on its
//! neighbours or its place, that the answers are not all the same, and that it is quick enough.

use std::time::Duration;

use ort::session::Session;

use super::Work;
use super::contract::Answer;
use super::execution::one_block;
use crate::limits::ROW_BLOCK;
use crate::outcome::{Outcome, Reason, Status};

/// What the height of a block may change in an answer.
const TOLERANCE: f64 = 1e-5;

/// Answers that differ by less are the same.
const CONSTANT: f64 = 1e-7;

/// Heights of the small blocks, in turn.
const HEIGHTS: [usize; 4] = [1, 2, 7, 64];

/// Rows for which the processor time of the class is meant.
const CLASS_ROWS: u64 = 10_000;

/// A run that is shorter is quick enough, whatever the number of rows: the clock of a busy machine
/// says no more.
const QUICK_US: u64 = 200_000;

/// Processor time in microseconds: of scanning and loading, and of the best run over all rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) load_us: u64,
    pub(super) run_us: u64,
}

/// Refuses a model whose answers `p` over all rows are not its own for each row.
pub(super) fn probe(
    session: &mut Session,
    work: &Work,
    answer: Answer,
    p: &[f64],
    spent: Spent,
) -> Result<(), Box<Outcome>> {
    quick(work, p.len(), spent)?;
    if p.len() < 2 {
        return Ok(());
    }
    let (low, high) = p.iter().fold((f64::MAX, f64::MIN), |(low, high), p| {
        (low.min(*p), high.max(*p))
    });
    if high - low <= CONSTANT {
        return bad(
            "output-constant",
            format!("every one of {} rows gets the answer {low}", p.len()),
            "train a model that uses its features, or export the fitted one",
        );
    }
    let order = shuffled(p.len());
    let columns = work.header.columns;
    let rows = order
        .iter()
        .map(|row| &work.features[row * columns..(row + 1) * columns]);
    let features: Vec<f32> = rows.flatten().copied().collect();
    let mut again = Vec::with_capacity(p.len());
    for block in features.chunks(ROW_BLOCK * columns) {
        again.extend(one_block(session, work, answer, block, again.len())?);
    }
    if let Some((row, got)) = order
        .iter()
        .zip(&again)
        .find(|(row, got)| differs(p[**row], **got))
    {
        return cross_row(*row, p[*row], *got, "among the same rows in another order");
    }
    let mut row = 0;
    for height in HEIGHTS.iter().cycle() {
        let end = (row + height).min(p.len());
        let block = &work.features[row * columns..end * columns];
        let got = one_block(session, work, answer, block, row)?;
        if let Some(place) = (row..end).find(|place| differs(p[*place], got[place - row])) {
            let what = format!("in a block of {} rows", end - row);
            return cross_row(place, p[place], got[place - row], &what);
        }
        row = end;
        if row == p.len() {
            break;
        }
    }
    Ok(())
}

fn differs(before: f64, after: f64) -> bool {
    (before - after).abs() > TOLERANCE
}

fn bad(code: &str, message: String, fix: &str) -> Result<(), Box<Outcome>> {
    let reason = Reason::new(code, message, fix);
    Err(Box::new(Outcome::failed(Status::BadOutput, reason)))
}

fn cross_row(row: usize, before: f64, after: f64, how: &str) -> Result<(), Box<Outcome>> {
    bad(
        "cross-row",
        format!("row {row} gets the answer {before} and, {how}, {after}"),
        "answer each row by itself: no mean, sum, softmax, normalisation or shape over the first \
         dimension, and export after model.eval()",
    )
}

/// The best run and the load against the processor time of the class.
fn quick(work: &Work, rows: usize, spent: Spent) -> Result<(), Box<Outcome>> {
    let class_us = work.header.cpu_ms.saturating_mul(1_000);
    let allowed_us = class_us.saturating_mul(rows as u64) / CLASS_ROWS;
    if spent.run_us > allowed_us.max(QUICK_US) {
        let message = format!(
            "a run over {rows} rows takes {:?}; the class has {:?} for {CLASS_ROWS} rows",
            Duration::from_micros(spent.run_us),
            Duration::from_micros(class_us)
        );
        return bad("probe-slow", message, "use smaller layers or fewer trees");
    }
    if spent.load_us > class_us / 2 {
        let message = format!(
            "loading takes {:?}; at most {:?} are allowed",
            Duration::from_micros(spent.load_us),
            Duration::from_micros(class_us / 2)
        );
        return bad("probe-load", message, "use smaller layers or fewer trees");
    }
    Ok(())
}

/// The numbers below `count` in an order that is the same everywhere: Fisher and Yates with a
/// linear congruential generator.
fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = 1_u64;
    for last in (1..count).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let below = last as u64 + 1;
        let place = usize::try_from((state >> 33) % below).unwrap_or(0);
        order.swap(last, place);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_moves_every_row_somewhere() {
        let order = shuffled(256);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().enumerate().all(|(place, row)| place == *row));
        let kept = order
            .iter()
            .enumerate()
            .filter(|(place, row)| place == *row);
        assert!(kept.count() < 8);
    }
}

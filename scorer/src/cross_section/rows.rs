//! Which rows of an era a model is scored on, and sums over them in a fixed order.

use crate::rank::Order;

/// The rows that have a number; `None` when all have, which spares the copying.
pub(super) fn present<'a>(columns: &[&[f64]], rows: &'a mut Vec<u32>) -> Option<&'a [u32]> {
    if !columns.iter().any(|column| has_gap(column)) {
        return None;
    }
    let length = columns.first().map_or(0, |column| column.len());
    rows.clear();
    rows.extend((0..length as u32).filter(|row| {
        let has_number = |column: &&[f64]| !column[*row as usize].is_nan();
        columns.iter().all(has_number)
    }));
    Some(rows)
}

/// Whether any number is missing; without a way out, so that many are looked at together.
pub(super) fn has_gap(column: &[f64]) -> bool {
    column.iter().fold(false, |any, x| any | x.is_nan())
}

/// The values of `rows`.
pub(super) fn gather(column: &[f64], rows: &[u32], values: &mut Vec<f64>) {
    values.clear();
    values.extend(rows.iter().map(|row| column[*row as usize]));
}

pub(super) fn mean(values: &[f64]) -> f64 {
    lane_sum(values, |x| x) / values.len() as f64
}

/// Σ of(x) in eight sums that are added at the end: a chain of additions waits for each, eight do not.
fn lane_sum(values: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    const LANES: usize = 8;
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            sums[lane] += of(chunk[lane]);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += of(*x);
    }
    sums.iter().sum()
}

/// Takes the mean out; answers the sum of squares of what is left.
pub(super) fn centre(values: &mut [f64]) -> f64 {
    let mean = mean(values);
    values.iter_mut().for_each(|x| *x -= mean);
    lane_sum(values, |x| x * x)
}

pub(super) fn is_constant(values: &[f64]) -> bool {
    values.iter().all(|x| Some(x) == values.first())
}

/// Σ a[i]·b[order[i]], in four sums that are added at the end.
pub(super) fn dot_along(a: &[f64], order: Order<'_>, b: &[f64]) -> f64 {
    const LANES: usize = 4;
    let (values, values_rest) = a.as_chunks::<LANES>();
    let (rows, rows_rest) = order.rows.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (values, rows) in values.iter().zip(rows) {
        for lane in 0..LANES {
            sums[lane] += values[lane] * b[rows[lane] as usize];
        }
    }
    for (lane, (value, row)) in values_rest.iter().zip(rows_rest).enumerate() {
        sums[lane] += value * b[*row as usize];
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Both Σ a[i]·b[order[i]][0] and Σ a[i]·b[order[i]][1], as [`dot_along`] does.
pub(super) fn dots_along(a: &[f64], order: Order<'_>, b: &[[f64; 2]]) -> [f64; 2] {
    const LANES: usize = 4;
    let (values, values_rest) = a.as_chunks::<LANES>();
    let (rows, rows_rest) = order.rows.as_chunks::<LANES>();
    let mut sums = [[0.0; 2]; LANES];
    for (values, rows) in values.iter().zip(rows) {
        for lane in 0..LANES {
            let pair = b[rows[lane] as usize];
            sums[lane][0] += values[lane] * pair[0];
            sums[lane][1] += values[lane] * pair[1];
        }
    }
    for (lane, (value, row)) in values_rest.iter().zip(rows_rest).enumerate() {
        let pair = b[*row as usize];
        sums[lane][0] += value * pair[0];
        sums[lane][1] += value * pair[1];
    }
    [0, 1].map(|side| (sums[0][side] + sums[1][side]) + (sums[2][side] + sums[3][side]))
}

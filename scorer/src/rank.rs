//! Orders the rows of a column by value and finds its ties: what every rank-based score starts from.
//!
//! A column is spread over equal steps between its least and greatest value, which keeps the order;
//! (step, row) packed into one number is sorted by two counting passes; only rows that share a step
//! are compared by value. That costs a few cycles a row where comparing costs tens, and heavy tails
//! cost a comparison sort at worst. Never changes the order of equal values: they stay by row.

use std::ops::Range;

use pulp::Arch;

/// Under so many rows clearing the counters costs more than comparing.
const FEW: usize = 192;
/// Neighbours looked at together when steps shared by several rows are searched.
const LOOK: usize = 64;

/// The rows of a column from its least to its greatest value, and which of them are equal.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Row numbers, ascending by value, equal values by row.
    pub rows: &'a [u32],
    /// Positions in `rows` that hold equal values: ascending, apart, each two or longer.
    pub ties: &'a [Range<usize>],
}

/// Why a column has no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unordered {
    /// A NaN or an infinity.
    NotFinite,
    /// No rows, or all values equal: nothing is before anything.
    Constant,
    /// 2^32 rows or more.
    TooManyRows,
}

/// Buffers of [`Ranker::order`], kept from column to column.
#[derive(Clone, Debug, Default)]
pub struct Ranker {
    narrow: [Vec<u32>; 2],
    wide: [Vec<u64>; 2],
    rows: Vec<u32>,
    ties: Vec<Range<usize>>,
}

impl Ranker {
    /// The order of `values`: O(n) for values spread over their range, O(n·log n) at worst.
    ///
    /// # Errors
    /// [`Unordered`].
    pub fn order(&mut self, values: &[f64]) -> Result<Order<'_>, Unordered> {
        if u32::try_from(values.len()).is_err() {
            return Err(Unordered::TooManyRows);
        }
        let arch = Arch::new();
        let bounds = arch.dispatch(|| range(values));
        let (least, greatest) = bounds.ok_or(Unordered::NotFinite)?;
        if least >= greatest {
            return Err(Unordered::Constant);
        }
        self.ties.clear();
        self.rows.clear();
        let fits_narrow = values.len() <= <u32 as Key>::ROWS;
        let steps = if fits_narrow {
            <u32 as Key>::STEPS
        } else {
            <u64 as Key>::STEPS
        };
        // Steps too small or too large for a float have no scale: everything is compared.
        let scale = (steps - 1) as f64 / (greatest - least);
        let is_spread = scale.is_finite() && scale > 0.0;
        let (rows, ties) = (&mut self.rows, &mut self.ties);
        if values.len() < FEW || !is_spread {
            rows.extend(0..values.len() as u32);
            compare(rows, 0..values.len(), values, ties);
        } else if fits_narrow {
            let buffers = &mut self.narrow;
            arch.dispatch(|| {
                sort::<u32, 1024, 512>(values, least, scale, buffers);
                finish(&buffers[0], rows, values, ties);
            });
        } else {
            let buffers = &mut self.wide;
            arch.dispatch(|| {
                sort::<u64, 4096, 4096>(values, least, scale, buffers);
                finish(&buffers[0], rows, values, ties);
            });
        }
        Ok(Order {
            rows: &self.rows,
            ties: &self.ties,
        })
    }
}

/// Tie-kept ranks, (average rank − 0.5)/n with ranks from 1: each in (0, 1), their mean one half.
///
/// # Errors
/// [`Unordered`]; constant values too, although each would have rank one half: nothing is ranked.
pub fn tie_kept_ranks(values: &[f64]) -> Result<Vec<f64>, Unordered> {
    let mut ranker = Ranker::default();
    let order = ranker.order(values)?;
    let count = values.len() as f64;
    let mut ranks = vec![0.0; values.len()];
    for (position, row) in order.rows.iter().enumerate() {
        ranks[*row as usize] = (position as f64 + 0.5) / count;
    }
    for tie in order.ties {
        let rank = (tie.start + tie.end) as f64 * 0.5 / count;
        for row in &order.rows[tie.clone()] {
            ranks[*row as usize] = rank;
        }
    }
    Ok(ranks)
}

/// A step of the value's range and a row, packed so that one counting pass sees the lower part of
/// the step and the next its higher part.
trait Key: Copy + Default {
    /// Rows that fit.
    const ROWS: usize;
    /// Steps that fit: the product of the two passes' counters.
    const STEPS: u64;
    fn pack(step: u32, row: usize) -> Self;
    fn row(self) -> u32;
    fn step(self) -> u32;
}

impl Key for u32 {
    const ROWS: usize = 1 << 13;
    const STEPS: u64 = 1 << 19;
    fn pack(step: u32, row: usize) -> Self {
        step << 13 | row as u32
    }
    fn row(self) -> u32 {
        self & 0x1fff
    }
    fn step(self) -> u32 {
        self >> 13
    }
}

impl Key for u64 {
    const ROWS: usize = 1 << 32;
    const STEPS: u64 = 1 << 24;
    fn pack(step: u32, row: usize) -> Self {
        u64::from(step) << 32 | row as u64
    }
    fn row(self) -> u32 {
        self as u32
    }
    fn step(self) -> u32 {
        (self >> 32) as u32
    }
}

/// Least and greatest value; `None` with a NaN or an infinity. (+∞, −∞) without values.
#[inline(always)]
fn range(values: &[f64]) -> Option<(f64, f64)> {
    const LANES: usize = 8;
    let (mut least, mut greatest) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    // x·0 is 0 for finite x and NaN otherwise, so the sum tells whether all are finite.
    let mut zeros = [0.0; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut see = |lane: usize, x: f64| {
        least[lane] = if x < least[lane] { x } else { least[lane] };
        greatest[lane] = if x > greatest[lane] {
            x
        } else {
            greatest[lane]
        };
        zeros[lane] += x * 0.0;
    };
    for chunk in chunks {
        for (lane, x) in chunk.iter().enumerate() {
            see(lane, *x);
        }
    }
    for x in rest {
        see(0, *x);
    }
    if zeros.iter().sum::<f64>() != 0.0 {
        return None;
    }
    let least = least.into_iter().fold(f64::INFINITY, f64::min);
    Some((
        least,
        greatest.into_iter().fold(f64::NEG_INFINITY, f64::max),
    ))
}

/// Keys by ascending step, equal steps by row, into the first buffer: two stable counting passes.
#[inline(always)]
fn sort<K: Key, const LOW: usize, const HIGH: usize>(
    values: &[f64],
    least: f64,
    scale: f64,
    buffers: &mut [Vec<K>; 2],
) {
    // Adding 2^52 rounds to an integer that then stands in the low bits of the float.
    const ROUND: f64 = 4_503_599_627_370_496.0;
    let [first, second] = buffers;
    first.clear();
    first.extend(values.iter().enumerate().map(|(row, x)| {
        let step = ((x - least) * scale + ROUND).to_bits() as u32;
        K::pack(step, row)
    }));
    second.resize(values.len(), K::default());
    let low = |key: K| key.step() as usize % LOW;
    let high = |key: K| key.step() as usize / LOW % HIGH;
    let (mut lows, mut highs) = ([0_u32; LOW], [0_u32; HIGH]);
    for key in first.iter() {
        lows[low(*key)] += 1;
        highs[high(*key)] += 1;
    }
    to_starts(&mut lows);
    to_starts(&mut highs);
    place(first, second, |key| {
        let next = &mut lows[low(key)];
        *next += 1;
        *next - 1
    });
    place(second, first, |key| {
        let next = &mut highs[high(key)];
        *next += 1;
        *next - 1
    });
}

#[inline(always)]
fn to_starts(counts: &mut [u32]) {
    let mut start = 0;
    for count in counts {
        start += std::mem::replace(count, start);
    }
}

#[inline(always)]
fn place<K: Key>(from: &[K], to: &mut [K], mut position: impl FnMut(K) -> u32) {
    for key in from {
        if let Some(slot) = to.get_mut(position(*key) as usize) {
            *slot = *key;
        }
    }
}

/// The keys' rows, those that share a step ordered by value.
#[inline(always)]
fn finish<K: Key>(keys: &[K], rows: &mut Vec<u32>, values: &[f64], ties: &mut Vec<Range<usize>>) {
    rows.extend(keys.iter().map(|key| key.row()));
    let share = |(a, b): (&K, &K)| a.step() == b.step();
    let mut at = 0;
    while at + 1 < keys.len() {
        let end = keys.len().min(at + 1 + LOOK);
        let pairs = || keys[at..end - 1].iter().zip(&keys[at + 1..end]);
        // Looking at all of them without a way out lets the compiler compare many at once.
        if !pairs().fold(false, |any, pair| any | share(pair)) {
            at = end - 1;
            continue;
        }
        let first = at + pairs().position(share).unwrap_or_default();
        let step = keys[first].step();
        let length = keys[first..].iter().take_while(|k| k.step() == step);
        at = first + length.count();
        compare(rows, first..at, values, ties);
    }
}

/// Orders the rows at `positions`, which ascend, by value and notes which are equal.
fn compare(
    rows: &mut [u32],
    positions: Range<usize>,
    values: &[f64],
    ties: &mut Vec<Range<usize>>,
) {
    let start = positions.start;
    let run = &mut rows[positions.clone()];
    let value = |row: &u32| values[*row as usize];
    let Some(first) = run.first().map(value) else {
        return;
    };
    if run.iter().all(|row| value(row) == first) {
        if run.len() > 1 {
            ties.push(positions);
        }
        return;
    }
    // All values are finite: they compare, and −0 equals 0.
    run.sort_unstable_by(|a, b| {
        let by_value = value(a).partial_cmp(&value(b));
        by_value.unwrap_or(std::cmp::Ordering::Equal).then(a.cmp(b))
    });
    let mut from = start;
    for equal in run.chunk_by(|a, b| value(a) == value(b)) {
        if equal.len() > 1 {
            ties.push(from..from + equal.len());
        }
        from += equal.len();
    }
}

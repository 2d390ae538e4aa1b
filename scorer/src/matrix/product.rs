//! Products of matrices, blocked for the caches and the vector registers.
//!
//! An element is c ± a₀·b₀ ± a₁·b₁ …, each step one fused multiply-add, in ascending order. Blocks
//! and vectors only decide which elements are worked on together, so they change no bit; a machine
//! without fused instructions computes the same, slowly.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::{Matrix, View};

/// Rows of a tile: three of the widest vectors.
const TILE_ROWS: usize = 24;
/// Columns of a tile.
const TILE_COLUMNS: usize = 8;
/// Terms of a sum that are packed at a time; a strip of `b` then stays in the first cache.
const DEPTH: usize = 256;
/// Rows of `a` that are packed at a time; they stay in the second cache.
const BLOCK_ROWS: usize = 10 * TILE_ROWS;

/// A left factor, packed once for any number of products: for each piece of the sums' terms, strips
/// of [`TILE_ROWS`] rows, term after term; rows beyond the last are zero.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    rows: usize,
    terms: usize,
    values: Vec<f64>,
}

impl Packed {
    pub(crate) fn of(a: View<'_>) -> Self {
        let height = a.rows.next_multiple_of(TILE_ROWS);
        let mut values = vec![0.0; height * a.columns];
        for depth in pieces(a.columns) {
            let piece = &mut values[height * depth.start..height * depth.end];
            pack_left(piece, a, depth);
        }
        Self {
            rows: a.rows,
            terms: a.columns,
            values,
        }
    }

    /// The strips of `rows`, which start at a tile, for a piece of the terms.
    fn block(&self, rows: Range<usize>, depth: Range<usize>) -> &[f64] {
        let height = self.rows.next_multiple_of(TILE_ROWS);
        let piece = &self.values[height * depth.start..height * depth.end];
        let end = rows.end.next_multiple_of(TILE_ROWS);
        &piece[rows.start * depth.len()..end * depth.len()]
    }
}

/// c ← c + sign·a·b, with sign 1 or −1.
///
/// # Panics
/// When the shapes do not fit.
pub(crate) fn add_product(c: &mut Matrix, sign: f64, a: &Packed, b: View<'_>) {
    add(c, sign, a, b, false);
}

/// aᵀ·a: columns × columns, from a and its packed transpose.
pub(crate) fn gram(transposed: &Packed, a: &Matrix) -> Matrix {
    let mut c = Matrix::zeros(a.columns, a.columns);
    add(&mut c, 1.0, transposed, a.view(), true);
    for column in 0..c.columns {
        for row in 0..column {
            let mirrored = c.at(column, row);
            c.set(row, column, mirrored);
        }
    }
    c
}

fn pieces(terms: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = (0..terms).step_by(DEPTH);
    starts.map(move |from| from..terms.min(from + DEPTH))
}

/// `lower_only` leaves tiles wholly above the diagonal out.
fn add(c: &mut Matrix, sign: f64, a: &Packed, b: View<'_>, lower_only: bool) {
    assert_eq!((c.rows, c.columns), (a.rows, b.columns), "shape of a sum");
    assert_eq!(a.terms, b.rows, "shapes of a product");
    let arch = Arch::new();
    let mut packed_b = Vec::new();
    for depth in pieces(a.terms) {
        pack_right(&mut packed_b, b, depth.clone(), sign);
        for top in (0..c.rows).step_by(BLOCK_ROWS) {
            let rows = top..c.rows.min(top + BLOCK_ROWS);
            arch.dispatch(Block {
                c: &mut *c,
                a: a.block(rows.clone(), depth.clone()),
                b: &packed_b,
                rows,
                depth: depth.len(),
                lower_only,
            });
        }
    }
}

/// Fills a piece of [`Packed`].
fn pack_left(piece: &mut [f64], a: View<'_>, depth: Range<usize>) {
    let strips = piece.chunks_exact_mut(TILE_ROWS * depth.len());
    for (strip, top) in strips.zip((0..a.rows).step_by(TILE_ROWS)) {
        let height = TILE_ROWS.min(a.rows - top);
        if a.row_stride == 1 {
            for (slots, term) in strip.chunks_exact_mut(TILE_ROWS).zip(depth.clone()) {
                let start = term * a.column_stride + top;
                slots[..height].copy_from_slice(&a.values[start..start + height]);
            }
        } else {
            turn::<TILE_ROWS>(strip, a, top, height, depth.clone(), 1.0);
        }
    }
}

/// Strips of [`TILE_COLUMNS`] columns, term after term, times the sign; columns beyond the last are
/// zero.
fn pack_right(packed: &mut Vec<f64>, b: View<'_>, depth: Range<usize>, sign: f64) {
    let strips = b.columns.div_ceil(TILE_COLUMNS);
    packed.clear();
    packed.resize(strips * TILE_COLUMNS * depth.len(), 0.0);
    let by_column = View {
        rows: b.columns,
        columns: b.rows,
        row_stride: b.column_stride,
        column_stride: b.row_stride,
        ..b
    };
    let strips = packed.chunks_exact_mut(TILE_COLUMNS * depth.len());
    for (strip, left) in strips.zip((0..b.columns).step_by(TILE_COLUMNS)) {
        let width = TILE_COLUMNS.min(b.columns - left);
        turn::<TILE_COLUMNS>(strip, by_column, left, width, depth.clone(), sign);
    }
}

/// Writes `count` rows of `from`, from `top` on, term after term into slots of `WIDTH`.
fn turn<const WIDTH: usize>(
    strip: &mut [f64],
    from: View<'_>,
    top: usize,
    count: usize,
    depth: Range<usize>,
    sign: f64,
) {
    let (slots, _) = strip.as_chunks_mut::<WIDTH>();
    let is_contiguous = from.column_stride == 1;
    if count == WIDTH && is_contiguous {
        let rows: [&[f64]; WIDTH] = std::array::from_fn(|row| {
            let start = (top + row) * from.row_stride + depth.start;
            &from.values[start..start + depth.len()]
        });
        for (term, slots) in slots.iter_mut().enumerate() {
            for (slot, row) in slots.iter_mut().zip(rows) {
                *slot = sign * row[term];
            }
        }
        return;
    }
    for (slots, term) in slots.iter_mut().zip(depth) {
        for (row, slot) in slots.iter_mut().enumerate().take(count) {
            let at = (top + row) * from.row_stride + term * from.column_stride;
            *slot = sign * from.values[at];
        }
    }
}

/// The rows of `c` that one packed block of `a` reaches.
struct Block<'a> {
    c: &'a mut Matrix,
    a: &'a [f64],
    b: &'a [f64],
    rows: Range<usize>,
    depth: usize,
    lower_only: bool,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (ld, width) = (self.c.rows, self.c.columns);
        let strips_b = self.b.chunks_exact(TILE_COLUMNS * self.depth);
        for (b, left) in strips_b.zip((0..width).step_by(TILE_COLUMNS)) {
            let strips_a = self.a.chunks_exact(TILE_ROWS * self.depth);
            for (a, top) in strips_a.zip(self.rows.clone().step_by(TILE_ROWS)) {
                if self.lower_only && left >= top + TILE_ROWS {
                    continue;
                }
                let height = TILE_ROWS.min(self.rows.end - top);
                let columns = TILE_COLUMNS.min(width - left);
                let corner = left * ld + top;
                if height == TILE_ROWS && columns == TILE_COLUMNS {
                    tile(simd, a, b, &mut self.c.values[corner..], ld);
                    continue;
                }
                let mut whole = [0.0; TILE_ROWS * TILE_COLUMNS];
                for column in 0..columns {
                    let at = corner + column * ld;
                    whole[column * TILE_ROWS..][..height]
                        .copy_from_slice(&self.c.values[at..at + height]);
                }
                tile(simd, a, b, &mut whole, TILE_ROWS);
                for column in 0..columns {
                    let at = corner + column * ld;
                    self.c.values[at..at + height]
                        .copy_from_slice(&whole[column * TILE_ROWS..][..height]);
                }
            }
        }
    }
}

/// A whole tile, by as many columns at a time as the registers hold.
#[inline(always)]
fn tile<S: Simd>(simd: S, a: &[f64], b: &[f64], c: &mut [f64], ld: usize) {
    match S::F64_LANES {
        8 => columns::<S, 3, 8>(simd, a, b, c, ld),
        4 => columns::<S, 6, 2>(simd, a, b, c, ld),
        2 => columns::<S, 12, 2>(simd, a, b, c, ld),
        _ => columns::<S, 24, 1>(simd, a, b, c, ld),
    }
}

/// `VECTORS` vectors of rows are the [`TILE_ROWS`].
#[inline(always)]
fn columns<S: Simd, const VECTORS: usize, const COLUMNS: usize>(
    simd: S,
    a: &[f64],
    b: &[f64],
    c: &mut [f64],
    ld: usize,
) {
    let (a, _) = S::as_simd_f64s(a);
    let (b, _) = b.as_chunks::<TILE_COLUMNS>();
    for left in (0..TILE_COLUMNS).step_by(COLUMNS) {
        let mut sums = [[simd.splat_f64s(0.0); VECTORS]; COLUMNS];
        for (column, sums) in sums.iter_mut().enumerate() {
            let start = (left + column) * ld;
            let (stored, _) = S::as_simd_f64s(&c[start..start + TILE_ROWS]);
            sums.copy_from_slice(stored);
        }
        for (a, b) in a.chunks_exact(VECTORS).zip(b) {
            for (column, sums) in sums.iter_mut().enumerate() {
                let factor = simd.splat_f64s(b[left + column]);
                for (sum, a) in sums.iter_mut().zip(a) {
                    *sum = simd.mul_add_f64s(*a, factor, *sum);
                }
            }
        }
        for (column, sums) in sums.iter().enumerate() {
            let start = (left + column) * ld;
            let (stored, _) = S::as_mut_simd_f64s(&mut c[start..start + TILE_ROWS]);
            stored.copy_from_slice(sums);
        }
    }
}

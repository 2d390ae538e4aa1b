//! An orthonormal basis of a column space, small singular values left out: the slow, always right
//! way, for features of which some nearly follow from others.
//!
//! A Householder factor makes the matrix square, one-sided Jacobi rotations diagonalise that
//! (J. Demmel and K. Veselić, Jacobi's method is more accurate than QR, 1992).

use pulp::Arch;

use super::Matrix;

/// Sweeps at most; half as many suffice for every matrix tried.
const SWEEPS: usize = 40;
/// Columns whose cosine is below this are orthogonal.
const ORTHOGONAL: f64 = 1e-15;

/// A basis and whether what was left out was nothing but rounding.
#[derive(Clone, Debug)]
pub(crate) struct ColumnSpace {
    /// rows × rank, orthonormal columns.
    pub(crate) basis: Matrix,
    /// The largest singular value left out, as a share of the largest.
    pub(crate) left_out: f64,
}

/// The left singular vectors of `a` whose singular value is above `rcond` of the largest.
pub(crate) fn column_space(a: &Matrix, rcond: f64) -> ColumnSpace {
    let is_tall = a.rows() > a.columns();
    let (mut square, reflectors) = if is_tall {
        let mut reduced = a.clone();
        let reflectors = reflect(&mut reduced);
        (upper(&reduced, a.columns()), reflectors)
    } else {
        // a = Rᵀ·Qᵀ, and Rᵀ has the left singular vectors of a.
        let mut reduced = transpose(a);
        reflect(&mut reduced);
        (transpose(&upper(&reduced, a.rows())), Vec::new())
    };
    rotate(&mut square);
    let norms: Vec<f64> = (0..square.columns())
        .map(|column| libm::sqrt(dot(square.column(column), square.column(column))))
        .collect();
    let largest = norms.iter().copied().fold(0.0, f64::max);
    let mut basis = Matrix::zeros(a.rows(), square.columns());
    let (mut rank, mut left_out) = (0, 0.0_f64);
    for (column, norm) in norms.iter().enumerate() {
        if *norm <= rcond * largest {
            left_out = left_out.max(norm / largest);
            continue;
        }
        let target = basis.column_mut(rank);
        for (slot, value) in target.iter_mut().zip(square.column(column)) {
            *slot = value / norm;
        }
        rank += 1;
    }
    basis.truncate(rank);
    unreflect(&mut basis, &reflectors);
    ColumnSpace { basis, left_out }
}

/// A reflector v of unit length: x ← x − 2·v·(vᵀx), with the first rows that it leaves alone.
struct Reflector {
    from: usize,
    v: Vec<f64>,
}

/// Householder reflections until `a` is upper triangular.
fn reflect(a: &mut Matrix) -> Vec<Reflector> {
    let mut reflectors = Vec::with_capacity(a.columns());
    for pivot in 0..a.columns().min(a.rows()) {
        let mut v = a.column(pivot)[pivot..].to_vec();
        let length = libm::sqrt(dot(&v, &v));
        v[0] += if v[0] < 0.0 { -length } else { length };
        let norm = libm::sqrt(dot(&v, &v));
        if norm > 0.0 {
            v.iter_mut().for_each(|x| *x /= norm);
        }
        let reflector = Reflector { from: pivot, v };
        for column in pivot..a.columns() {
            reflector.apply(a.column_mut(column));
        }
        reflectors.push(reflector);
    }
    reflectors
}

fn unreflect(a: &mut Matrix, reflectors: &[Reflector]) {
    for reflector in reflectors.iter().rev() {
        for column in 0..a.columns() {
            reflector.apply(a.column_mut(column));
        }
    }
}

impl Reflector {
    fn apply(&self, x: &mut [f64]) {
        let x = &mut x[self.from..];
        Arch::new().dispatch(|| {
            let factor = 2.0 * lanes_dot(&self.v, x);
            for (x, v) in x.iter_mut().zip(&self.v) {
                *x -= factor * v;
            }
        });
    }
}

/// The upper triangle of the first `size` rows.
fn upper(a: &Matrix, size: usize) -> Matrix {
    let mut square = Matrix::zeros(size, size);
    for column in 0..size {
        square.column_mut(column)[..=column].copy_from_slice(&a.column(column)[..=column]);
    }
    square
}

fn transpose(a: &Matrix) -> Matrix {
    let mut turned = Matrix::zeros(a.columns(), a.rows());
    for column in 0..a.columns() {
        for (row, value) in a.column(column).iter().enumerate() {
            turned.set(column, row, *value);
        }
    }
    turned
}

/// Rotates pairs of columns until all are orthogonal: a·V = U·Σ.
fn rotate(a: &mut Matrix) {
    let arch = Arch::new();
    for _ in 0..SWEEPS {
        let mut is_done = true;
        for low in 0..a.columns() {
            for high in low + 1..a.columns() {
                let (x, y) = a.pair_mut(low, high);
                is_done &= arch.dispatch(|| rotate_pair(x, y));
            }
        }
        if is_done {
            return;
        }
    }
}

/// Makes two columns orthogonal; whether they were already.
#[inline(always)]
fn rotate_pair(x: &mut [f64], y: &mut [f64]) -> bool {
    let (alpha, beta, gamma) = (lanes_dot(x, x), lanes_dot(y, y), lanes_dot(x, y));
    if gamma == 0.0 || gamma.abs() <= ORTHOGONAL * libm::sqrt(alpha) * libm::sqrt(beta) {
        return true;
    }
    let zeta = (beta - alpha) / (2.0 * gamma);
    let sign = if zeta < 0.0 { -1.0 } else { 1.0 };
    let t = sign / (zeta.abs() + libm::sqrt(1.0 + zeta * zeta));
    let c = 1.0 / libm::sqrt(1.0 + t * t);
    let s = c * t;
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
    false
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    Arch::new().dispatch(|| lanes_dot(x, y))
}

/// Eight partial sums, so that vectors of any width give the same bits.
#[inline(always)]
fn lanes_dot(x: &[f64], y: &[f64]) -> f64 {
    const LANES: usize = 8;
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let (ys, y_rest) = y.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (x, y) in xs.iter().zip(ys) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

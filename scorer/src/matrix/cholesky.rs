//! The inverse of a symmetric positive definite matrix by its Cholesky factor, and how far from
//! singular the matrix is.

use pulp::Arch;

use super::Matrix;
use super::product::{Packed, add_product, gram};

/// Steps of the power iterations. Their estimates of the extreme eigenvalues come from inside; the
/// limits that callers compare them with leave room for that.
const STEPS: usize = 16;
/// Matrices up to this size are factored element by element.
const SMALL: usize = 48;

/// N⁻¹ and the inverse of the lower triangle L with N = L·Lᵀ.
#[derive(Clone, Debug)]
pub(crate) struct Cholesky {
    lower_inverse: Matrix,
    inverse: Matrix,
}

impl Cholesky {
    /// Of a symmetric matrix, whose lower triangle is read; `None` when it is not positive definite
    /// in float64.
    pub(crate) fn of(symmetric: &Matrix) -> Option<Self> {
        let lower_inverse = inverse_factor(symmetric)?;
        let transposed = Packed::of(lower_inverse.transposed());
        Some(Self {
            inverse: gram(&transposed, &lower_inverse),
            lower_inverse,
        })
    }

    /// N⁻¹·b.
    pub(crate) fn solve(&self, b: &Matrix) -> Matrix {
        product(&self.inverse, 1.0, b)
    }

    /// a·L⁻ᵀ: columns that are orthonormal as far as the factor is exact, when N = aᵀ·a.
    pub(crate) fn orthonormalised(&self, a: &Matrix) -> Matrix {
        let mut b = Matrix::zeros(a.rows(), a.columns());
        let a = Packed::of(a.view());
        add_product(&mut b, 1.0, &a, self.lower_inverse.transposed());
        b
    }

    /// N⁻¹·x.
    pub(crate) fn apply_inverse(&self, x: &[f64]) -> Vec<f64> {
        times(&self.inverse, x)
    }
}

/// L⁻¹, by halves: with N = (A, Bᵀ; B, C) and A = L₁·L₁ᵀ, the lower left of L is M = B·L₁⁻ᵀ, its lower
/// right the factor L₂ of C − M·Mᵀ, and the lower left of L⁻¹ is −L₂⁻¹·M·L₁⁻¹.
fn inverse_factor(n: &Matrix) -> Option<Matrix> {
    let size = n.columns();
    if size <= SMALL {
        return Some(invert(&factor(n.clone())?));
    }
    let half = size / 2;
    let first = inverse_factor(&part(n, 0, 0, half, half))?;
    let lower = Packed::of(part(n, half, 0, size - half, half).view());
    let mut m = Matrix::zeros(size - half, half);
    add_product(&mut m, 1.0, &lower, first.transposed());
    let mut rest = part(n, half, half, size - half, size - half);
    add_product(&mut rest, -1.0, &Packed::of(m.view()), m.transposed());
    let second = inverse_factor(&rest)?;
    let corner = product(&second, -1.0, &product(&m, 1.0, &first));
    let mut whole = Matrix::zeros(size, size);
    for column in 0..half {
        let target = whole.column_mut(column);
        target[..half].copy_from_slice(first.column(column));
        target[half..].copy_from_slice(corner.column(column));
    }
    for column in half..size {
        whole.column_mut(column)[half..].copy_from_slice(second.column(column - half));
    }
    Some(whole)
}

/// sign·a·b.
fn product(a: &Matrix, sign: f64, b: &Matrix) -> Matrix {
    let mut c = Matrix::zeros(a.rows(), b.columns());
    add_product(&mut c, sign, &Packed::of(a.view()), b.view());
    c
}

fn part(n: &Matrix, top: usize, left: usize, rows: usize, columns: usize) -> Matrix {
    let mut part = Matrix::zeros(rows, columns);
    for column in 0..columns {
        let values = &n.column(left + column)[top..top + rows];
        part.column_mut(column).copy_from_slice(values);
    }
    part
}

/// The factor L in the lower triangle; what stands above it is zero.
fn factor(mut n: Matrix) -> Option<Matrix> {
    let size = n.columns();
    for pivot in 0..size {
        let diagonal = n.at(pivot, pivot);
        // A pivot that is not above zero means a matrix that rounding has made indefinite.
        if !(diagonal.is_finite() && diagonal > 0.0) {
            return None;
        }
        let root = libm::sqrt(diagonal);
        for value in &mut n.column_mut(pivot)[pivot..] {
            *value /= root;
        }
        n.column_mut(pivot)[..pivot].fill(0.0);
        for column in pivot + 1..size {
            let (done, later) = n.pair_mut(pivot, column);
            subtract(&mut later[column..], done[column], &done[column..]);
        }
    }
    Some(n)
}

/// L⁻¹ of a small triangle, column by column: forward substitution on the unit vectors.
fn invert(lower: &Matrix) -> Matrix {
    let size = lower.columns();
    let mut inverse = Matrix::zeros(size, size);
    for column in 0..size {
        let x = inverse.column_mut(column);
        x[column] = 1.0;
        for pivot in column..size {
            let l = lower.column(pivot);
            x[pivot] /= l[pivot];
            let factor = x[pivot];
            subtract(&mut x[pivot + 1..], factor, &l[pivot + 1..]);
        }
    }
    inverse
}

/// y ← y − factor·x.
#[inline(always)]
fn subtract(y: &mut [f64], factor: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y -= factor * x;
    }
}

/// a·x.
pub(crate) fn times(a: &Matrix, x: &[f64]) -> Vec<f64> {
    let arch = Arch::new();
    let mut y = vec![0.0; a.rows()];
    for (column, factor) in x.iter().enumerate() {
        arch.dispatch(|| subtract(&mut y, -factor, a.column(column)));
    }
    y
}

/// The largest eigenvalue of a symmetric positive semidefinite operator, by power iteration from a
/// fixed start: never above it, and rarely under half of it.
pub(crate) fn largest_eigenvalue(size: usize, apply: impl Fn(&[f64]) -> Vec<f64>) -> f64 {
    // Unequal signs and sizes, so that no simple structure is orthogonal to the start.
    let mut x: Vec<f64> = (0..size)
        .map(|i| if i % 3 == 1 { -1.0 } else { 1.0 } + 0.5 * (i % 7) as f64 / 7.0)
        .collect();
    let mut value = 0.0;
    for _ in 0..STEPS {
        let length = libm::sqrt(x.iter().map(|x| x * x).sum());
        if !(length.is_finite() && length > 0.0) {
            return length;
        }
        x.iter_mut().for_each(|x| *x /= length);
        let y = apply(&x);
        value = x.iter().zip(&y).map(|(x, y)| x * y).sum();
        x = y;
    }
    value
}

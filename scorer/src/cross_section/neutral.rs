//! Takes out of predictions what features explain: the residual of least squares on the features and
//! a column of ones.
//!
//! Columns that span the features are made once per era; a prediction then costs two products. The
//! columns are the centred and scaled features while those are far from dependent, an orthonormal
//! basis when they are nearer, and singular vectors where the reference's cut of small singular
//! values may matter. Never answers a residual from columns whose conditioning was not looked at.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::rows::{centre, has_gap, mean};
use crate::matrix::{
    Cholesky, Matrix, Packed, add_product, column_space, gram, largest_eigenvalue, times,
};

/// Singular values up to this share of the largest do not count (the reference's `rcond`).
const RCOND: f64 = 1e-6;
/// Features with a condition number under this are surely clear of [`RCOND`], estimates and all.
const SURELY_FULL: f64 = 1e4;
/// Columns with a condition number up to this lose at most three digits in the normal equations,
/// which squares it; the residual then still has thirteen.
const WELL_CONDITIONED: f64 = 30.0;
/// Singular values up to this share of the largest are rounding.
const ROUNDING: f64 = 1e-13;
/// Bases of row sets kept at most.
const KEPT: usize = 64;

/// What spans the features of an era, on the rows that have them.
#[derive(Debug)]
pub(super) struct Neutralizer {
    features: Matrix,
    /// Which rows have all features.
    has_features: Vec<bool>,
    rows: usize,
    basis: Option<Basis>,
}

/// Linearly independent columns, zero in rows that are left out, and their normal equations.
#[derive(Debug)]
struct Basis {
    columns: Matrix,
    /// The columns and their transpose, ready for products.
    packed: OnceLock<Packed>,
    transposed: Packed,
    gram: Matrix,
    normal: Cholesky,
    condition: f64,
    /// Whether the columns span all that the features do, so that they also do with rows left out.
    is_exact: bool,
}

impl Neutralizer {
    pub(super) fn new(features: Matrix) -> Self {
        let mut has_features = vec![true; features.rows()];
        for column in 0..features.columns() {
            let column = features.column(column);
            if has_gap(column) {
                let rows = has_features.iter_mut().zip(column);
                rows.for_each(|(has, value)| *has &= !value.is_nan());
            }
        }
        let basis = Basis::of(&features, &has_features);
        Self {
            rows: has_features.iter().filter(|has| **has).count(),
            basis,
            has_features,
            features,
        }
    }

    /// How many rows have all features.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn has_features(&self, row: usize) -> bool {
        self.has_features[row]
    }

    /// Turns each column of `values`, which is 0 in the rows that its model lacks, into its residual
    /// there; other rows then hold nothing of meaning. `lacking[j]` lists the rows with features that
    /// model j lacks, ascending.
    pub(super) fn neutralize(&self, values: &mut Matrix, lacking: &[Vec<u32>]) {
        let Some(basis) = &self.basis else {
            return;
        };
        let (products, mut factors) = basis.factors(values);
        let mut known: HashMap<&[u32], Option<Cholesky>> = HashMap::new();
        let mut alone = Vec::new();
        for (model, lacking) in lacking.iter().enumerate() {
            if lacking.is_empty() {
                continue;
            }
            if known.len() >= KEPT && !known.contains_key(lacking.as_slice()) {
                known.clear();
            }
            let normal = known
                .entry(lacking)
                .or_insert_with(|| basis.without(lacking));
            match normal {
                Some(normal) => {
                    let solved = normal.apply_inverse(products.column(model));
                    factors.column_mut(model).copy_from_slice(&solved);
                }
                None => {
                    factors.column_mut(model).fill(0.0);
                    alone.push(model);
                }
            }
        }
        basis.subtract(values, &factors);
        for model in alone {
            self.neutralize_alone(values.column_mut(model), &lacking[model]);
        }
    }

    /// With a basis of the rows that this model has.
    fn neutralize_alone(&self, values: &mut [f64], lacking: &[u32]) {
        let mut has = self.has_features.clone();
        for row in lacking {
            has[*row as usize] = false;
        }
        let Some(basis) = Basis::of(&self.features, &has) else {
            return;
        };
        let mut column = Matrix::zeros(values.len(), 1);
        column.column_mut(0).copy_from_slice(values);
        let (_, factors) = basis.factors(&column);
        basis.subtract(&mut column, &factors);
        values.copy_from_slice(column.column(0));
    }
}

impl Basis {
    /// `None` when no row is left.
    fn of(features: &Matrix, has: &[bool]) -> Option<Self> {
        if !has.contains(&true) {
            return None;
        }
        let (columns, scaling) = scaled(features, has);
        let first = Self::of_columns(columns);
        let surely_full = first.filter(|basis| scaling.condition(basis) < SURELY_FULL);
        let Some(mut basis) = surely_full else {
            return Self::of_singular_vectors(features, has);
        };
        // Each turn squares the distance from orthonormal; two suffice for what is surely full.
        for _ in 0..3 {
            if basis.condition <= WELL_CONDITIONED {
                return Some(basis);
            }
            let Some(next) = Self::of_columns(basis.normal.orthonormalised(&basis.columns)) else {
                break;
            };
            basis = next;
        }
        Self::of_singular_vectors(features, has)
    }

    fn of_columns(columns: Matrix) -> Option<Self> {
        let transposed = Packed::of(columns.transposed());
        let gram = gram(&transposed, &columns);
        let normal = Cholesky::of(&gram)?;
        Some(Self {
            condition: condition(&gram, &normal),
            is_exact: true,
            packed: OnceLock::new(),
            columns,
            transposed,
            gram,
            normal,
        })
    }

    /// columnsᵀ·values, and what each column counts in the fit of each of `values`.
    fn factors(&self, values: &Matrix) -> (Matrix, Matrix) {
        let mut products = Matrix::zeros(self.columns.columns(), values.columns());
        add_product(&mut products, 1.0, &self.transposed, values.view());
        let factors = self.normal.solve(&products);
        (products, factors)
    }

    /// values ← values − columns·factors.
    fn subtract(&self, values: &mut Matrix, factors: &Matrix) {
        let packed = self.packed.get_or_init(|| Packed::of(self.columns.view()));
        add_product(values, -1.0, packed, factors.view());
    }

    fn of_singular_vectors(features: &Matrix, has: &[bool]) -> Option<Self> {
        let rows: Vec<usize> = (0..has.len()).filter(|row| has[*row]).collect();
        let mut raw = Matrix::zeros(rows.len(), features.columns() + 1);
        for column in 0..features.columns() {
            let values = features.column(column);
            for (slot, row) in raw.column_mut(column).iter_mut().zip(&rows) {
                *slot = values[*row];
            }
        }
        raw.column_mut(features.columns()).fill(1.0);
        let space = column_space(&raw, RCOND);
        let mut columns = Matrix::zeros(has.len(), space.basis.columns());
        for column in 0..space.basis.columns() {
            let values = columns.column_mut(column);
            for (value, row) in space.basis.column(column).iter().zip(&rows) {
                values[*row] = *value;
            }
        }
        let basis = Self::of_columns(columns)?;
        Some(Self {
            is_exact: space.left_out <= ROUNDING,
            ..basis
        })
    }

    /// The normal equations with some rows left out; `None` when the columns say too little then.
    fn without(&self, lacking: &[u32]) -> Option<Cholesky> {
        if !self.is_exact {
            return None;
        }
        let mut rows = Matrix::zeros(lacking.len(), self.columns.columns());
        for column in 0..self.columns.columns() {
            let values = self.columns.column(column);
            for (slot, row) in rows.column_mut(column).iter_mut().zip(lacking) {
                *slot = values[*row as usize];
            }
        }
        let mut gram = self.gram.clone();
        add_product(&mut gram, -1.0, &Packed::of(rows.transposed()), rows.view());
        let normal = Cholesky::of(&gram)?;
        let is_good = condition(&gram, &normal) <= (2.0 * self.condition).max(WELL_CONDITIONED);
        is_good.then_some(normal)
    }
}

/// The condition number of columns, from their normal equations.
fn condition(gram: &Matrix, normal: &Cholesky) -> f64 {
    let largest = largest_eigenvalue(gram.columns(), |x| times(gram, x));
    let inverse = largest_eigenvalue(gram.columns(), |x| normal.apply_inverse(x));
    libm::sqrt(largest * inverse)
}

/// Features less their means, of length 1, and last a column of ones of length 1; zero in rows
/// that are left out.
fn scaled(features: &Matrix, has: &[bool]) -> (Matrix, Scaling) {
    let rows = has.iter().filter(|has| **has).count();
    let root_rows = libm::sqrt(rows as f64);
    let mut columns = Matrix::zeros(features.rows(), features.columns() + 1);
    let (mut means, mut lengths) = (Vec::new(), Vec::new());
    let mut values = Vec::with_capacity(rows);
    for column in 0..features.columns() {
        values.clear();
        let given = features.column(column).iter().zip(has);
        values.extend(given.filter(|(_, has)| **has).map(|(value, _)| *value));
        let mean = mean(&values);
        let length = libm::sqrt(centre(&mut values));
        let factor = if length > 0.0 { 1.0 / length } else { 0.0 };
        let slots = columns.column_mut(column).iter_mut().zip(has);
        let held = slots.filter(|(_, has)| **has).map(|(slot, _)| slot);
        for (slot, value) in held.zip(&values) {
            *slot = value * factor;
        }
        means.push(mean);
        lengths.push(length);
    }
    let ones = columns.column_mut(features.columns());
    for (slot, has) in ones.iter_mut().zip(has) {
        *slot = if *has { 1.0 / root_rows } else { 0.0 };
    }
    let scaling = Scaling {
        means,
        lengths,
        root_rows,
    };
    (columns, scaling)
}

/// How [`scaled`] columns came from the features as given, F: F with a column of ones is those
/// columns times T, with T·x = (lengths·x, √n·(means·x + x_ones)).
struct Scaling {
    means: Vec<f64>,
    lengths: Vec<f64>,
    root_rows: f64,
}

impl Scaling {
    /// The condition number of the features as given, with a column of ones: what the reference's cut
    /// looks at.
    fn condition(&self, basis: &Basis) -> f64 {
        let size = basis.columns.columns();
        let largest = largest_eigenvalue(size, |x| {
            let scaled = self.forward(x);
            self.forward_transposed(&times(&basis.gram, &scaled))
        });
        let inverse = largest_eigenvalue(size, |x| {
            let scaled = self.backward_transposed(x);
            self.backward(&basis.normal.apply_inverse(&scaled))
        });
        let condition = libm::sqrt(largest * inverse);
        if condition.is_nan() {
            f64::INFINITY
        } else {
            condition
        }
    }

    /// T·x.
    fn forward(&self, x: &[f64]) -> Vec<f64> {
        let mut y: Vec<f64> = x.iter().zip(&self.lengths).map(|(x, d)| x * d).collect();
        let level: f64 = x.iter().zip(&self.means).map(|(x, mean)| x * mean).sum();
        y.push(self.root_rows * (level + x.last().copied().unwrap_or_default()));
        y
    }

    /// Tᵀ·x.
    fn forward_transposed(&self, x: &[f64]) -> Vec<f64> {
        let level = self.root_rows * x.last().copied().unwrap_or_default();
        let scaled = x.iter().zip(self.lengths.iter().zip(&self.means));
        let mut y: Vec<f64> = scaled.map(|(x, (d, mean))| x * d + level * mean).collect();
        y.push(level);
        y
    }

    /// T⁻¹·x.
    fn backward(&self, x: &[f64]) -> Vec<f64> {
        let mut y: Vec<f64> = x.iter().zip(&self.lengths).map(|(x, d)| x / d).collect();
        let level: f64 = y.iter().zip(&self.means).map(|(y, mean)| y * mean).sum();
        y.push(x.last().copied().unwrap_or_default() / self.root_rows - level);
        y
    }

    /// T⁻ᵀ·x.
    fn backward_transposed(&self, x: &[f64]) -> Vec<f64> {
        let level = x.last().copied().unwrap_or_default();
        let scaled = x.iter().zip(self.lengths.iter().zip(&self.means));
        let mut y: Vec<f64> = scaled
            .map(|(x, (d, mean))| (x - level * mean) / d)
            .collect();
        y.push(level / self.root_rows);
        y
    }
}

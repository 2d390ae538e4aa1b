//! Dense matrices of float64, as much as least squares on features needs.
//!
//! Every element of a product is summed in one fixed order, whatever the machine's vectors are: the
//! same bits everywhere. Never parallel by itself; callers split the work.

mod cholesky;
mod product;
mod singular;

pub(crate) use cholesky::{Cholesky, largest_eigenvalue, times};
pub(crate) use product::{Packed, add_product, gram};
pub(crate) use singular::column_space;

/// Column after column, each contiguous.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// All zero.
    #[must_use]
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            values: vec![0.0; rows * columns],
        }
    }

    /// From column after column; `None` when the length is not rows × columns.
    #[must_use]
    pub fn from_columns(rows: usize, columns: usize, values: Vec<f64>) -> Option<Self> {
        (rows.checked_mul(columns) == Some(values.len())).then_some(Self {
            rows,
            columns,
            values,
        })
    }

    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// A column.
    ///
    /// # Panics
    /// When there is no such column.
    #[must_use]
    pub fn column(&self, column: usize) -> &[f64] {
        &self.values[column * self.rows..(column + 1) * self.rows]
    }

    pub(crate) fn column_mut(&mut self, column: usize) -> &mut [f64] {
        &mut self.values[column * self.rows..(column + 1) * self.rows]
    }

    /// Two different columns, the lower one first.
    pub(crate) fn pair_mut(&mut self, low: usize, high: usize) -> (&mut [f64], &mut [f64]) {
        let (head, tail) = self.values.split_at_mut(high * self.rows);
        (
            &mut head[low * self.rows..(low + 1) * self.rows],
            &mut tail[..self.rows],
        )
    }

    pub(crate) fn at(&self, row: usize, column: usize) -> f64 {
        self.values[column * self.rows + row]
    }

    pub(crate) fn set(&mut self, row: usize, column: usize, value: f64) {
        self.values[column * self.rows + row] = value;
    }

    /// Another shape, all zero.
    pub(crate) fn reshape(&mut self, rows: usize, columns: usize) {
        (self.rows, self.columns) = (rows, columns);
        self.values.clear();
        self.values.resize(rows * columns, 0.0);
    }

    /// The first `columns` columns.
    pub(crate) fn truncate(&mut self, columns: usize) {
        self.columns = self.columns.min(columns);
        self.values.truncate(self.rows * self.columns);
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            values: &self.values,
            rows: self.rows,
            columns: self.columns,
            row_stride: 1,
            column_stride: self.rows,
        }
    }

    /// The transpose, nothing copied.
    pub(crate) fn transposed(&self) -> View<'_> {
        View {
            values: &self.values,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.rows,
            column_stride: 1,
        }
    }
}

/// A matrix or its transpose, read only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    values: &'a [f64],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

//! Sizes that depend on the number of rows N of a block: `per_row × N + fixed`, N from 1 to the
//! block's height. Such a size is monotone in N, so its two ends bound it.

use crate::limits::ROW_BLOCK;

/// A dimension, or one number of a shape that the model computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    per_row: i64,
    fixed: i64,
}

impl Size {
    pub(super) const ROWS: Self = Self {
        per_row: 1,
        fixed: 0,
    };
    pub(super) const ONE: Self = Self::constant(1);

    pub(super) const fn constant(fixed: i64) -> Self {
        Self { per_row: 0, fixed }
    }

    /// Its value when it does not depend on the rows.
    pub(super) fn known(self) -> Option<i64> {
        (self.per_row == 0).then_some(self.fixed)
    }

    pub(super) fn follows_rows(self) -> bool {
        self.per_row != 0
    }

    /// For people: `N`, `64`, `64N`, `N+1`.
    pub(super) fn written(self) -> String {
        match (self.per_row, self.fixed) {
            (0, fixed) => fixed.to_string(),
            (1, 0) => "N".to_owned(),
            (per_row, 0) => format!("{per_row}N"),
            (per_row, fixed) => format!("{per_row}N{fixed:+}"),
        }
    }

    fn at(self, rows: i64) -> i128 {
        i128::from(self.per_row) * i128::from(rows) + i128::from(self.fixed)
    }

    /// In a block of one row and in a full block.
    fn ends(self) -> [i128; 2] {
        [self.at(1), self.at(ROW_BLOCK as i64)]
    }

    pub(super) fn least(self) -> i128 {
        let [one, full] = self.ends();
        one.min(full)
    }

    pub(super) fn most(self) -> i128 {
        let [one, full] = self.ends();
        one.max(full)
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            per_row: self.per_row.checked_add(other.per_row)?,
            fixed: self.fixed.checked_add(other.fixed)?,
        })
    }

    pub(super) fn minus(self, other: Self) -> Option<Self> {
        Some(Self {
            per_row: self.per_row.checked_sub(other.per_row)?,
            fixed: self.fixed.checked_sub(other.fixed)?,
        })
    }

    /// `None` when the product would grow with the square of the rows.
    pub(super) fn times(self, other: Self) -> Option<Self> {
        let (factor, size) = match (self.known(), other.known()) {
            (Some(factor), _) => (factor, other),
            (_, Some(factor)) => (factor, self),
            _ => return None,
        };
        Some(Self {
            per_row: size.per_row.checked_mul(factor)?,
            fixed: size.fixed.checked_mul(factor)?,
        })
    }

    /// The quotient when it leaves nothing, whatever the rows.
    pub(super) fn exactly_over(self, other: Self) -> Option<Self> {
        if let Some(divisor) = other.known() {
            let whole = |number: i64| {
                let rest = number.checked_rem(divisor)?;
                (rest == 0).then(|| number.checked_div(divisor))?
            };
            return Some(Self {
                per_row: whole(self.per_row)?,
                fixed: whole(self.fixed)?,
            });
        }
        let quotient = self.per_row.checked_div(other.per_row)?;
        let back = Self::constant(quotient).times(other)?;
        (back == self).then_some(Self::constant(quotient))
    }

    /// Integer division as ONNX does it, for constants; else only what is exact.
    pub(super) fn over(self, other: Self) -> Option<Self> {
        match (self.known(), other.known()) {
            (Some(a), Some(b)) => Some(Self::constant(a.checked_div(b)?)),
            _ => self.exactly_over(other),
        }
    }

    /// Whether the two are equal for every number of rows, or for none; `None` when it depends.
    pub(super) fn equals(self, other: Self) -> Option<bool> {
        let difference = self.minus(other)?;
        let root = difference.fixed.checked_neg()?;
        match difference.per_row {
            0 => Some(root == 0),
            slope if root % slope != 0 => Some(false),
            slope if !(1..=ROW_BLOCK as i64).contains(&(root / slope)) => Some(false),
            _ => None,
        }
    }
}

/// The product of `shape`; `None` when it grows with the square of the rows or beyond 63 bits.
pub(super) fn product(shape: &[Size]) -> Option<Size> {
    let mut whole = Size::ONE;
    for size in shape {
        whole = whole.times(*size)?;
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_rows() {
        let wide = Size::ROWS.times(Size::constant(64)).unwrap();
        assert_eq!((wide.least(), wide.most()), (64, 64 * 1024));
        assert_eq!(wide.exactly_over(Size::constant(64)), Some(Size::ROWS));
        assert_eq!(wide.exactly_over(Size::ROWS), Some(Size::constant(64)));
        assert_eq!(wide.exactly_over(Size::constant(63)), None);
        assert_eq!(Size::ROWS.times(Size::ROWS), None);
        assert_eq!(Size::constant(i64::MAX).times(Size::constant(2)), None);
        assert_eq!(Size::constant(7).over(Size::constant(0)), None);
        let falling = Size::constant(1024).minus(Size::ROWS).unwrap();
        assert_eq!((falling.least(), falling.most()), (0, 1023));
    }

    #[test]
    fn equality_is_answered_only_when_it_holds_for_every_block() {
        assert_eq!(Size::ROWS.equals(Size::ROWS), Some(true));
        assert_eq!(Size::ROWS.equals(Size::constant(-1)), Some(false));
        assert_eq!(Size::ROWS.equals(Size::constant(1025)), Some(false));
        assert_eq!(Size::ROWS.equals(Size::constant(7)), None);
        assert_eq!(Size::constant(2).equals(Size::constant(3)), Some(false));
    }
}

//! What a rank turns into: Φ⁻¹(rank) and its signed power 1.5, tabled once per number of rows.
//!
//! A column of n rows without ties has the same n ranks whatever its values are, and a tie of two
//! ranks has one of n − 1 ranks in between. So both curves are looked up, and the sums over a whole
//! column without ties are known beforehand.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::normal::lower_quantile;
use crate::rank::Order;

/// Tables kept at most; models that miss different rows need different ones.
const KEPT: usize = 64;

/// sign(x)·|x|^1.5 as x·√|x|: one rounding more than exact, the same everywhere.
pub(crate) fn sgnpow_1_5(x: f64) -> f64 {
    x * libm::sqrt(x.abs())
}

/// A function of the rank, at the ranks that n rows can have.
#[derive(Debug)]
pub(crate) struct Curve {
    /// At (i + 0.5)/n: the rank of position i, from 0, when nothing ties with it.
    whole: Vec<f64>,
    /// At (i + 1)/n: the shared rank of a tie of even length around it. Made when first needed.
    half: OnceCell<Vec<f64>>,
    /// Σ over `whole`; their sum is 0, since every table is antisymmetric.
    squares: f64,
    of_normal: fn(f64) -> f64,
}

impl Curve {
    fn new(rows: usize, of_normal: fn(f64) -> f64) -> Self {
        let whole = antisymmetric(rows, |i| (i as f64 + 0.5) / rows as f64, of_normal);
        let squares = whole.iter().map(|x| x * x).sum();
        Self {
            whole,
            half: OnceCell::new(),
            squares,
            of_normal,
        }
    }

    fn half(&self) -> &[f64] {
        self.half.get_or_init(|| {
            let rows = self.whole.len();
            let rank = |i: usize| (i as f64 + 1.0) / rows as f64;
            antisymmetric(rows.saturating_sub(1), rank, self.of_normal)
        })
    }

    /// The curve along an order: one value a position, ties sharing theirs, and Σ and Σ² of them.
    pub(crate) fn along<'a>(&'a self, order: Order<'_>, buffer: &'a mut Vec<f64>) -> Along<'a> {
        if order.ties.is_empty() {
            return Along {
                values: &self.whole,
                sum: 0.0,
                squares: self.squares,
            };
        }
        buffer.clear();
        buffer.extend_from_slice(&self.whole);
        for tie in order.ties {
            let doubled = tie.start + tie.end - 1;
            let shared = if doubled % 2 == 0 {
                self.whole[doubled / 2]
            } else {
                self.half()[doubled / 2]
            };
            buffer[tie.clone()].fill(shared);
        }
        Along {
            sum: buffer.iter().sum(),
            squares: buffer.iter().map(|x| x * x).sum(),
            values: buffer,
        }
    }
}

/// See [`Curve::along`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Along<'a> {
    pub(crate) values: &'a [f64],
    pub(crate) sum: f64,
    pub(crate) squares: f64,
}

/// Values at n ranks below and above one half, mirrored so that they sum to 0 exactly.
fn antisymmetric(count: usize, rank: impl Fn(usize) -> f64, of: fn(f64) -> f64) -> Vec<f64> {
    let mut values = vec![0.0; count];
    for i in 0..count / 2 {
        let value = of(lower_quantile(rank(i)));
        values[i] = value;
        values[count - 1 - i] = -value;
    }
    values
}

/// Both curves for a number of rows.
#[derive(Debug)]
pub(crate) struct Curves {
    /// Φ⁻¹(rank).
    pub(crate) gaussian: Curve,
    /// sgnpow(Φ⁻¹(rank), 1.5).
    pub(crate) powered: Curve,
}

/// Curves by number of rows, made when first asked for.
#[derive(Debug, Default)]
pub(crate) struct Tables(HashMap<usize, Rc<Curves>>);

impl Tables {
    pub(crate) fn of(&mut self, rows: usize) -> Rc<Curves> {
        if self.0.len() >= KEPT && !self.0.contains_key(&rows) {
            self.0.clear();
        }
        let made = self.0.entry(rows).or_insert_with(|| {
            Rc::new(Curves {
                gaussian: Curve::new(rows, |x| x),
                powered: Curve::new(rows, sgnpow_1_5),
            })
        });
        Rc::clone(made)
    }
}

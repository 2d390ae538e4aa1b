//! The scores of scoring.md written down as plainly as they can be: quadratic, no tables, no shared
//! work, nothing from the crate under test.

/// (average rank − 0.5)/n by counting.
pub(super) fn ranks(values: &[f64]) -> Vec<f64> {
    let count = values.len() as f64;
    let rank = |x: &f64| {
        let below = values.iter().filter(|y| *y < x).count() as f64;
        let equal = values.iter().filter(|y| *y == x).count() as f64;
        (below + (equal + 1.0) / 2.0 - 0.5) / count
    };
    values.iter().map(rank).collect()
}

/// Φ⁻¹ by halving an interval until it is one float wide.
pub(super) fn quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -quantile(1.0 - p);
    }
    let below = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    let (mut low, mut high) = (-40.0, 0.0);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if below(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
}

pub(super) fn gaussianised(values: &[f64]) -> Vec<f64> {
    ranks(values).into_iter().map(quantile).collect()
}

fn power(x: f64) -> f64 {
    x.signum() * libm::pow(x.abs(), 1.5)
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn centred(values: &[f64]) -> Vec<f64> {
    let mean = mean(values);
    values.iter().map(|x| x - mean).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (centred(a), centred(b));
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

/// The values where every column has a number.
pub(super) fn common(columns: &[&[f64]]) -> Vec<Vec<f64>> {
    let rows = 0..columns[0].len();
    let held: Vec<usize> = rows
        .filter(|row| columns.iter().all(|column| !column[*row].is_nan()))
        .collect();
    let pick = |column: &&[f64]| held.iter().map(|row| column[*row]).collect();
    columns.iter().map(pick).collect()
}

pub(super) fn corr(prediction: &[f64], targets: &[f64]) -> f64 {
    let targets = centred(targets);
    let held = common(&[prediction, &targets]);
    let z: Vec<f64> = gaussianised(&held[0]).into_iter().map(power).collect();
    let t: Vec<f64> = held[1].iter().map(|t| power(*t)).collect();
    pearson(&z, &t)
}

pub(super) fn mmc(prediction: &[f64], meta: &[f64], targets: &[f64], scale: f64) -> f64 {
    let held = common(&[prediction, meta, targets]);
    let (p, m) = (gaussianised(&held[0]), gaussianised(&held[1]));
    let t: Vec<f64> = held[2].iter().map(|t| t * scale).collect();
    let t = centred(&t);
    let share = dot(&m, &p) / dot(&m, &m);
    let orthogonal: Vec<f64> = p.iter().zip(&m).map(|(p, m)| p - m * share).collect();
    dot(&t, &orthogonal) / t.len() as f64
}

/// FNC for features that are far from dependent: Gram and Schmidt, each column twice.
pub(super) fn fnc(prediction: &[f64], features: &[Vec<f64>], targets: &[f64]) -> f64 {
    let targets = centred(targets);
    let mut columns: Vec<&[f64]> = vec![prediction, &targets];
    columns.extend(features.iter().map(Vec::as_slice));
    let held = common(&columns);
    let mut residual = gaussianised(&held[0]);
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let ones = vec![1.0; residual.len()];
    for column in std::iter::once(&ones).chain(&held[2..]) {
        let mut direction = column.clone();
        for _ in 0..2 {
            for known in &basis {
                subtract(&mut direction, known);
            }
        }
        let length = dot(&direction, &direction).sqrt();
        direction.iter_mut().for_each(|x| *x /= length);
        basis.push(direction);
    }
    for _ in 0..2 {
        for known in &basis {
            subtract(&mut residual, known);
        }
    }
    let z: Vec<f64> = gaussianised(&residual).into_iter().map(power).collect();
    let t: Vec<f64> = held[1].iter().map(|t| power(*t)).collect();
    pearson(&z, &t)
}

fn subtract(from: &mut [f64], unit: &[f64]) {
    let share = dot(from, unit);
    from.iter_mut().zip(unit).for_each(|(x, u)| *x -= share * u);
}

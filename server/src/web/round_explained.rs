//! A round's money in words, with its own numbers: the crowd without a model, the payout formula,
//! and what the constant one half gets. For people only: what is paid comes from `settlement`.

use domain::{Direction, ModelId, Probability, StakeRule, TokenAmount};

use super::round_predictions::Ended;
use super::text;
use crate::predictions::Counted;
use crate::settlement::Lock;

/// The explanation of one round.
pub(super) struct Explained {
    pub(super) total: String,
    pub(super) models: String,
    pub(super) crowd: String,
    pub(super) edge: String,
    pub(super) lambda: String,
    pub(super) outcome: &'static str,
    pub(super) y: u8,
    pub(super) example: Example,
    pub(super) half: Option<Half>,
}

/// One model's way to its payout.
pub(super) struct Example {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) w: String,
    pub(super) p: String,
    pub(super) others_weighted: String,
    pub(super) others: String,
    pub(super) q: String,
    pub(super) share: String,
    pub(super) q_distance: String,
    pub(super) p_distance: String,
    pub(super) payout: String,
    pub(super) payout_class: &'static str,
    pub(super) verdict: &'static str,
}

/// What one half got.
pub(super) struct Half {
    pub(super) is_actual: bool,
    pub(super) example: Example,
    pub(super) crowd_side: &'static str,
    pub(super) crowd_was: &'static str,
}

/// The numbers behind an example.
#[derive(Clone, Copy)]
struct Numbers {
    w: f64,
    p: f64,
    total: f64,
    weighted: f64,
    y: f64,
    lambda: f64,
}

impl Numbers {
    fn others(self) -> f64 {
        self.total - self.w
    }

    fn q(self) -> f64 {
        (self.weighted - self.w * self.p) / self.others()
    }

    fn gain(self) -> f64 {
        (self.q() - self.y).powi(2) - (self.p - self.y).powi(2)
    }

    fn payout(self) -> f64 {
        self.lambda * self.w * self.others() / self.total * self.gain()
    }
}

/// Explains a resolved round; `None` when fewer than two models had a stake or nothing is paid yet.
pub(super) fn explain(
    rule: &StakeRule,
    y: Direction,
    lock: &Lock,
    ended: &Ended,
) -> Option<Explained> {
    let staked: Vec<&Counted> = ended
        .counted
        .iter()
        .filter(|c| c.at_risk > TokenAmount::ZERO)
        .collect();
    let paid = |c: &Counted| {
        ended
            .payouts
            .get(&c.model)
            .map(|p| p.delta.units().unsigned_abs())
    };
    let largest = staked
        .iter()
        .filter(|c| c.counted != Probability::HALF)
        .max_by_key(|c| paid(c));
    let largest = largest
        .or(staked.first())
        .filter(|c| staked.len() > 1 && paid(c).is_some())?;
    let edge = f64::from(rule.a_ppm) / 1e6;
    let numbers = |w: f64, p: f64, weighted: f64| Numbers {
        w,
        p,
        total: tokens(lock.total_w),
        weighted,
        y: f64::from(y.y_ppm()) / 1e6,
        lambda: 1.0 / (1.0 - 2.0 * edge),
    };
    let weighted = weighted(lock);
    let of = |c: &Counted| {
        example(
            c,
            numbers(tokens(c.at_risk), c.counted.to_f64(), weighted),
            ended,
        )
    };
    let constant = staked.iter().find(|c| c.counted == Probability::HALF);
    let half = match constant {
        Some(c) => half(true, of(c), numbers(tokens(c.at_risk), 0.5, weighted)),
        None => {
            let w = tokens(largest.at_risk);
            // The same stake on one half in place of the model's own report.
            let instead = numbers(w, 0.5, weighted - w * largest.counted.to_f64() + w * 0.5);
            half(false, imagined(largest, instead, ended), instead)
        }
    };
    Some(Explained {
        total: text::tokens(lock.total_w),
        models: text::count_of(staked.len()),
        crowd: format!("{:.4}", weighted / tokens(lock.total_w)),
        edge: edge.to_string(),
        lambda: format!("{:.4}", 1.0 / (1.0 - 2.0 * edge)),
        outcome: if y == Direction::Up {
            "▲ up"
        } else {
            "▼ down"
        },
        y: u8::from(y == Direction::Up),
        example: of(largest),
        half: Some(half),
    })
}

fn half(is_actual: bool, example: Example, n: Numbers) -> Half {
    let leaned_up = n.q() > 0.5;
    let is_even = (n.q() - 0.5).abs() < 0.000_05;
    Half {
        is_actual,
        example,
        crowd_side: match (is_even, leaned_up) {
            (true, _) => "neither way",
            (_, true) => "up",
            (_, false) => "down",
        },
        crowd_was: match (is_even, leaned_up == (n.y > 0.5)) {
            (true, _) => "even",
            (_, true) => "right",
            (_, false) => "wrong",
        },
    }
}

fn example(c: &Counted, n: Numbers, ended: &Ended) -> Example {
    let delta = ended.payouts.get(&c.model).map(|payout| payout.delta);
    Example {
        payout: delta.map_or_else(|| text::plus(n.payout(), 4), |d| d.tokens()),
        payout_class: delta.map_or("even", |d| text::sign_class(d.units())),
        ..imagined(c, n, ended)
    }
}

fn imagined(c: &Counted, n: Numbers, ended: &Ended) -> Example {
    let gain = n.gain();
    Example {
        name: name(&c.model, ended),
        href: format!("/models/{}", c.model),
        w: text::tokens(c.at_risk),
        p: format!("{:.4}", n.p),
        others_weighted: format!("{:.4}", n.weighted - n.w * n.p),
        others: format!("{:.4}", n.others()),
        q: format!("{:.4}", n.q()),
        share: format!("{:.4}", n.others() / n.total),
        q_distance: format!("{:.6}", (n.q() - n.y).powi(2)),
        p_distance: format!("{:.6}", (n.p - n.y).powi(2)),
        payout: text::plus(n.payout(), 4),
        payout_class: match (n.payout() > 0.000_05, n.payout() < -0.000_05) {
            (true, _) => "gain",
            (_, true) => "loss",
            _ => "even",
        },
        verdict: match (gain > 0.0, gain < 0.0) {
            (true, _) => "closer to the outcome than the crowd without it, so it gains",
            (_, true) => "further from the outcome than the crowd without it, so it loses",
            _ => "as close as the crowd without it, so it gets nothing",
        },
    }
}

fn name(model: &ModelId, ended: &Ended) -> String {
    ended
        .models
        .get(model)
        .map_or_else(|| model.to_string(), |m| m.name.clone())
}

#[expect(clippy::cast_precision_loss, reason = "four decimals are shown")]
fn tokens(amount: TokenAmount) -> f64 {
    amount.units() as f64 / 1e9
}

/// P in tokens.
#[expect(clippy::cast_precision_loss, reason = "four decimals are shown")]
fn weighted(lock: &Lock) -> f64 {
    lock.total_p as f64 / 1e15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_protocol() {
        let n = |w, p| Numbers {
            w,
            p,
            total: 600.0,
            weighted: 322.0,
            y: 1.0,
            lambda: 1.0 / 0.3,
        };
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert!(close(n(100.0, 0.62).payout(), 23.888_888_888));
        assert!(close(n(50.0, 0.4).payout(), -23.937_373_738));
        assert!(close(n(150.0, 0.5).payout(), -17.437_037_038));
    }
}

//! Which models of a run a runner is lent when it asks. Pure: the facts come in as values.
//!
//! First the asker's share of what nobody has had, by capacity; then models whose runner missed;
//! then second runs of the sample, and third runs where two answers differ. What a lease is for is
//! never told to the runner.

use sha2::{Digest, Sha256};

use super::JobModel;

/// A live runner that takes jobs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    /// Its name.
    pub name: String,
    /// Benchmark × free workers × reputation.
    pub weight: f64,
    /// Whether it has a CUDA device.
    pub is_cuda: bool,
    /// Whether its answer may count by itself.
    pub is_trusted: bool,
}

/// One loan of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Try {
    /// To whom.
    pub runner: String,
    /// Whether its lease runs on.
    pub is_active: bool,
    /// Whether the model was run; a runner's own failure is no answer.
    pub is_answered: bool,
    /// Whether it was lent as the answer that counts.
    pub is_first: bool,
}

/// Whether a model needs more than one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One is enough.
    One,
    /// It is in the sample.
    Two,
    /// Two answers differ.
    Three,
}

/// One model of a run.
#[derive(Clone, Debug)]
pub(super) struct Loan {
    /// The model.
    pub model: JobModel,
    /// Whether it has a result.
    pub has_result: bool,
    /// How many answers it needs.
    pub wanted: Wanted,
    /// Who was lent it.
    pub tries: Vec<Try>,
}

/// What a loan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The answer that counts, unless two others contradict it.
    First,
    /// The second answer of a model of the sample.
    Second,
    /// The tie-break.
    Third,
}

impl Role {
    /// The stored name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Third => "third",
        }
    }
}

/// What `asker`, one of `candidates`, is lent of `loans`: places in `loans` and roles. When
/// `is_late_start`, the shares of runners that did not come for them are open to everybody.
pub(super) fn plan(
    asker: &str,
    candidates: &[Candidate],
    loans: &[Loan],
    is_late_start: bool,
) -> Vec<(usize, Role)> {
    let Some(me) = candidates.iter().find(|one| one.name == asker) else {
        return Vec::new();
    };
    let mut lent = Vec::new();
    if me.is_trusted {
        for for_cuda in [true, false] {
            lent.extend(fresh(me, candidates, loans, for_cuda, is_late_start));
        }
        lent.extend(missed(me, candidates, loans));
    }
    for (place, loan) in loans.iter().enumerate() {
        if let Some(role) = repeat(me, loan) {
            lent.push((place, role));
        }
    }
    lent
}

/// The share of what nobody has had, of the models that are for CUDA runners or of the others.
fn fresh(
    me: &Candidate,
    candidates: &[Candidate],
    loans: &[Loan],
    for_cuda: bool,
    is_late_start: bool,
) -> Vec<(usize, Role)> {
    let has_cuda = |wanted: bool| {
        let mut trusted = candidates.iter().filter(|one| one.is_trusted);
        trusted.any(|one| one.is_cuda == wanted)
    };
    let is_mixed = has_cuda(true) && has_cuda(false);
    let group = |loan: &Loan| loan.model.class.gains_from_cuda() == for_cuda;
    // Where both kinds are live each has its own models; afterwards everybody may help.
    if is_mixed && !is_late_start && me.is_cuda != for_cuda {
        return Vec::new();
    }
    let rivals = candidates
        .iter()
        .filter(|one| one.is_trusted && (!is_mixed || is_late_start || one.is_cuda == for_cuda));
    let mut places: Vec<usize> = loans
        .iter()
        .enumerate()
        .filter(|(_, loan)| group(loan) && !loan.has_result && loan.tries.is_empty())
        .map(|(place, _)| place)
        .collect();
    let whole = if is_late_start {
        places.len()
    } else {
        loans.iter().filter(|loan| group(loan)).count()
    };
    let mine = |loan: &&Loan| {
        loan.tries
            .iter()
            .any(|one| one.is_first && one.runner == me.name)
    };
    let had = if is_late_start {
        0
    } else {
        loans.iter().filter(|loan| group(loan)).filter(mine).count()
    };
    let quota = share(whole, me, rivals).saturating_sub(had);
    // The same runner gets the same models each round: it has them in its cache.
    places.sort_by_cached_key(|place| affinity(&me.name, &loans[*place].model.artifact));
    places.truncate(quota);
    places
        .into_iter()
        .map(|place| (place, Role::First))
        .collect()
}

/// A share of the models whose runners let their leases end or failed.
fn missed(me: &Candidate, candidates: &[Candidate], loans: &[Loan]) -> Vec<(usize, Role)> {
    let given_up = |loan: &Loan| {
        !loan.has_result && !loan.tries.is_empty() && !loan.tries.iter().any(|one| one.is_active)
    };
    let failed = |one: &&Candidate| {
        let mut missed = loans.iter().filter(|loan| given_up(loan));
        missed.any(|loan| loan.tries.iter().any(|a_try| a_try.runner == one.name))
    };
    let places: Vec<usize> = loans
        .iter()
        .enumerate()
        .filter(|(_, loan)| given_up(loan) && loan.tries.iter().all(|one| one.runner != me.name))
        .map(|(place, _)| place)
        .collect();
    let others = candidates
        .iter()
        .filter(|one| one.is_trusted && !failed(one));
    let rivals = others.chain(std::iter::once(me).filter(failed));
    let quota = share(places.len(), me, rivals);
    let taken = places.into_iter().take(quota);
    taken.map(|place| (place, Role::First)).collect()
}

/// Whether `loan` wants another answer that `me` may give.
fn repeat(me: &Candidate, loan: &Loan) -> Option<Role> {
    if loan.tries.iter().any(|one| one.runner == me.name) {
        return None;
    }
    let (given, awaited) = loan.tries.iter().fold((0, 0), |(given, awaited), one| {
        (
            given + usize::from(one.is_answered),
            awaited + usize::from(one.is_active),
        )
    });
    match loan.wanted {
        // The first answer is somebody's already: otherwise this one would be the first.
        Wanted::Two if given + awaited == 1 => Some(Role::Second),
        // Whoever was found to be false decides about nobody.
        Wanted::Three if me.is_trusted && awaited == 0 => Some(Role::Third),
        _ => None,
    }
}

/// The part of `whole` that is `me`'s among `rivals`, rounded up.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of at most ten thousand models"
)]
fn share<'a>(whole: usize, me: &Candidate, rivals: impl Iterator<Item = &'a Candidate>) -> usize {
    let all: f64 = rivals.map(|one| one.weight.max(0.0)).sum();
    if all <= 0.0 {
        return whole;
    }
    let part = me.weight.max(0.0) / all;
    ((whole as f64 * part - 1e-9).ceil().max(0.0) as usize).min(whole)
}

fn affinity(runner: &str, artifact: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(runner.as_bytes());
    hash.update(artifact.as_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runners::Class;

    fn runner(name: &str, weight: f64) -> Candidate {
        Candidate {
            name: name.to_owned(),
            weight,
            is_cuda: false,
            is_trusted: true,
        }
    }

    fn loans(count: usize) -> Vec<Loan> {
        let one = |n: usize| Loan {
            model: JobModel {
                model: format!("m-{n:04}").parse().expect("an id"),
                artifact: format!("{n:064}"),
                class: Class::Tree,
            },
            has_result: false,
            wanted: Wanted::One,
            tries: Vec::new(),
        };
        (0..count).map(one).collect()
    }

    fn active(runner: &str) -> Try {
        Try {
            runner: runner.to_owned(),
            is_active: true,
            is_answered: false,
            is_first: true,
        }
    }

    /// Notes a plan as lent, as the store does.
    fn lend(runner: &str, plan: &[(usize, Role)], loans: &mut [Loan]) {
        for (place, role) in plan {
            let is_first = *role == Role::First;
            loans[*place].tries.push(Try {
                is_first,
                ..active(runner)
            });
        }
    }

    #[test]
    fn a_run_is_split_by_capacity_and_whole_for_one() {
        let fleet = [runner("a", 3.0), runner("b", 1.0)];
        let mut models = loans(100);
        assert_eq!(plan("a", &fleet[..1], &models, false).len(), 100);
        let a = plan("a", &fleet, &models, false);
        lend("a", &a, &mut models);
        assert_eq!(a.len(), 75);
        assert!(
            plan("a", &fleet, &models, false).is_empty(),
            "it has its share"
        );
        let b = plan("b", &fleet, &models, false);
        lend("b", &b, &mut models);
        assert_eq!(b.len(), 25);
        assert!(models.iter().all(|loan| loan.tries.len() == 1));
        assert!(plan("stranger", &fleet, &models, false).is_empty());
    }

    #[test]
    fn busy_runners_get_nothing_while_another_is_free_and_all_busy_ones_share() {
        let models = loans(10);
        let fleet = [runner("a", 0.0), runner("b", 1.0)];
        assert!(plan("a", &fleet, &models, false).is_empty());
        assert_eq!(plan("b", &fleet, &models, false).len(), 10);
        let busy = [runner("a", 0.0), runner("b", 0.0)];
        assert_eq!(plan("a", &busy, &models, false).len(), 10);
    }

    #[test]
    fn what_is_not_fetched_soon_is_open_to_all() {
        let fleet = [runner("a", 1.0), runner("asleep", 1.0)];
        let mut models = loans(8);
        let first = plan("a", &fleet, &models, false);
        lend("a", &first, &mut models);
        assert_eq!(first.len(), 4);
        let mut rounds = 0;
        while models.iter().any(|loan| loan.tries.is_empty()) {
            let more = plan("a", &fleet, &models, true);
            assert!(!more.is_empty() && rounds < 8);
            lend("a", &more, &mut models);
            rounds += 1;
        }
    }

    #[test]
    fn missed_models_go_to_those_who_did_not_miss_them() {
        let fleet = [runner("dead", 1.0), runner("b", 1.0), runner("c", 1.0)];
        let mut models = loans(10);
        for loan in &mut models {
            let mut over = active("dead");
            over.is_active = false;
            loan.tries.push(over);
        }
        assert!(plan("dead", &fleet, &models, true).is_empty());
        let b = plan("b", &fleet, &models, true);
        assert_eq!(b.len(), 5, "the dead one is not counted");
        lend("b", &b, &mut models);
        assert_eq!(
            plan("c", &fleet, &models, true).len(),
            3,
            "it comes again for the rest"
        );
    }

    #[test]
    fn second_runs_are_another_runners_and_third_ones_a_trusted_ones() {
        let mut fleet = [runner("a", 1.0), runner("b", 1.0), runner("c", 1.0)];
        let mut models = loans(1);
        models[0].wanted = Wanted::Two;
        lend("a", &[(0, Role::First)], &mut models);
        assert!(plan("a", &fleet, &models, true).is_empty());
        assert_eq!(plan("b", &fleet, &models, true), [(0, Role::Second)]);
        lend("b", &[(0, Role::Second)], &mut models);
        assert!(
            plan("c", &fleet, &models, true).is_empty(),
            "two are enough"
        );
        for one in &mut models[0].tries {
            (one.is_active, one.is_answered) = (false, true);
        }
        (models[0].wanted, models[0].has_result) = (Wanted::Three, true);
        assert!(plan("b", &fleet, &models, true).is_empty());
        assert_eq!(plan("c", &fleet, &models, true), [(0, Role::Third)]);
        fleet[2].is_trusted = false;
        assert!(plan("c", &fleet, &models, true).is_empty());
    }

    #[test]
    fn who_is_not_trusted_only_repeats() {
        let mut fleet = [runner("a", 1.0), runner("liar", 1.0)];
        fleet[1].is_trusted = false;
        let mut models = loans(4);
        models[0].wanted = Wanted::Two;
        assert!(plan("liar", &fleet, &models, true).is_empty());
        let a = plan("a", &fleet, &models, false);
        assert_eq!(a.len(), 4, "the whole run is for those who are trusted");
        lend("a", &a, &mut models);
        assert_eq!(plan("liar", &fleet, &models, true), [(0, Role::Second)]);
    }

    #[test]
    fn dense_models_are_for_a_device_when_one_is_live() {
        let mut fleet = [runner("cpu", 1.0), runner("cuda", 1.0)];
        let mut models = loans(4);
        models[0].model.class = Class::Dense;
        models[1].model.class = Class::Unknown;
        assert_eq!(plan("cpu", &fleet[..1], &models, false).len(), 4);
        fleet[1].is_cuda = true;
        let of = |plan: Vec<(usize, Role)>| {
            let mut places: Vec<usize> = plan.into_iter().map(|(place, _)| place).collect();
            places.sort_unstable();
            places
        };
        assert_eq!(of(plan("cuda", &fleet, &models, false)), [0]);
        assert_eq!(of(plan("cpu", &fleet, &models, false)), [1, 2, 3]);
        assert_eq!(of(plan("cuda", &fleet[1..], &models, false)), [0, 1, 2, 3]);
    }
}

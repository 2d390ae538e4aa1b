//! Whose turn it is. A model runs for a short turn first and waits at the back of the queue if it
//! is not done by then, so that models that never end hold up the others for no more than their
//! short turns. A turn that was too short is run again from the start.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::outcome::{Outcome, Status};

/// The short turns. An honest model takes a hundredth of a second; most are done in the first one
/// even when the machine is busy.
const SHORT: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// The turns of one model in one job.
#[derive(Debug)]
pub struct Turns<'a> {
    workers: &'a Semaphore,
    longest: Duration,
    taken: usize,
}

/// A worker, held until this is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    /// How long the model may run now.
    pub wall: Duration,
    is_last: bool,
    _worker: SemaphorePermit<'a>,
}

impl<'a> Turns<'a> {
    /// Short turns first, then one of `longest`, the model's limit.
    #[must_use]
    pub fn new(workers: &'a Semaphore, longest: Duration) -> Self {
        Self {
            workers,
            longest,
            taken: 0,
        }
    }

    /// One turn of `longest` alone, for a job that is known to take long.
    #[must_use]
    pub fn single(workers: &'a Semaphore, longest: Duration) -> Self {
        Self {
            taken: SHORT.len(),
            ..Self::new(workers, longest)
        }
    }

    /// Waits for a worker, `left` at most; `None` when there was none.
    pub async fn next(&mut self, left: Duration) -> Option<Turn<'a>> {
        let worker = tokio::time::timeout(left, self.workers.acquire()).await;
        let worker = worker.ok()?.ok()?;
        let short = SHORT.get(self.taken).filter(|short| **short < self.longest);
        self.taken += 1;
        Some(Turn {
            wall: short.map_or(self.longest, |short| *short),
            is_last: short.is_none(),
            _worker: worker,
        })
    }
}

/// Processor time that a model must have had before being late is its own fault: ten times what an
/// honest one takes.
const FAIR_US: u64 = 100_000;

impl Turn<'_> {
    /// Whether `outcome` is the model's outcome, and not only that of a turn that was too short.
    #[must_use]
    pub fn settles(&self, outcome: &Outcome) -> bool {
        self.is_last || outcome.status != Status::LimitWall
    }

    /// The outcome of a model that ran for `wall` of this turn. One that was cut because the
    /// answers were due, and had hardly begun, is late through nothing that its owner did.
    #[must_use]
    pub fn judged(&self, outcome: Outcome, wall: Duration) -> Outcome {
        let is_cut = outcome.status == Status::LimitWall && wall < self.wall;
        if is_cut && outcome.cost.cpu_us < FAIR_US {
            return Outcome {
                cost: outcome.cost,
                ..Outcome::platform("the answers were due before the model had had its time")
            };
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Reason;

    #[tokio::test]
    async fn turns_get_longer_and_the_last_one_settles() {
        let workers = Semaphore::new(1);
        let reason = Reason::new("limit-wall", "cut", "");
        let cut = Outcome::failed(Status::LimitWall, reason);
        let left = Duration::from_secs(1);
        let mut turns = Turns::new(&workers, Duration::from_secs(15));
        for short in SHORT {
            let turn = turns.next(left).await.unwrap();
            assert_eq!(turn.wall, short);
            assert!(!turn.settles(&cut));
            assert!(turn.settles(&Outcome::platform("ours")));
            assert!(turns.next(Duration::ZERO).await.is_none(), "one worker");
        }
        let last = turns.next(left).await.unwrap();
        assert_eq!(last.wall, Duration::from_secs(15));
        assert!(last.settles(&cut));
    }

    #[tokio::test]
    async fn who_was_cut_before_it_could_run_is_not_to_blame() {
        let workers = Semaphore::new(1);
        let reason = Reason::new("limit-wall", "cut", "");
        let mut cut = Outcome::failed(Status::LimitWall, reason);
        let wall = Duration::from_secs(1);
        let turn = Turns::single(&workers, wall).next(wall).await.unwrap();
        let judged = |outcome: &Outcome, wall| turn.judged(outcome.clone(), wall).status;
        assert_eq!(judged(&cut, wall), Status::LimitWall, "its own limit");
        assert_eq!(judged(&cut, wall / 2), Status::PlatformError);
        cut.cost.cpu_us = FAIR_US;
        assert_eq!(judged(&cut, wall / 2), Status::LimitWall);
    }

    #[tokio::test]
    async fn a_limit_below_the_short_turns_is_the_only_turn() {
        let workers = Semaphore::new(1);
        let limit = Duration::from_millis(100);
        let mut turns = Turns::new(&workers, limit);
        assert_eq!(turns.next(limit).await.unwrap().wall, limit);
        let mut single = Turns::single(&workers, Duration::from_secs(15));
        let turn = single.next(limit).await.unwrap();
        assert_eq!(turn.wall, Duration::from_secs(15));
    }
}

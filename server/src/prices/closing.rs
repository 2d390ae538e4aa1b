//! When a round's evidence closes (protocol.md §1).
//!
//! Must never depend on when it is asked, only on when trades were received: a job that looks late
//! closes at the same instant as one that looks on time.

use domain::timestamp::SECOND_US;

/// All venues have witnesses: closes this long after the end of the interval.
const ALL_US: i64 = 20 * SECOND_US;
/// A quorum of venues has witnesses.
const QUORUM_US: i64 = 60 * SECOND_US;
/// No quorum ever came.
pub(super) const LAST_US: i64 = 300 * SECOND_US;
/// How soon to look again between these.
const LOOK_AGAIN_US: i64 = 5 * SECOND_US;

/// Whether evidence has closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// Not yet; nothing can change before this instant.
    NotYet { look_again_us: i64 },
    /// It closed then: trades received until then are the evidence.
    At { closed_us: i64 },
}

/// `witnessed` are the instants when each venue's first trade after the end was received.
pub(super) fn closing(
    now_us: i64,
    end_us: i64,
    (quorum, venues): (usize, usize),
    witnessed: &[i64],
) -> Closing {
    let (all_us, quorum_us, last_us) = (end_us + ALL_US, end_us + QUORUM_US, end_us + LAST_US);
    let witnesses_by = |limit_us| witnessed.iter().filter(|at| **at <= limit_us).count();
    if now_us < all_us {
        return Closing::NotYet {
            look_again_us: all_us,
        };
    }
    if witnesses_by(all_us) >= venues {
        return Closing::At { closed_us: all_us };
    }
    let soon_us = now_us + LOOK_AGAIN_US;
    if now_us < quorum_us {
        return Closing::NotYet {
            look_again_us: soon_us.min(quorum_us),
        };
    }
    if witnesses_by(quorum_us) >= quorum {
        return Closing::At {
            closed_us: quorum_us,
        };
    }
    let mut sorted = witnessed.to_vec();
    sorted.sort_unstable();
    let completes = quorum.checked_sub(1).and_then(|at| sorted.get(at).copied());
    if let Some(closed_us) = completes.filter(|at| *at < last_us && *at <= now_us) {
        return Closing::At { closed_us };
    }
    if now_us >= last_us {
        return Closing::At { closed_us: last_us };
    }
    Closing::NotYet {
        look_again_us: soon_us.min(last_us),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = SECOND_US;

    #[test]
    fn three_two_and_late_witnesses_close_at_their_instants() {
        let at = |now, witnessed: &[i64]| closing(now, 0, (2, 3), witnessed);
        let closed = |closed_us| Closing::At { closed_us };
        let later = |look_again_us| Closing::NotYet { look_again_us };
        assert_eq!(at(19 * S, &[S, S, S]), later(20 * S));
        assert_eq!(at(20 * S, &[S, S, 20 * S]), closed(20 * S));
        assert_eq!(at(20 * S, &[S, S]), later(25 * S));
        assert_eq!(at(57 * S, &[S, S]), later(60 * S));
        assert_eq!(at(60 * S, &[S, 60 * S]), closed(60 * S));
        assert_eq!(at(60 * S, &[S]), later(65 * S));
        assert_eq!(at(100 * S, &[S, 97 * S]), closed(97 * S));
        assert_eq!(at(298 * S, &[S]), later(300 * S));
        assert_eq!(at(300 * S, &[S]), closed(300 * S));
        assert_eq!(at(400 * S, &[S, 300 * S]), closed(300 * S));
    }

    #[test]
    fn a_late_look_closes_at_the_same_instant() {
        for (witnessed, closed_us) in [
            (vec![S, 2 * S, 3 * S], 20 * S),
            (vec![S, 2 * S, 21 * S], 60 * S),
            (vec![S, 61 * S, 62 * S], 61 * S),
            (vec![], 300 * S),
        ] {
            let late = closing(900 * S, 0, (2, 3), &witnessed);
            assert_eq!(late, Closing::At { closed_us });
        }
    }
}

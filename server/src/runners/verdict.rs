//! What several runners' answers for one model mean. Pure.

use super::{Class, Status};

/// Largest difference of two answers of one dense model under `cpu-v1` (runner.md): processors
/// differ in the last bits of a product. Tree ensembles are bit-identical, so theirs is 0.
pub const DENSE_TOLERANCE: f64 = 1e-6;
/// As [`DENSE_TOLERANCE`], when one of the two ran on another device. Not measured yet.
pub const DEVICE_TOLERANCE: f64 = 1e-4;

/// One runner's answer for one model.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// Whose.
    pub runner: String,
    /// The runner's execution profile: `cpu-v1`, `gpu-v1`.
    pub profile: String,
    /// How the model fared.
    pub status: Status,
    /// One probability a row; empty unless it is ok.
    pub p: Vec<f64>,
}

/// What the answers mean; places count from 0 in the order of arrival.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Nothing to compare yet.
    Single,
    /// All say the same.
    Agreed,
    /// Two differ, and nobody else has spoken.
    Disputed,
    /// Most say the same.
    Settled {
        /// The first of the majority.
        winner: usize,
        /// Who said something else.
        losers: Vec<usize>,
    },
    /// Three or more, and no majority.
    Undecided,
}

/// Compares `answers` of a model of `class`, in the order of their arrival.
pub(super) fn judge(answers: &[Answer], class: Class) -> Verdict {
    let agrees = |a: &Answer, b: &Answer| agree(a, b, class);
    let Some((first, others)) = answers
        .split_first()
        .filter(|(_, others)| !others.is_empty())
    else {
        return Verdict::Single;
    };
    if others.iter().all(|other| agrees(first, other)) {
        return Verdict::Agreed;
    }
    if answers.len() == 2 {
        return Verdict::Disputed;
    }
    let with = |one: &Answer| answers.iter().filter(|other| agrees(one, other)).count();
    let majority = answers.iter().position(|one| 2 * with(one) > answers.len());
    let Some(winner) = majority else {
        return Verdict::Undecided;
    };
    let losers = (0..answers.len()).filter(|place| !agrees(&answers[winner], &answers[*place]));
    Verdict::Settled {
        winner,
        losers: losers.collect(),
    }
}

/// Whether two answers are one. That a model failed is one answer, whatever the reason was called.
pub(super) fn agree(a: &Answer, b: &Answer, class: Class) -> bool {
    if a.status != Status::Ok || b.status != Status::Ok {
        return (a.status == Status::Ok) == (b.status == Status::Ok);
    }
    difference(a, b) <= tolerance(a, b, class)
}

/// The largest difference of a row; infinite when the rows are not as many.
pub(super) fn difference(a: &Answer, b: &Answer) -> f64 {
    if a.p.len() != b.p.len() {
        return f64::INFINITY;
    }
    let rows = a.p.iter().zip(&b.p).map(|(a, b)| (a - b).abs());
    let numbers = rows.map(|gap| if gap.is_nan() { f64::INFINITY } else { gap });
    numbers.fold(0.0, f64::max)
}

fn tolerance(a: &Answer, b: &Answer, class: Class) -> f64 {
    match class {
        _ if a.profile != b.profile => DEVICE_TOLERANCE,
        Class::Tree => 0.0,
        Class::Linear | Class::Dense | Class::Unknown => DENSE_TOLERANCE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(p: f64) -> Answer {
        Answer {
            runner: String::new(),
            profile: "cpu-v1".to_owned(),
            status: Status::Ok,
            p: vec![p],
        }
    }

    fn fails(status: Status) -> Answer {
        Answer {
            status,
            p: Vec::new(),
            ..says(0.0)
        }
    }

    #[test]
    fn trees_are_compared_to_the_bit_and_dense_nets_with_a_tolerance() {
        let two = [says(0.5), says(0.500_000_5)];
        assert_eq!(judge(&two, Class::Dense), Verdict::Agreed);
        assert_eq!(judge(&two, Class::Unknown), Verdict::Agreed);
        assert_eq!(judge(&two, Class::Tree), Verdict::Disputed);
        let far = [says(0.5), says(0.500_01)];
        assert_eq!(judge(&far, Class::Dense), Verdict::Disputed);
        let mut other_device = far;
        other_device[1].profile = "gpu-v1".to_owned();
        assert_eq!(judge(&other_device, Class::Dense), Verdict::Agreed);
    }

    #[test]
    fn a_third_answer_decides_and_three_of_a_kind_do_not_exist_without_two() {
        let judged = judge(&[says(0.9), says(0.5), says(0.5)], Class::Tree);
        let expected = Verdict::Settled {
            winner: 1,
            losers: vec![0],
        };
        assert_eq!(judged, expected);
        let judged = judge(&[says(0.5), says(0.9), says(0.5)], Class::Tree);
        let expected = Verdict::Settled {
            winner: 0,
            losers: vec![1],
        };
        assert_eq!(judged, expected);
        let three = [says(0.1), says(0.5), says(0.9)];
        assert_eq!(judge(&three, Class::Tree), Verdict::Undecided);
        let two_by_two = [says(0.1), says(0.1), says(0.9), says(0.9)];
        assert_eq!(judge(&two_by_two, Class::Tree), Verdict::Undecided);
        assert_eq!(judge(&[], Class::Tree), Verdict::Single);
        assert_eq!(judge(&[says(0.1)], Class::Tree), Verdict::Single);
    }

    #[test]
    fn failing_is_an_answer_too() {
        let both = [fails(Status::RunError), fails(Status::LoadError)];
        assert_eq!(judge(&both, Class::Tree), Verdict::Agreed);
        let claimed = [fails(Status::RunError), says(0.5), says(0.5)];
        let expected = Verdict::Settled {
            winner: 1,
            losers: vec![0],
        };
        assert_eq!(judge(&claimed, Class::Tree), expected);
        let mut short = says(0.5);
        short.p.clear();
        assert_eq!(judge(&[says(0.5), short], Class::Dense), Verdict::Disputed);
        let nan = [says(f64::NAN), says(0.5)];
        assert_eq!(judge(&nan, Class::Dense), Verdict::Disputed);
    }
}

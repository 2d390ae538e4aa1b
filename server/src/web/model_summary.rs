//! The table of a model's page that says what all its scored rounds come to.

use scorer::summary::Summary;

use super::{standings, text};
use crate::scores::{Estimate, Skills};

/// One baseline; skills in ten-thousandths.
pub(super) struct SkillLine {
    pub(super) against: &'static str,
    pub(super) mean: String,
    pub(super) ends: String,
    pub(super) rounds: String,
    pub(super) std: String,
    pub(super) sharpe: String,
    pub(super) drawdown: String,
    pub(super) autocorrelation: String,
    pub(super) positive: String,
}

/// The baselines that the model's rounds had.
pub(super) fn lines(skills: &Skills) -> Vec<SkillLine> {
    let named = [
        ("the constant 0.5", &skills.half),
        ("persistence", &skills.persistence),
        ("the crowd without it", &skills.crowd),
    ];
    let line = |(against, summary): (&'static str, &Option<Summary>)| {
        summary.as_ref().map(|summary| line(against, summary))
    };
    named.into_iter().filter_map(line).collect()
}

fn line(against: &'static str, summary: &Summary) -> SkillLine {
    let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "–".to_owned(), |x| text::plus(x, 3));
    SkillLine {
        against,
        mean: text::mean_skill(summary.mean),
        ends: standings::ends(&Estimate::from(summary)),
        rounds: text::count_of(summary.eras),
        std: format!("{:.1}", summary.std * 1e4),
        sharpe: ratio(summary.sharpe),
        drawdown: format!("{:.1}", summary.max_drawdown * 1e4),
        autocorrelation: ratio(summary.autocorrelation),
        positive: text::percent(summary.share_positive),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scorer::summary::summarise;

    #[test]
    fn a_line_has_units_signs_and_no_ratio_without_spread() {
        let skills = |scores: &[f64]| Skills {
            half: summarise(scores),
            persistence: None,
            crowd: None,
        };
        let found = lines(&skills(&[0.01, -0.02, 0.04]));
        let [half] = found.as_slice() else {
            panic!("only baselines that were there have a line");
        };
        assert_eq!((half.mean.as_str(), half.rounds.as_str()), ("+100.0", "3"));
        assert_eq!(
            (half.std.as_str(), half.drawdown.as_str()),
            ("244.9", "200.0")
        );
        assert_eq!(half.ends, "under 10 rounds");
        assert_eq!(half.positive, "66.7 %");
        let flat = lines(&skills(&[0.01; 12]));
        assert_eq!(
            (flat[0].sharpe.as_str(), flat[0].std.as_str()),
            ("–", "0.0")
        );
        assert_eq!(flat[0].ends, "+100.0 to +100.0");
    }
}

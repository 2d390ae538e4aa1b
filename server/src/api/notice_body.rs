//! What a bot should know beside a receipt, in words.

use domain::timestamp::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use crate::predictions::Notice;

/// Something that a bot may want to act on. It refuses nothing.
#[derive(Serialize, ToSchema)]
#[schema(as = Notice)]
pub(super) struct NoticeBody {
    /// Stable; made for programs: `clamped`, `underfunded`, `unstaked`, `below-minimum`, `thin`,
    /// `duplicate`, `sealed` or `never-revealed`.
    #[schema(example = "underfunded")]
    code: &'static str,
    /// What is so.
    #[schema(example = "5 of the 10.5 tokens named would be risked.")]
    detail: String,
    /// What to do about it.
    #[schema(
        example = "Name at most `stake_counted`, deposit more, or wait until rounds are settled."
    )]
    remedy: String,
}

impl NoticeBody {
    fn new(code: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            remedy: remedy.into(),
        }
    }
}

impl From<&Notice> for NoticeBody {
    fn from(notice: &Notice) -> Self {
        match notice {
            Notice::Clamped => Self::new(
                "clamped",
                "The posted probability lies outside of the tournament's [a, 1 − a] and was moved \
                 to its edge.",
                "`p_ppm` is what counts in money and scores; `GET /api/v1/tournaments/{id}` has a.",
            ),
            Notice::Underfunded { named, counted } => Self::new(
                "underfunded",
                format!(
                    "{} of the {} tokens named would be risked.",
                    counted.tokens(),
                    named.tokens()
                ),
                "Name at most what the model's free stake and cap allow (`stake.free` of `GET \
                 /api/v1/models/{id}`), deposit more, or wait until rounds are settled.",
            ),
            Notice::Unstaked => Self::new(
                "unstaked",
                "The model has no registered stake: it is scored, not staked.",
                "Register the model in the vault with the account's wallet and deposit.",
            ),
            Notice::BelowMinimum { minimum } => Self::new(
                "below-minimum",
                format!(
                    "What the model would risk is under the minimum of {} tokens: it is scored, not \
                     staked.",
                    minimum.tokens()
                ),
                "Name a larger `stake`, deposit more, or wait until rounds are settled.",
            ),
            Notice::Thin => Self::new(
                "thin",
                "No other staked model has shown a prediction in this round so far; a single staked \
                 model wins and loses nothing.",
                "Nothing is to be done: others may still come before the deadline.",
            ),
            Notice::Duplicate => Self::new(
                "duplicate",
                "The same prediction was stored before; this is its receipt.",
                "Nothing is to be done; another prediction replaces it.",
            ),
            Notice::Sealed { reveal_until_us } => {
                let until = rfc3339(*reveal_until_us);
                Self::new(
                    "sealed",
                    format!("The seal counts nothing until it is opened; that ends at {until}."),
                    format!("PUT `p`, `stake` and `salt` of the seal before {until}."),
                )
            }
            Notice::NeverRevealed => Self::new(
                "never-revealed",
                "Sealed and never revealed: the model is absent from the round.",
                "Reveal a seal before the round's `reveal_until_at`.",
            ),
        }
    }
}

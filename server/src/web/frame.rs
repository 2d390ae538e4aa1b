//! What every page has around its content: title, navigation, the market clock, where its style
//! and script lie.

use std::sync::Arc;

use axum::response::Html;

use super::error::WebError;
use super::{assets, text};
use crate::app::App;

/// The frame of a page.
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) nav: Vec<NavLink>,
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    pub(super) icon: &'static str,
    pub(super) clock: Option<Clock>,
}

/// A link of the navigation.
pub(super) struct NavLink {
    pub(super) href: &'static str,
    pub(super) label: &'static str,
    pub(super) is_here: bool,
}

/// The market clock as the page was made; the script lets it run on.
pub(super) struct Clock {
    pub(super) now_us: i64,
    pub(super) speed: f64,
    pub(super) time: String,
    pub(super) date: String,
    /// Says so when prices are a replay.
    pub(super) replay: Option<String>,
}

const PAGES: [(&str, &str); 7] = [
    ("/", "Live rounds"),
    ("/leaderboard", "Leaderboard"),
    ("/datasets", "Datasets"),
    ("/feeds", "Feeds"),
    ("/runners", "Runners"),
    ("/batches", "Settlement"),
    ("/docs", "API"),
];

impl Frame {
    /// The frame of a page under the navigation link `here` (empty for none).
    pub(super) fn new(app: &Arc<App>, title: &str, here: &str) -> Self {
        let now_us = app.market.now_us();
        let speed = app.market.speed();
        let replay = app.settings.is_replay.then(|| {
            format!(
                "Prices are a replay of recorded candles: its three venues come from one recording; speed ×{speed}."
            )
        });
        let clock = Clock {
            now_us,
            speed,
            time: text::time_of_day(now_us),
            date: text::day_of(now_us),
            replay,
        };
        Self {
            clock: Some(clock),
            ..Self::at(title, here)
        }
    }

    /// A frame for pages that know no clock.
    pub(super) fn without_clock(title: &str) -> Self {
        Self::at(title, "")
    }

    /// A frame for pages that are the same at any time.
    pub(super) fn at(title: &str, here: &str) -> Self {
        let link = |(href, label)| NavLink {
            href,
            label,
            is_here: href == here,
        };
        Self {
            title: title.to_owned(),
            nav: PAGES.into_iter().map(link).collect(),
            style: assets::style(),
            script: assets::script(),
            icon: assets::icon(),
            clock: None,
        }
    }
}

/// Renders a page.
pub(super) fn show(view: &impl askama::Template) -> Result<Html<String>, WebError> {
    Ok(Html(view.render()?))
}

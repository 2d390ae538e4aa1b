//! The page of the feeds, and what it and the operator's page say while our clock is off.

use domain::Venue;

use super::*;
use crate::prices::feeds::live::board::Board;
use crate::prices::feeds::live::settings::FeedSettings;

async fn following(lag_us: i64) -> (Arc<App>, tempfile::TempDir) {
    let (mut app, _wall, folder) = app().await;
    let settings = FeedSettings::public_venues().expect("the program's own file");
    let board = Board::new(&settings);
    for venue in Venue::ALL {
        board.set_lag(venue, lag_us);
    }
    let parts = Arc::get_mut(&mut app).expect("nobody shares a fresh app");
    parts.feeds = Some(Arc::new(board));
    (app, folder)
}

#[tokio::test]
async fn a_clock_that_is_off_is_shown_with_what_stops_and_the_way_out() {
    let (app, _folder) = following(-4_900_000).await;
    for path in ["/feeds", "/operator"] {
        let html = page(&app, path, StatusCode::OK).await;
        for part in [
            "Nothing locks or resolves",
            "our clock is 4900 ms behind the venues&#39;",
            "return every stake",
            "chronyc tracking",
        ] {
            assert!(html.contains(part), "{path} does not say {part:?}");
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_right_is_no_alert() {
    let (app, _folder) = following(120_000).await;
    for path in ["/feeds", "/operator"] {
        let html = page(&app, path, StatusCode::OK).await;
        assert!(!html.contains("Nothing locks"), "{path}");
    }
    let feeds = page(&app, "/feeds", StatusCode::OK).await;
    assert!(feeds.contains("Our clock is 120 ms from the venues"));
}

//! The model page's summaries, calibration and trading view.

use axum::http::StatusCode;

use super::page;
use super::world::Played;
use crate::app::testing::{NOW_US, app};
use crate::{accounts, models};

const STEADY: &str = "/models/btc-usd-5m-steady";

/// The text between two marks; panics where one of them is not there.
fn between<'a>(html: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = html
        .split_once(from)
        .unwrap_or_else(|| panic!("no {from:?}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to:?}")).0
}

/// The number of the trading view under a heading.
fn fact(html: &str, heading: &str) -> String {
    let after = between(html, &format!("{heading}</abbr></dt><dd"), "</dd>");
    let text = after.split_once('>').expect("an element").1;
    text.split(' ').next().expect("a number").to_owned()
}

#[tokio::test]
async fn a_model_page_sums_up_all_scored_rounds() {
    let played = Played::new().await;
    let html = page(&played.app, STEADY, StatusCode::OK).await;
    let table = between(&html, "id=\"h-summary\"", "</table>");
    for against in ["the constant 0.5", "persistence", "the crowd without it"] {
        let row = between(table, &format!("{against}</th>"), "</tr>");
        assert_eq!(row.matches("<td").count(), 8, "{row}");
        assert!(row.contains(" to "), "an interval: {row}");
    }
    assert!(between(&html, "<h2 id=\"h-calibration\"", "</section>").contains("Murphy's split"));
    let diagram = between(&html, "aria-labelledby=\"calibration-title", "</svg>");
    assert!(diagram.contains("<desc id=\"calibration-desc\">Each point is a bin"));
    assert_eq!(diagram.matches("class=\"dot\"").count(), 10);
    assert_eq!(diagram.matches("class=\"whisker\"").count(), 10);
    let bins = between(&html, "aria-label=\"Reliability table\"", "</table>");
    assert_eq!(bins.matches("<tr><td").count(), 10);
}

#[tokio::test]
async fn the_trading_view_follows_the_query_and_so_does_its_refresh() {
    let played = Played::new().await;
    let app = &played.app;
    let usual = page(app, STEADY, StatusCode::OK).await;
    assert!(usual.contains(
        "name=\"cost_bp\" type=\"number\" min=\"0\" max=\"1000\" step=\"any\" required value=\"2\""
    ));
    assert!(usual.contains("aria-labelledby=\"equity-title"));
    let free = page(app, &format!("{STEADY}?cost_bp=0"), StatusCode::OK).await;
    assert_eq!(fact(&free, "Final equity"), fact(&free, "Without costs"));
    assert_eq!(fact(&free, "Without costs"), fact(&usual, "Without costs"));
    let dear = page(
        app,
        &format!("{STEADY}?cost_bp=12.5&threshold=0.04"),
        StatusCode::OK,
    )
    .await;
    let equity = |html: &str| fact(html, "Final equity").parse::<f64>().expect("a number");
    assert!(equity(&dear) < equity(&free));
    // Of its reports, 0.56 and 0.53 in turn, only one is far enough out.
    assert!(dear.contains("of 40 rounds") || dear.contains("of 39 rounds"));
    let live = format!("data-live=\"{STEADY}?cost_bp=12.5&#38;threshold=0.04\"");
    assert_eq!(dear.matches(&live).count(), 3, "numbers, trading, money");
    let never = page(app, &format!("{STEADY}?threshold=0.5"), StatusCode::OK).await;
    assert!(never.contains("no position was taken") && !never.contains("equity-title"));
}

#[tokio::test]
async fn a_query_that_cannot_be_traded_by_has_a_page_that_says_why() {
    let played = Played::new().await;
    for (query, says) in [
        (
            "cost_bp=-1",
            "cost_bp is -1; it is a number of basis points from 0 to 1000.",
        ),
        ("cost_bp=inf", "cost_bp is inf"),
        ("threshold=0.7", "threshold is 0.7"),
        ("cost_bp=many", "cost_bp"),
        ("cost_bp=", "cost_bp"),
        ("threshold=%3Cscript%3E", "threshold"),
    ] {
        let path = format!("{STEADY}?{query}");
        let html = page(&played.app, &path, StatusCode::BAD_REQUEST).await;
        assert!(html.contains("This address cannot be read"), "{query}");
        assert!(html.contains(says) && !html.contains("<script>"), "{query}");
    }
}

#[tokio::test]
async fn a_model_without_rounds_has_a_page_without_numbers() {
    let (app, _wall, _folder) = app().await;
    let mut tx = app.db.begin().await.expect("begins");
    let account = accounts::create(&mut tx, NOW_US, "someone", "", false)
        .await
        .expect("an account");
    let tournament = "btc-usd-5m".parse().expect("an id");
    models::register_external(&mut tx, NOW_US, &account.id, &tournament, "new")
        .await
        .expect("a model");
    tx.commit().await.expect("commits");
    let html = page(&app, "/models/btc-usd-5m-new", StatusCode::OK).await;
    assert!(html.contains("No round of this model has been scored yet."));
    for absent in ["h-summary", "h-calibration", "equity-title"] {
        assert!(!html.contains(absent), "{absent}");
    }
}

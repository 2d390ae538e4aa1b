//! A round followed on its page, from open to settled, without loading the page again.

use std::time::Duration;

use anyhow::Context;
use tests::browser::Browser;
use tests::wait;

use super::{ETH, world};

const STATES: [&str; 5] = ["open", "locked", "resolved", "scored", "settled"];
const ROUND_LIMIT: Duration = Duration::from_secs(90);
/// A void round tells nothing; three in a row would be no chance.
const TRIES: usize = 3;

#[tokio::test]
async fn a_round_can_be_followed_to_its_settlement() {
    let demo = world().await;
    let visitor = demo.visitor().expect("a caller");
    let browser = Browser::start().await.expect("a browser");
    browser.resize(1_280, 800).await.expect("a size");
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let round = visitor.fresh_round(ETH).await.expect("a round");
        browser
            .open(&format!("{}/rounds/{round}", demo.url))
            .await
            .expect("the page opens");
        browser
            .eval("window.opened = 'once'")
            .await
            .expect("a mark");
        seen = follow(&browser).await.expect("the round ends");
        if seen.last().is_some_and(|state| state != "void") {
            break;
        }
    }
    let places: Vec<_> = seen
        .iter()
        .map(|seen| STATES.iter().position(|s| s == seen))
        .collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{seen:?}"
    );
    for state in ["open", "locked", "settled"] {
        assert!(
            seen.iter().any(|seen| seen == state),
            "{state} was not shown: {seen:?}"
        );
    }
    let mark = browser
        .eval("return window.opened ?? ''")
        .await
        .expect("a mark");
    assert_eq!(mark.as_str(), Some("once"), "the page was loaded again");
    let text = browser.text().await.expect("a text");
    for word in ["pair-high-bot", "pair-low-bot", "Payout", "Burned"] {
        assert!(
            text.contains(word),
            "the settled round does not show {word}"
        );
    }
    browser
        .screenshot("round-followed", 1_280)
        .await
        .expect("a picture");
    for line in browser.console().await.expect("a console") {
        assert!(
            !matches!(line.level.as_str(), "SEVERE" | "WARNING"),
            "{line:?}"
        );
    }
}

/// The states that the page shows, each once in the order seen, until the round has ended.
async fn follow(browser: &Browser) -> anyhow::Result<Vec<String>> {
    const STATE: &str = "return (document.querySelector('.steps [aria-current=step]') \
                         ?? document.querySelector('.steps .void'))?.innerText ?? ''";
    let mut seen: Vec<String> = Vec::new();
    wait::until(
        "the page to show the end of the round",
        ROUND_LIMIT,
        async || {
            let state = browser.eval(STATE).await?;
            let state = state
                .as_str()
                .context("a state is text")?
                .trim()
                .to_lowercase();
            if seen.last() != Some(&state) && !state.is_empty() {
                seen.push(state.clone());
            }
            Ok(matches!(state.as_str(), "settled" | "void").then_some(()))
        },
    )
    .await?;
    Ok(seen)
}

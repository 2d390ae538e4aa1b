//! Live rounds through real sockets: `foretoken serve` follows the fake venues, a model predicts
//! over the API, and the outcome is what the venues' true trades say, or the round is void and
//! everybody has the stake back.

use domain::timestamp::SECOND_US;
use domain::{Outcome, Venue};
use serde_json::{Value, json};
use tests::live::Live;
use tests::venues::Misbehaviour;

/// What a model of two has of the vault when nothing is held.
const DEPOSIT: &str = "10000";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_killed_inside_a_locked_round_fills_its_gaps_and_resolves_it() {
    let mut live = Live::start("live-kill", 21).await.expect("it starts");
    live.predict().await.expect("two predictions");
    live.round_is(&["locked"]).await.expect("it locks");
    // The samples of T are of these seconds, and nobody listens.
    live.until(live.start_us - 4 * SECOND_US).await;
    live.kill_server();
    live.until(live.start_us + 3 * SECOND_US).await;
    live.serve("server-again").await.expect("it starts again");
    let round = live.round_is(&["resolved", "scored", "settled", "void"]);
    let round = round.await.expect("it ends");
    let truth = live.truth();
    assert_ne!(truth.outcome, Outcome::Void, "{truth:?}");
    let said = live.said();
    assert_eq!(
        round["outcome"],
        json!(truth.outcome.name()),
        "{round}\n{said}"
    );

    let (evidence, again) = live.resolved_again().await.expect("the evidence");
    assert_eq!(again["evidence_hash"], round["evidence_hash"], "{again}");
    assert_eq!(again["outcome"], round["outcome"], "{again}");
    assert_eq!(evidence["left_out"], json!([]), "{again}");
    let feeds = live.visitor().expect("a caller").json("feeds").await;
    let feeds = feeds.expect("the feeds");
    for venue in Venue::ALL {
        let filled = gaps_of(&feeds, venue).any(|gap| {
            gap["reason"] == json!("the feed was not running") && !gap["filled_at"].is_null()
        });
        assert!(filled, "{}: {}", venue.name(), feeds["gaps"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn venues_that_stay_away_make_the_round_void_and_the_stakes_return() {
    let live = Live::start("live-void", 22).await.expect("it starts");
    live.predict().await.expect("two predictions");
    live.round_is(&["locked"]).await.expect("it locks");
    for stake in live.stakes().await.expect("stakes") {
        assert_eq!(stake["reserved"], json!("40"), "{stake}");
        assert_eq!(stake["free"], json!("9960"), "{stake}");
    }
    // Back five seconds after the interval, without a word about what was missed.
    let away_us = live.start_us + 65 * SECOND_US - live.market.now_us();
    let gone = [Venue::Binance, Venue::Kraken];
    for venue in gone {
        let seconds = away_us / SECOND_US;
        let wrong = [
            Misbehaviour::RestFails { status: 503 },
            Misbehaviour::RefuseConnections { seconds },
            Misbehaviour::Disconnect,
        ];
        for command in wrong {
            live.venues.command(venue, command);
        }
    }
    let round = live.round_is(&["resolved", "scored", "settled", "void"]);
    let round = round.await.expect("it ends");
    assert_eq!(round["state"], json!("void"), "{round}");
    let reason = round["void_reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("quorum: 1 of 2"), "{reason}");
    assert_ne!(
        live.truth().outcome,
        Outcome::Void,
        "honest venues decide it"
    );

    let (_, again) = live.resolved_again().await.expect("the evidence");
    assert_eq!(again["evidence_hash"], round["evidence_hash"], "{again}");
    assert_eq!(again["reason"], round["void_reason"], "{again}");
    for venue in gone {
        let verdicts = again["venues"].as_array().into_iter().flatten();
        let mut own = verdicts.filter(|verdict| verdict["venue"] == json!(venue.name()));
        let why = own.next().and_then(|verdict| verdict["why_not"].as_str());
        let why = why.unwrap_or_default();
        assert!(why.contains("gap: "), "{}: {again}", venue.name());
    }
    for stake in live.stakes().await.expect("stakes") {
        assert_eq!(stake["reserved"], json!("0"), "{stake}");
        assert_eq!(stake["free"], json!(DEPOSIT), "{stake}");
        assert_eq!(stake["claimable"], json!(DEPOSIT), "{stake}");
    }
}

fn gaps_of(feeds: &Value, venue: Venue) -> impl Iterator<Item = &Value> {
    let gaps = feeds["gaps"].as_array().into_iter().flatten();
    gaps.filter(move |gap| gap["venue"] == json!(venue.name()) && gap["asset"] == json!("btc"))
}

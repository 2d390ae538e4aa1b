//! Every page in a real browser, wide and narrow: nothing is logged, nothing comes from elsewhere,
//! nothing is wider than the screen.

use tests::browser::Browser;

use super::{BTC, model_named, world};

const SIZES: [(i64, i64); 2] = [(1_280, 800), (390, 844)];

#[tokio::test]
async fn every_page_fits_the_screen_and_is_quiet() {
    let demo = world().await;
    let visitor = demo.visitor().expect("a caller");
    let round = visitor
        .round_in(BTC, "settled")
        .await
        .expect("a settled round");
    let open = visitor.round_in(BTC, "open").await.expect("an open round");
    let model = model_named(&visitor, BTC, "pair-high-bot")
        .await
        .expect("a bot");
    let hosted = model_named(&visitor, BTC, "forest")
        .await
        .expect("a reference model");
    let pages = [
        ("home", String::from("/"), 200),
        ("tournament", format!("/tournaments/{BTC}"), 200),
        ("round-settled", format!("/rounds/{round}"), 200),
        ("round-open", format!("/rounds/{open}"), 200),
        ("model-external", format!("/models/{model}"), 200),
        ("model-hosted", format!("/models/{hosted}"), 200),
        ("leaderboard", String::from("/leaderboard"), 200),
        ("datasets", String::from("/datasets"), 200),
        ("batches", String::from("/batches"), 200),
        ("runners", String::from("/runners"), 200),
        ("not-found", String::from("/no/such/page"), 404),
        (
            "no-such-round",
            format!("/rounds/{BTC}-20200101T0000Z"),
            404,
        ),
    ];
    let browser = Browser::start().await.expect("a browser");
    a_bad_page_is_noticed(&browser).await;
    let mut faults = Vec::new();
    for (name, path, status) in &pages {
        let answer = visitor.get(path).await.expect("an answer");
        assert_eq!(answer.status, *status, "{path}");
        assert!(
            answer.content_type.starts_with("text/html"),
            "{path}: {}",
            answer.content_type
        );
        for (width, height) in SIZES {
            browser.resize(width, height).await.expect("a size");
            let url = format!("{}{path}", demo.url);
            browser.open(&url).await.expect("the page opens");
            let mut found = faults_of(&browser, &demo.url, &url, *status, width)
                .await
                .expect("a look");
            browser
                .screenshot(&format!("{name}-{width}"), width)
                .await
                .expect("a picture");
            faults.append(&mut found);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Looks that find nothing would pass every page.
async fn a_bad_page_is_noticed(browser: &Browser) {
    let bad = "data:text/html,<body><div style='width:900px'>wide</div><script>console.error('loud')\
               </script><img src='http://127.0.0.1:9/far.png'>";
    browser.resize(390, 844).await.expect("a size");
    browser.open(bad).await.expect("the page opens");
    let faults = faults_of(browser, "http://127.0.0.1:1", bad, 200, 390)
        .await
        .expect("a look");
    for word in [
        "pixels wide",
        "no heading",
        "loud",
        "loads http://127.0.0.1:9/far.png",
    ] {
        assert!(
            faults.iter().any(|fault| fault.contains(word)),
            "no {word:?} in {faults:?}"
        );
    }
}

/// What is wrong with the page that is open.
async fn faults_of(
    browser: &Browser,
    server: &str,
    url: &str,
    status: u16,
    width: i64,
) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    let page_width = browser.page_width().await?;
    if page_width > width {
        faults.push(format!("{url} at {width}: {page_width} pixels wide"));
    }
    let heading = browser
        .eval("return document.querySelector('main h1')?.innerText ?? ''")
        .await?;
    if heading.as_str().is_none_or(str::is_empty) {
        faults.push(format!("{url} has no heading"));
    }
    for line in browser.console().await? {
        // A browser reports the status of the page itself, which is meant to be 404.
        let is_own_status =
            status == 404 && line.message.starts_with(&format!("{url} - Failed to load"));
        if matches!(line.level.as_str(), "SEVERE" | "WARNING") && !is_own_status {
            faults.push(format!(
                "{url} at {width} logs {}: {}",
                line.level, line.message
            ));
        }
    }
    let requests = browser.requests().await?;
    if !requests.iter().any(|request| request == url) {
        faults.push(format!(
            "{url}: its own request was not seen, only {requests:?}"
        ));
    }
    let is_foreign =
        |request: &&String| !request.starts_with(server) && !request.starts_with("data:");
    faults.extend(
        requests
            .iter()
            .filter(is_foreign)
            .map(|other| format!("{url} loads {other}")),
    );
    Ok(faults)
}

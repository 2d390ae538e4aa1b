//! One serving demo, met through its real doors by strangers, members and a browser.

mod doors;
mod follow;
mod pages;
mod secrecy;
mod uploads;

use anyhow::Context;
use serde_json::Value;
use tempfile::TempDir;
use tests::caller::Caller;
use tests::demo::{Demo, DemoSettings};
use tests::scratch;
use tokio::sync::OnceCell;

const BTC: &str = "btc-usd-5m";
const ETH: &str = "eth-usd-5m";
/// The scopes of a key that an operator gives when nothing is said.
const MEMBER: &str = "read,predict,upload";

/// The demo that all tests of this program share; it dies with the program.
async fn world() -> &'static Demo {
    static WORLD: OnceCell<Result<(Demo, TempDir), String>> = OnceCell::const_new();
    let world = WORLD
        .get_or_init(async || start().await.map_err(|error| format!("{error:#}")))
        .await;
    &world.as_ref().expect("the demo runs").0
}

async fn start() -> anyhow::Result<(Demo, TempDir)> {
    let folder = scratch::folder("served")?;
    let settings = DemoSettings {
        folder: folder.path(),
        rounds: None,
        database_url: None,
    };
    let demo = Demo::start(&settings)?;
    demo.ready().await?;
    Ok((demo, folder))
}

/// The id of the tournament's model with that name.
async fn model_named(caller: &Caller, tournament: &str, name: &str) -> anyhow::Result<String> {
    let page = caller
        .json(&format!("models?tournament={tournament}"))
        .await?;
    let models = page
        .get("models")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut named = models.filter(|model| model.get("name").and_then(Value::as_str) == Some(name));
    let id = named.next().and_then(|model| model.get("id")?.as_str());
    id.map(str::to_owned)
        .with_context(|| format!("no model {name} in {page}"))
}

//! Rewrites `contracts/test/fixtures/aggregates.json`, `faults.json` and the generated half of
//! `trees.json`; the protocol's half stays.

#[path = "../fixture/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest of the module")]
mod fixture;

fn main() -> std::io::Result<()> {
    let mut file = fixture::read();
    let generated = fixture::generated(&file["protocol"]);
    file["generated"] = generated;
    let text = serde_json::to_string_pretty(&file)?;
    std::fs::write(fixture::path(), text + "\n")?;
    let text = serde_json::to_string_pretty(&fixture::faults::file())?;
    std::fs::write(fixture::faults::path(), text + "\n")?;
    let text = serde_json::to_string_pretty(&fixture::aggregates::file())?;
    std::fs::write(fixture::aggregates::path(), text + "\n")
}

//! Rewrites the generated half of `contracts/test/fixtures/trees.json`; the protocol's half stays.

#[path = "../fixture/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest of the module")]
mod fixture;

fn main() -> std::io::Result<()> {
    let mut file = fixture::read();
    let generated = fixture::generated(&file["protocol"]);
    file["generated"] = generated;
    let text = serde_json::to_string_pretty(&file)?;
    std::fs::write(fixture::path(), text + "\n")
}

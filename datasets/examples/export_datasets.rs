//! Writes the downloadable datasets into a folder, for training and for looking at them.
//!
//! `cargo run --release -p datasets --example export_datasets -- FOLDER`

use std::io::Write;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args()
        .nth(1)
        .ok_or("usage: export_datasets FOLDER")?;
    let manifest = datasets::write_datasets(&PathBuf::from(folder))?;
    serde_json::to_writer_pretty(std::io::stdout(), &manifest)?;
    writeln!(std::io::stdout())?;
    Ok(())
}

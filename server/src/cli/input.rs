//! Reading what a person hands to a command: a file or standard input, within a limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What was read, or why it is refused.
pub(super) enum Input {
    /// The text.
    Text(String),
    /// It is not there, not text, or too large.
    Refused(String),
}

/// Reads a file, or standard input when `path` is `-`; at most `largest` bytes.
pub(super) fn read(path: &Path, largest: u64) -> anyhow::Result<Input> {
    let name = path.display();
    let mut text = String::new();
    let reader: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        match File::open(path) {
            Ok(file) => Box::new(file),
            Err(error) => return Ok(Input::Refused(format!("{name} cannot be read: {error}"))),
        }
    };
    let limit = largest.saturating_add(1);
    if let Err(error) = reader.take(limit).read_to_string(&mut text) {
        return Ok(Input::Refused(format!("{name} cannot be read: {error}")));
    }
    if text.len() as u64 > largest {
        return Ok(Input::Refused(format!(
            "{name} has over {largest} bytes, the most that is read"
        )));
    }
    Ok(Input::Text(text))
}

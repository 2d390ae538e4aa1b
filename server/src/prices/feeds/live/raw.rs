//! Raw frames on disk: one compressed file per venue and hour, `<venue>/20240305T12.ndjson.zst`.
//!
//! A file is a row of complete zstd frames, so that a crash loses the last seconds at most and any
//! zstd reads it. Must never hold up the feed: a disk that refuses is said in the log.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use domain::Venue;
use domain::timestamp::{SECOND_US, compact_minute};

use crate::prices::feeds::frames;

/// Frames wait in memory for this long, so that they compress well.
const FLUSH_EVERY_US: i64 = 10 * SECOND_US;
/// Or until so many bytes of one venue wait.
const FLUSH_BYTES: usize = 1 << 20;
/// What a venue's frames may take in memory when the disk refuses; then they are dropped.
const MOST_BYTES: usize = 16 << 20;
const LEVEL: i32 = 3;
/// Frames are kept this long (protocol of the evidence: they show what a venue really said).
pub(super) const KEPT_US: i64 = 90 * 24 * 3_600 * SECOND_US;

/// Frames on their way to disk.
#[derive(Debug)]
pub(super) struct RawFrames {
    folder: PathBuf,
    waiting: BTreeMap<(Venue, String), Vec<u8>>,
    flushed_us: i64,
}

impl RawFrames {
    /// Keeps frames below `folder`, which is made when it is not there.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            waiting: BTreeMap::new(),
            flushed_us: 0,
        }
    }

    /// Notes a frame.
    pub(super) fn keep(&mut self, venue: Venue, receive_time_us: i64, frame: &str) {
        let Ok(line) = frames::line(receive_time_us, frame) else {
            return;
        };
        let waiting = self.waiting.entry((venue, hour(receive_time_us))).or_default();
        if waiting.len() + line.len() <= MOST_BYTES {
            waiting.extend_from_slice(line.as_bytes());
        }
    }

    /// Writes when enough waits or long enough has passed.
    pub(super) fn flush_when_due(&mut self, now_us: i64) {
        let is_large = self.waiting.values().any(|bytes| bytes.len() >= FLUSH_BYTES);
        if is_large || now_us - self.flushed_us >= FLUSH_EVERY_US {
            self.flush();
            self.flushed_us = now_us;
        }
    }

    /// Writes everything.
    pub(super) fn flush(&mut self) {
        let folder = &self.folder;
        self.waiting.retain(|(venue, hour), bytes| {
            match append(&folder.join(venue.name()), hour, bytes) {
                Ok(()) => false,
                Err(error) => {
                    tracing::error!(venue = venue.name(), %error, "raw frames not written");
                    true
                }
            }
        });
    }
}

/// `20240305T12`: names sort by time.
fn hour(us: i64) -> String {
    compact_minute(us).chars().take(11).collect()
}

fn append(folder: &Path, hour: &str, bytes: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let compressed = zstd::encode_all(bytes, LEVEL)?;
    let path = folder.join(format!("{hour}.ndjson.zst"));
    let mut file: File = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(&compressed)
}

/// Removes the files of hours before `before_us`; answers how many.
///
/// # Errors
/// When a folder cannot be read or a file cannot be removed.
pub(super) fn forget_before(folder: &Path, before_us: i64) -> std::io::Result<usize> {
    let oldest = hour(before_us);
    let mut forgotten = 0;
    for venue in Venue::ALL {
        let folder = folder.join(venue.name());
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            let is_ours = name.ends_with(".ndjson.zst");
            if is_ours && name.get(..11).is_some_and(|hour| hour < oldest.as_str()) {
                fs::remove_file(&path)?;
                forgotten += 1;
            }
        }
    }
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_709_640_000 * SECOND_US;

    #[test]
    fn frames_are_read_back_as_they_came_over_several_writes_and_hours() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut raw = RawFrames::new(folder.path());
        raw.keep(Venue::Kraken, NOON, "first");
        raw.flush();
        raw.keep(Venue::Kraken, NOON + 1, "sec\"ond");
        raw.keep(Venue::Kraken, NOON + 3_600 * SECOND_US, "an hour later");
        raw.flush();
        let path = folder.path().join("kraken/20240305T12.ndjson.zst");
        let file = File::open(path).expect("the file");
        let text = zstd::decode_all(file).expect("zstd");
        let expected = [(NOON, "first"), (NOON + 1, "sec\"ond")]
            .map(|(at, frame)| frames::line(at, frame).expect("a line"));
        assert_eq!(String::from_utf8(text).expect("UTF-8"), expected.concat());
        let later = folder.path().join("kraken/20240305T13.ndjson.zst");
        assert!(later.is_file());
        let forgotten = forget_before(folder.path(), NOON + 3_600 * SECOND_US);
        assert_eq!(forgotten.expect("removed"), 1);
        assert!(later.is_file());
    }
}

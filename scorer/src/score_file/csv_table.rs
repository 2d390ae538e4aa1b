//! CSV to Parquet, some rows at a time, so that everything after it knows one kind of file and a large
//! file never stands in memory. Owns what a CSV number is: what Rust's `f64` parses, or nothing or
//! `nan` for a missing one.

use std::fs::File;

use polars::io::parquet::write::BatchedWriter;
use polars::prelude::{Column, DataFrame, ParquetCompression, ParquetWriter};

use super::error::{ScoreFileError, quoted};
use super::table::{MAX_COLUMNS, Wanted};

/// Cells of one row group.
const CELLS: usize = 2_000_000;
/// Bytes of one record; a line without an end must not fill the memory.
const MAX_RECORD_BYTES: usize = 16 << 20;

/// One column being filled.
enum Cells {
    Texts(Vec<String>),
    Numbers(Vec<f64>),
}

struct Kept {
    name: String,
    /// Where in a record.
    field: usize,
    cells: Cells,
}

/// Writes the wanted columns of `csv` to an unnamed temporary Parquet file.
pub(super) fn to_parquet(name: &str, csv: File, wanted: &Wanted) -> Result<File, ScoreFileError> {
    let mut reader = csv::ReaderBuilder::new().from_reader(Bounded::new(csv));
    let header = reader
        .headers()
        .map_err(|error| broken(name, &error))?
        .clone();
    let mut kept = kept(name, &header, wanted)?;
    let spilling = "keeping rows of a CSV file in the folder for temporary files";
    let spilled =
        |error: Box<dyn std::error::Error + Send + Sync>| ScoreFileError::machine(spilling, error);
    let file = tempfile::tempfile().map_err(|error| spilled(error.into()))?;
    let mut writer = open(&file, &mut kept).map_err(spilled)?;
    let rows_per_group = (CELLS / kept.len().max(1)).max(1);
    let (mut record, mut rows) = (csv::StringRecord::new(), 0_usize);
    while reader
        .read_record(&mut record)
        .map_err(|error| broken(name, &error))?
    {
        rows += 1;
        for column in &mut kept {
            push(name, column, &record, rows, &header)?;
        }
        reader.get_mut().next_record();
        if rows % rows_per_group == 0 {
            write(&mut writer, &mut kept).map_err(spilled)?;
        }
    }
    if rows == 0 {
        return Err(ScoreFileError::refused(name, "has no rows"));
    }
    if rows % rows_per_group != 0 {
        write(&mut writer, &mut kept).map_err(spilled)?;
    }
    writer.finish().map_err(|error| spilled(error.into()))?;
    Ok(file)
}

/// The columns to keep. What else is missing is found out by whoever asks for it.
fn kept(
    name: &str,
    header: &csv::StringRecord,
    wanted: &Wanted,
) -> Result<Vec<Kept>, ScoreFileError> {
    if header.len() > MAX_COLUMNS {
        let what = format!(
            "has {} columns, at most {MAX_COLUMNS} are read",
            header.len()
        );
        return Err(ScoreFileError::refused(name, what));
    }
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = header.iter().find(|column| !seen.insert(*column)) {
        let what = format!("has the column {} twice; rename one", quoted(twice));
        return Err(ScoreFileError::refused(name, what));
    }
    // Asked here already, or the ids under another name would be read as numbers.
    if !seen.contains("id") {
        return Err(ScoreFileError::refused(name, "column id is missing"));
    }
    let column = |(field, column): (usize, &str)| {
        let cells = match (column, wanted) {
            ("id" | "era", _) => Cells::Texts(Vec::new()),
            (_, Wanted::Rest) => Cells::Numbers(Vec::new()),
            (column, Wanted::Named(one)) if column == *one => Cells::Numbers(Vec::new()),
            _ => return None,
        };
        Some(Kept {
            name: column.to_owned(),
            field,
            cells,
        })
    };
    Ok(header.iter().enumerate().filter_map(column).collect())
}

fn push(
    name: &str,
    column: &mut Kept,
    record: &csv::StringRecord,
    row: usize,
    header: &csv::StringRecord,
) -> Result<(), ScoreFileError> {
    let text = record.get(column.field).unwrap_or_default();
    match &mut column.cells {
        Cells::Texts(_) if text.is_empty() => {
            let what = format!("column {} has no value in row {row}", column.name);
            return Err(ScoreFileError::refused(name, what));
        }
        Cells::Texts(cells) => cells.push(text.to_owned()),
        Cells::Numbers(cells) => {
            let trimmed = text.trim();
            let number = if trimmed.is_empty() {
                Ok(f64::NAN)
            } else {
                trimmed.parse()
            };
            cells.push(number.map_err(|_| {
                let id = header.iter().position(|column| column == "id");
                let id = id.and_then(|id| record.get(id)).unwrap_or("?");
                let what = format!(
                    "column {} holds {} in row {row} (id {}), but must hold numbers",
                    column.name,
                    quoted(text),
                    quoted(id)
                );
                ScoreFileError::refused(name, what)
            })?);
        }
    }
    Ok(())
}

type Spill = Box<dyn std::error::Error + Send + Sync>;

fn open(file: &File, kept: &mut [Kept]) -> Result<BatchedWriter<File>, Spill> {
    let empty = take(kept)?;
    Ok(ParquetWriter::new(file.try_clone()?)
        .with_compression(ParquetCompression::Uncompressed)
        .set_parallel(false)
        .batched(empty.schema())?)
}

fn write(writer: &mut BatchedWriter<File>, kept: &mut [Kept]) -> Result<(), Spill> {
    Ok(writer.write_batch(&take(kept)?)?)
}

/// The rows so far as a frame; the columns are empty afterwards.
fn take(kept: &mut [Kept]) -> Result<DataFrame, Spill> {
    let columns = kept.iter_mut().map(|column| {
        let name = column.name.as_str().into();
        match &mut column.cells {
            Cells::Texts(cells) => Column::new(name, std::mem::take(cells)),
            Cells::Numbers(cells) => Column::new(name, std::mem::take(cells)),
        }
    });
    Ok(DataFrame::new_infer_height(columns.collect())?)
}

fn broken(name: &str, error: &csv::Error) -> ScoreFileError {
    ScoreFileError::refused(name, format!("is neither Parquet nor whole CSV: {error}"))
}

/// A reader that gives up when one record goes on for too long.
struct Bounded {
    file: File,
    since_record: usize,
}

impl Bounded {
    fn new(file: File) -> Self {
        Self {
            file,
            since_record: 0,
        }
    }

    fn next_record(&mut self) {
        self.since_record = 0;
    }
}

impl std::io::Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.since_record > MAX_RECORD_BYTES {
            let what = format!("a record is longer than {MAX_RECORD_BYTES} bytes");
            return Err(std::io::Error::other(what));
        }
        let read = self.file.read(buffer)?;
        self.since_record += read;
        Ok(read)
    }
}

//! A Parquet file, read a column of a row group at a time.
//!
//! Owns which bytes are read: exactly those of the column asked for, so that a file of any width costs
//! the memory of what is being worked on. CSV comes here by way of [`super::csv_table`].

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use polars::io::parquet::read::_internal::to_deserializer;
use polars::prelude::{ArrowSchema, DataType, FileMetadata, ParquetReader, SerReader, Series};

use super::csv_table;
use super::error::{ScoreFileError, quoted};

/// Rows of a file at most.
pub const MAX_ROWS: usize = 20_000_000;
/// Columns of a file at most.
pub const MAX_COLUMNS: usize = 50_000;

const MAGIC: &[u8; 4] = b"PAR1";

/// An open file and what its footer says.
#[derive(Debug)]
pub(super) struct Table {
    /// As the caller named it.
    pub(super) name: String,
    file: File,
    length: u64,
    metadata: Arc<FileMetadata>,
    schema: Arc<ArrowSchema>,
}

/// Which columns of a file are wanted; the others may hold anything.
pub(super) enum Wanted {
    /// These number columns.
    Named(&'static str),
    /// All but `id` and `era`, as numbers.
    Rest,
}

impl Table {
    /// Opens a Parquet or CSV file; which of the two its first bytes tell.
    pub(super) fn open(path: &Path, wanted: &Wanted) -> Result<Self, ScoreFileError> {
        let name = path.display().to_string();
        let refused = |what: String| ScoreFileError::refused(&name, what);
        let unreadable = |error: std::io::Error| refused(format!("cannot be read: {error}"));
        let mut file = File::open(path).map_err(unreadable)?;
        let mut magic = Vec::new();
        file.by_ref()
            .take(4)
            .read_to_end(&mut magic)
            .map_err(unreadable)?;
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        if magic.is_empty() {
            return Err(refused("the file is empty".to_owned()));
        }
        let file = if magic == MAGIC {
            file
        } else {
            csv_table::to_parquet(&name, file, wanted)?
        };
        let length = file.metadata().map_err(unreadable)?.len();
        let broken = |error: &dyn std::fmt::Display| {
            refused(format!(
                "is no whole Parquet file: {}",
                first_line(&error.to_string())
            ))
        };
        let mut reader = ParquetReader::new(file.try_clone().map_err(unreadable)?);
        let metadata = Arc::clone(reader.get_metadata().map_err(|error| broken(&error))?);
        let schema = reader.schema().map_err(|error| broken(&error))?;
        let table = Self {
            name,
            file,
            length,
            metadata,
            schema,
        };
        table.check_size()?;
        Ok(table)
    }

    fn check_size(&self) -> Result<(), ScoreFileError> {
        let (rows, columns) = (self.metadata.num_rows, self.schema.len());
        let what = if rows == 0 {
            "has no rows".to_owned()
        } else if rows > MAX_ROWS {
            format!("has {rows} rows, at most {MAX_ROWS} are scored at once; split it by era")
        } else if columns > MAX_COLUMNS {
            format!("has {columns} columns, at most {MAX_COLUMNS} are read; split it by model")
        } else {
            return Ok(());
        };
        Err(self.refused(what))
    }

    pub(super) fn refused(&self, what: impl Into<String>) -> ScoreFileError {
        ScoreFileError::refused(&self.name, what)
    }

    pub(super) fn has_column(&self, column: &str) -> bool {
        self.schema.get(column).is_some()
    }

    /// All columns but `id` and `era`.
    pub(super) fn number_columns(&self) -> Vec<String> {
        let names = self.schema.iter_names().map(ToString::to_string);
        names.filter(|name| name != "id" && name != "era").collect()
    }

    /// How many row groups there are; an empty one counts.
    pub(super) fn groups(&self) -> usize {
        self.metadata.row_groups.len()
    }

    /// Rows of a group.
    pub(super) fn group_rows(&self, group: usize) -> usize {
        self.metadata.row_groups[group].num_rows()
    }

    /// Rows before a group.
    pub(super) fn rows_before(&self, group: usize) -> usize {
        (0..group).map(|group| self.group_rows(group)).sum()
    }

    /// A column of a group as texts: whole numbers become their digits.
    pub(super) fn texts(&self, column: &str, group: usize) -> Result<Vec<String>, ScoreFileError> {
        let series = self.series(column, group)?;
        if series.dtype().is_float() || series.dtype().is_nested() || series.dtype().is_bool() {
            return Err(self.refused(format!(
                "column {column} holds {}, but must hold text or whole numbers",
                series.dtype()
            )));
        }
        let texts = series
            .cast(&DataType::String)
            .map_err(|error| self.broken(column, &error))?;
        let texts = texts.str().map_err(|error| self.broken(column, &error))?;
        let texts: Option<Vec<String>> = texts.iter().map(|t| t.map(str::to_owned)).collect();
        texts.ok_or_else(|| {
            self.refused(format!(
                "column {column} has a row without a value; every row needs one"
            ))
        })
    }

    /// A column of a group as numbers; a missing one is NaN.
    pub(super) fn numbers(&self, column: &str, group: usize) -> Result<Vec<f64>, ScoreFileError> {
        let series = self.series(column, group)?;
        if !series.dtype().is_primitive_numeric() {
            return Err(self.not_numbers(column, &series));
        }
        let numbers = series
            .cast(&DataType::Float64)
            .map_err(|error| self.broken(column, &error))?;
        let numbers = numbers.f64().map_err(|error| self.broken(column, &error))?;
        let mut values = Vec::with_capacity(numbers.len());
        for array in numbers.downcast_iter() {
            match array.validity() {
                None => values.extend_from_slice(array.values()),
                Some(_) => values.extend(array.iter().map(|x| x.copied().unwrap_or(f64::NAN))),
            }
        }
        Ok(values)
    }

    fn not_numbers(&self, column: &str, series: &Series) -> ScoreFileError {
        let id = self.texts("id", 0).ok();
        let id = id.and_then(|ids| ids.into_iter().next());
        let at = id.map_or_else(String::new, |id| format!(" (first id {})", quoted(id)));
        let kind = if series.dtype().is_string() {
            "text".to_owned()
        } else {
            series.dtype().to_string()
        };
        self.refused(format!(
            "column {column} holds {kind}{at}, but must hold numbers"
        ))
    }

    fn series(&self, column: &str, group: usize) -> Result<Series, ScoreFileError> {
        let missing = || self.refused(format!("column {column} is missing"));
        let field = self.schema.get(column).ok_or_else(missing)?;
        let row_group = &self.metadata.row_groups[group];
        let mut chunks = row_group
            .columns_under_root_iter(column)
            .ok_or_else(missing)?;
        let (Some(chunk), None) = (chunks.next(), chunks.next()) else {
            return Err(self.refused(format!("column {column} is nested, but must be plain")));
        };
        let range = chunk.byte_range();
        if range.start > range.end || range.end > self.length {
            return Err(self.broken(column, &"the footer points beyond the end"));
        }
        let size = usize::try_from(range.end - range.start)
            .map_err(|error| self.broken(column, &error))?;
        let mut bytes = vec![0; size];
        self.file
            .read_exact_at(&mut bytes, range.start)
            .map_err(|error| ScoreFileError::machine(format!("reading {}", self.name), error))?;
        let (arrays, _) = to_deserializer(vec![(chunk, bytes.into())], field.clone(), None)
            .map_err(|error| self.broken(column, &error))?;
        let series =
            Series::try_from((field, arrays)).map_err(|error| self.broken(column, &error))?;
        if series.len() != row_group.num_rows() {
            return Err(self.broken(column, &"its rows are not those of the footer"));
        }
        Ok(series)
    }

    fn broken(&self, column: &str, error: &dyn std::fmt::Display) -> ScoreFileError {
        let why = first_line(&error.to_string());
        self.refused(format!("column {column} cannot be decoded: {why}"))
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

//! The rows that are scored: those of the targets, by era and id. Owns how rows of other files find
//! their place, and what an unknown or doubled id means.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::error::{ScoreFileError, quoted};
use super::table::Table;

/// The one era of files without an era column.
const ALL: &str = "all";
/// A row without a place.
pub(super) const NOWHERE: u32 = u32::MAX;

/// The targets' rows, eras in time order, ids ascending within an era.
#[derive(Debug)]
pub(super) struct Frame {
    /// In time order.
    pub(super) eras: Vec<String>,
    /// The rows of each era.
    pub(super) ranges: Vec<Range<usize>>,
    /// By row, all finite.
    pub(super) targets: Vec<f64>,
    has_eras: bool,
    /// Row by id, for each era.
    places: Vec<HashMap<Box<str>, u32>>,
    era_numbers: HashMap<String, usize>,
    example: String,
}

/// Where the rows of a file belong.
#[derive(Debug)]
pub(super) struct Places {
    /// By row group and row: a row of the frame, or [`NOWHERE`].
    pub(super) rows: Vec<Vec<u32>>,
    /// Rows whose id the targets do not know.
    pub(super) unknown: usize,
}

impl Places {
    /// Whether a group has a row in `rows`.
    pub(super) fn touches(&self, group: usize, rows: &Range<usize>) -> bool {
        let mut places = self.rows[group].iter();
        places.any(|place| rows.contains(&(*place as usize)))
    }
}

impl Frame {
    /// Reads the targets. A row whose target is NaN is no row.
    pub(super) fn read(table: &Table) -> Result<Self, ScoreFileError> {
        let has_eras = table.has_column("era");
        let mut rows: Vec<(String, String, f64)> = Vec::new();
        for group in 0..table.groups() {
            let ids = table.texts("id", group)?;
            let eras = if has_eras {
                table.texts("era", group)?
            } else {
                vec![ALL.to_owned(); ids.len()]
            };
            let targets = table.numbers("target", group)?;
            for ((era, id), target) in eras.into_iter().zip(ids).zip(targets) {
                if target.is_infinite() {
                    let what = format!("column target is infinite for id {}", quoted(&id));
                    return Err(table.refused(what));
                }
                rows.push((era, id, target));
            }
        }
        let names: HashSet<&str> = rows.iter().map(|(era, ..)| era.as_str()).collect();
        let mut eras: Vec<String> = names.into_iter().map(str::to_owned).collect();
        in_time_order(&mut eras);
        let numbered = eras.iter().cloned().zip(0..);
        let era_numbers: HashMap<String, usize> = numbered.collect();
        let mut rows: Vec<(usize, String, f64)> = rows
            .into_iter()
            .map(|(era, id, target)| (era_numbers[&era], id, target))
            .collect();
        rows.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        if let Some([(era, id, _), _]) = rows
            .array_windows::<2>()
            .find(|[a, b]| (a.0, &a.1) == (b.0, &b.1))
        {
            return Err(table.refused(doubled(id, has_eras.then(|| eras[*era].as_str()))));
        }
        rows.retain(|(_, _, target)| !target.is_nan());
        Self::of_sorted(table, eras, era_numbers, rows, has_eras)
    }

    fn of_sorted(
        table: &Table,
        eras: Vec<String>,
        era_numbers: HashMap<String, usize>,
        rows: Vec<(usize, String, f64)>,
        has_eras: bool,
    ) -> Result<Self, ScoreFileError> {
        let Some((_, example, _)) = rows.first() else {
            return Err(table.refused("column target has no number in any row"));
        };
        let example = example.clone();
        let mut ranges = vec![0..0; eras.len()];
        let mut places: Vec<HashMap<Box<str>, u32>> = vec![HashMap::new(); eras.len()];
        let mut targets = Vec::with_capacity(rows.len());
        for (place, (era, id, target)) in rows.into_iter().enumerate() {
            places[era].insert(id.into_boxed_str(), place as u32);
            targets.push(target);
        }
        let mut end = 0;
        for (range, places) in ranges.iter_mut().zip(&places) {
            *range = end..end + places.len();
            end = range.end;
        }
        Ok(Self {
            eras,
            ranges,
            targets,
            has_eras,
            places,
            era_numbers,
            example,
        })
    }

    /// Finds the place of every row of a file.
    pub(super) fn places(&self, table: &Table) -> Result<Places, ScoreFileError> {
        if self.has_eras && !table.has_column("era") {
            return Err(table.refused(
                "column era is missing, but the targets have one; add it, since ids are joined by era",
            ));
        }
        let mut taken = vec![false; self.targets.len()];
        let mut strangers = HashSet::new();
        let mut places = Places {
            rows: Vec::with_capacity(table.groups()),
            unknown: 0,
        };
        for group in 0..table.groups() {
            let ids = table.texts("id", group)?;
            let eras = self
                .has_eras
                .then(|| table.texts("era", group))
                .transpose()?;
            let mut rows = Vec::with_capacity(ids.len());
            for (row, id) in ids.into_iter().enumerate() {
                let era = eras.as_ref().map(|eras| eras[row].as_str());
                let place = self.place(era, &id);
                let is_new = match place {
                    Some(place) => !std::mem::replace(&mut taken[place as usize], true),
                    None => strangers.insert((era.unwrap_or_default().to_owned(), id.clone())),
                };
                if !is_new {
                    return Err(table.refused(doubled(&id, era)));
                }
                rows.push(place.unwrap_or(NOWHERE));
            }
            places.rows.push(rows);
        }
        places.unknown = strangers.len();
        if !taken.contains(&true) {
            let theirs = table.texts("id", 0)?;
            return Err(table.refused(format!(
                "no id in common with the targets; theirs look like {}, here they look like {}{}",
                quoted(&self.example),
                quoted(theirs.first().cloned().unwrap_or_default()),
                if self.has_eras {
                    " (eras must agree too)"
                } else {
                    ""
                }
            )));
        }
        Ok(places)
    }

    fn place(&self, era: Option<&str>, id: &str) -> Option<u32> {
        let era = match era {
            Some(era) => *self.era_numbers.get(era)?,
            None => 0,
        };
        self.places.get(era)?.get(id).copied()
    }
}

/// Eras that are all whole numbers go by number, others by text.
fn in_time_order(eras: &mut [String]) {
    let number = |era: &String| era.parse::<u64>().ok();
    if eras.iter().all(|era| number(era).is_some()) {
        eras.sort_by(|a, b| number(a).cmp(&number(b)).then_with(|| a.cmp(b)));
    } else {
        eras.sort();
    }
}

fn doubled(id: &str, era: Option<&str>) -> String {
    let era = era.map_or_else(String::new, |era| format!(" of era {}", quoted(era)));
    format!(
        "column id has {}{era} twice; ids must be unique within an era",
        quoted(id)
    )
}

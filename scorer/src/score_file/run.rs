//! Reads, joins and scores: batches of eras, in each the models block by block.
//!
//! Threads share the rows of work: a model with all its rows is one piece when it is read and ranked, a
//! block of models in one era is one when features are taken out. Each piece is computed by one thread
//! in one order, so their number changes no bit.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use super::error::{ScoreFileError, quoted};
use super::frame::{Frame, NOWHERE, Places};
use super::report::{Report, Scored};
use super::table::{Table, Wanted};
use super::{Metric, Request};
use crate::cross_section::{Era, Scratch};
use crate::matrix::Matrix;

/// Bytes of predictions held at a time.
const BLOCK_BYTES: usize = 96 << 20;
/// Models held at a time at most.
const BLOCK_MODELS: usize = 512;
/// Bytes of features held at a time, more only if one era needs more; their products take three times
/// as much again.
const FEATURE_BYTES: usize = 64 << 20;
/// Models of one piece of work when features are taken out.
const PIECE_MODELS: usize = 64;

/// How far it is: models scored and to be scored, an era batch counting each model again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// So far.
    pub done: usize,
    /// In all.
    pub of: usize,
}

struct Inputs {
    predictions: Table,
    meta: Option<Table>,
    features: Option<(Table, Vec<String>)>,
}

/// Where the rows of each input belong.
struct Joined {
    predictions: Places,
    meta: Option<Places>,
    features: Option<Places>,
}

/// Scores every model of a file in every era, in the current rayon pool.
///
/// # Errors
/// [`ScoreFileError`]; nothing is scored then.
pub fn score(
    request: &Request,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Report, ScoreFileError> {
    check_inputs(request)?;
    let targets = Table::open(&request.targets, &Wanted::Named("target"))?;
    let frame = Frame::read(&targets)?;
    let inputs = open(request)?;
    let joined = Joined {
        predictions: frame.places(&inputs.predictions)?,
        meta: inputs.meta.as_ref().map(|t| frame.places(t)).transpose()?,
        features: inputs
            .features
            .as_ref()
            .map(|(table, _)| frame.places(table))
            .transpose()?,
    };
    let models = inputs.predictions.number_columns();
    if models.is_empty() {
        let what = "has no column beside id and era; a model is one number column";
        return Err(inputs.predictions.refused(what));
    }
    let mut report = Report::new(models, &frame, &request.metrics);
    let features = inputs.features.as_ref().map_or(0, |(_, names)| names.len());
    let batches = batches(&frame, features);
    let of = batches.len() * report.models.len();
    let mut done = 0;
    for batch in batches {
        let rows = frame.ranges[batch.start].start..frame.ranges[batch.end - 1].end;
        let eras = eras(request, &frame, &inputs, &joined, batch.clone(), &rows)?;
        let block = (BLOCK_BYTES / (8 * rows.len()).max(1)).clamp(1, BLOCK_MODELS);
        for first in (0..report.models.len()).step_by(block) {
            let block = first..report.models.len().min(first + block);
            score_block(
                &inputs,
                &joined,
                &eras,
                (&batch, &rows),
                block.clone(),
                &mut report,
            )?;
            done += block.len();
            progress(Progress { done, of });
        }
    }
    report.unknown = unknown(&inputs, &joined);
    Ok(report)
}

fn check_inputs(request: &Request) -> Result<(), ScoreFileError> {
    for metric in &request.metrics {
        let (is_there, input) = match metric {
            Metric::Corr => continue,
            Metric::Mmc => (request.meta.is_some(), "meta"),
            Metric::Fnc => (request.features.is_some(), "features"),
        };
        if !is_there {
            return Err(ScoreFileError::InputMissing {
                metric: metric.name(),
                input,
            });
        }
    }
    Ok(())
}

/// Only the files that a metric asks for.
fn open(request: &Request) -> Result<Inputs, ScoreFileError> {
    let wanted = |metric, path: &Option<std::path::PathBuf>| {
        path.clone().filter(|_| request.metrics.contains(&metric))
    };
    let table = |path: &Path, wanted| Table::open(path, &wanted);
    let meta = wanted(Metric::Mmc, &request.meta)
        .map(|path| table(&path, Wanted::Named("meta")))
        .transpose()?;
    let features = wanted(Metric::Fnc, &request.features)
        .map(|path| table(&path, Wanted::Rest))
        .transpose()?;
    let features = features.map(|table| {
        let names = table.number_columns();
        if names.is_empty() {
            return Err(
                table.refused("has no column beside id and era; a feature is one number column")
            );
        }
        Ok((table, names))
    });
    Ok(Inputs {
        predictions: table(&request.predictions, Wanted::Rest)?,
        meta,
        features: features.transpose()?,
    })
}

/// Eras in groups whose features fit the memory for them; all eras at once without features.
fn batches(frame: &Frame, features: usize) -> Vec<Range<usize>> {
    let eras = frame.ranges.len();
    let limit = FEATURE_BYTES
        .checked_div(8 * features)
        .unwrap_or(usize::MAX);
    let (mut batches, mut first, mut rows) = (Vec::new(), 0, 0);
    for (era, range) in frame.ranges.iter().enumerate() {
        if rows > 0 && rows + range.len() > limit {
            batches.push(first..era);
            (first, rows) = (era, 0);
        }
        rows += range.len();
    }
    batches.push(first..eras);
    batches
}

/// Prepares the eras of a batch, whose rows are `rows` of the frame; `None` without a target.
fn eras(
    request: &Request,
    frame: &Frame,
    inputs: &Inputs,
    joined: &Joined,
    batch: Range<usize>,
    rows: &Range<usize>,
) -> Result<Vec<Option<Era>>, ScoreFileError> {
    let meta = match (&inputs.meta, &joined.meta) {
        (Some(table), Some(places)) => Some(column(table, "meta", places, rows)?),
        _ => None,
    };
    let features = match (&inputs.features, &joined.features) {
        (Some((table, names)), Some(places)) => {
            let columns = names.par_iter();
            let columns = columns.map(|name| column(table, name, places, rows));
            Some(columns.collect::<Result<Vec<_>, _>>()?)
        }
        _ => None,
    };
    let ranges = frame.ranges[batch].to_vec();
    let prepare = |range: Range<usize>| {
        let inside = range.start.saturating_sub(rows.start)..range.end.saturating_sub(rows.start);
        let mut era = Era::new(frame.targets[range].to_vec()).ok()?;
        if let Some(meta) = &meta {
            let meta = meta[inside.clone()].to_vec();
            era = era.with_meta(meta, request.target_scale).ok()?;
        }
        if let Some(features) = &features {
            let values = features.iter().flat_map(|f| &f[inside.clone()]);
            let values = values.copied().collect();
            let features = Matrix::from_columns(inside.len(), features.len(), values)?;
            era = era.with_features(features).ok()?;
        }
        Some(era)
    };
    Ok(ranges.into_par_iter().map(prepare).collect())
}

/// Scores some models in the eras of a batch.
fn score_block(
    inputs: &Inputs,
    joined: &Joined,
    eras: &[Option<Era>],
    (batch, rows): (&Range<usize>, &Range<usize>),
    models: Range<usize>,
    report: &mut Report,
) -> Result<(), ScoreFileError> {
    let names = &report.models[models.clone()];
    let metrics: Vec<Metric> = report.scores.iter().map(|(metric, _)| *metric).collect();
    let ranges = ranges(eras);
    let read = |scratch: &mut Scratch, name: &String| {
        let values = column(&inputs.predictions, name, &joined.predictions, rows)?;
        let scores = metrics.iter().map(|metric| {
            let by_era = eras.iter().zip(&ranges).map(|(era, range)| {
                let prediction = &values[range.clone()];
                era.as_ref().and_then(|era| match metric {
                    Metric::Corr => Some(era.corr(prediction, scratch)),
                    Metric::Mmc => era.mmc(prediction, scratch),
                    Metric::Fnc => None,
                })
            });
            by_era.collect()
        });
        let scores: Vec<Vec<Scored>> = scores.collect();
        // Only features are taken out of many models together.
        let kept = metrics.contains(&Metric::Fnc).then_some(values);
        Ok((scores, kept))
    };
    let read = names.par_iter().map_init(Scratch::default, read);
    let read = read.collect::<Result<Vec<_>, ScoreFileError>>()?;
    let width = report.eras.len();
    for (model, (scores, _)) in models.clone().zip(&read) {
        for ((_, all), scores) in report.scores.iter_mut().zip(scores) {
            all[model * width..][batch.clone()].copy_from_slice(scores);
        }
    }
    if let Some((_, all)) = report.scores.iter_mut().find(|(m, _)| *m == Metric::Fnc) {
        let values: Vec<&[f64]> = read
            .iter()
            .filter_map(|(_, kept)| kept.as_deref())
            .collect();
        for piece in fnc(eras, &ranges, &values) {
            for (model, score) in piece.models.zip(piece.scores) {
                all[(models.start + model) * width + batch.start + piece.era] = score;
            }
        }
    }
    Ok(())
}

/// Some models in one era.
struct Piece {
    models: Range<usize>,
    era: usize,
    scores: Vec<Scored>,
}

/// FNC by pieces.
fn fnc(eras: &[Option<Era>], ranges: &[Range<usize>], values: &[&[f64]]) -> Vec<Piece> {
    let starts = (0..values.len()).step_by(PIECE_MODELS);
    let pieces = starts.flat_map(|from| {
        let models = from..values.len().min(from + PIECE_MODELS);
        (0..eras.len()).map(move |era| (models.clone(), era))
    });
    let pieces: Vec<(Range<usize>, usize)> = pieces.collect();
    let score = |scratch: &mut Scratch, (models, era): (Range<usize>, usize)| {
        let predictions: Vec<&[f64]> = values[models.clone()]
            .iter()
            .map(|values| &values[ranges[era].clone()])
            .collect();
        let scores = eras[era]
            .as_ref()
            .and_then(|e| e.fnc(&predictions, scratch));
        let scores = scores.map_or_else(
            || vec![None; models.len()],
            |scores| scores.into_iter().map(Some).collect(),
        );
        Piece {
            models,
            era,
            scores,
        }
    };
    let pieces = pieces.into_par_iter().map_init(Scratch::default, score);
    pieces.collect()
}

/// The rows of each era within its batch.
fn ranges(eras: &[Option<Era>]) -> Vec<Range<usize>> {
    let mut end = 0;
    let range = |era: &Option<Era>| {
        let start = end;
        end += era.as_ref().map_or(0, Era::rows);
        start..end
    };
    eras.iter().map(range).collect()
}

/// A column's numbers at `rows` of the frame; NaN where the file has none.
fn column(
    table: &Table,
    name: &str,
    places: &Places,
    rows: &Range<usize>,
) -> Result<Vec<f64>, ScoreFileError> {
    let mut values = vec![f64::NAN; rows.len()];
    for group in 0..table.groups() {
        if !places.touches(group, rows) {
            continue;
        }
        let numbers = table.numbers(name, group)?;
        for (row, (number, place)) in numbers.iter().zip(&places.rows[group]).enumerate() {
            if number.is_infinite() {
                return Err(infinite(table, name, group, row));
            }
            let place = *place;
            if place == NOWHERE {
                continue;
            }
            if let Some(slot) = values.get_mut((place as usize).wrapping_sub(rows.start)) {
                *slot = *number;
            }
        }
    }
    Ok(values)
}

fn infinite(table: &Table, name: &str, group: usize, row: usize) -> ScoreFileError {
    let id = table.texts("id", group).ok();
    let id = id.and_then(|ids| ids.into_iter().nth(row));
    table.refused(format!(
        "column {name} is infinite in row {} (id {}); numbers must be finite, a missing one empty",
        table.rows_before(group) + row + 1,
        quoted(id.unwrap_or_default())
    ))
}

fn unknown(inputs: &Inputs, joined: &Joined) -> Vec<(String, usize)> {
    let features = inputs.features.as_ref().map(|(table, _)| table);
    let all = [
        (Some(&inputs.predictions), Some(&joined.predictions)),
        (inputs.meta.as_ref(), joined.meta.as_ref()),
        (features, joined.features.as_ref()),
    ];
    let files = all
        .into_iter()
        .filter_map(|(table, places)| table.zip(places));
    let files = files.filter(|(_, places)| places.unknown > 0);
    files
        .map(|(table, places)| (table.name.clone(), places.unknown))
        .collect()
}

//! Series: time warping, and paths through the positive definite matrices.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use skerry_host::WarpPath;
use skerry_host::types::{Moment, Shrinkage, Windows};
use skerry_sync::ProjectName;

use super::super::{blocking, project_name};
use super::invalid;
use crate::body::geometry::{DtwAnswer, DtwBody, PathChange, SeriesBody, TrajectoryAnswer, TrajectoryBody, WindowBody};
use crate::chart::{check_field, column, records};
use crate::extract::{JsonBody, PathParameters};
use crate::node::Node;
use crate::problem::Problem;

/// Rows of one number of columns, one after another.
struct Rows {
    numbers: Vec<f64>,
    columns: usize,
}

impl Rows {
    fn count(&self) -> usize {
        self.numbers.len() / self.columns
    }
}

fn from_columns(columns: &[Vec<f64>], of: &str) -> Result<Rows, Problem> {
    let length = columns.first().map_or(0, Vec::len);
    if columns.iter().any(|column| column.len() != length) {
        return Err(invalid(format!("The columns of {of} are not of one length.")));
    }
    let row = |at: usize| columns.iter().filter_map(move |column| column.get(at).copied());
    Ok(Rows { numbers: (0..length).flat_map(row).collect(), columns: columns.len() })
}

fn from_rows(rows: &[Vec<f64>], of: &str) -> Result<Rows, Problem> {
    let columns = rows.first().map_or(0, Vec::len);
    if columns == 0 || rows.iter().any(|row| row.len() != columns) {
        return Err(invalid(format!("The rows of {of} are empty or not of one length.")));
    }
    Ok(Rows { numbers: rows.concat(), columns })
}

fn read(node: &Node, project: &ProjectName, series: &SeriesBody) -> Result<Rows, Problem> {
    let (key, fields) = match series {
        SeriesBody::Values(values) => return Ok(Rows { numbers: values.clone(), columns: 1 }),
        SeriesBody::Rows(rows) => return from_rows(rows, "the series"),
        SeriesBody::Record { key, fields } => (key, fields),
    };
    if fields.is_empty() {
        return Err(invalid("A series of a record names at least one field."));
    }
    fields.iter().try_for_each(|path| check_field(path))?;
    let of = format!("the record `{key}`");
    let found = records(node, project, Some(std::slice::from_ref(key)))?;
    let record = found.first().ok_or_else(|| invalid(format!("There is no record `{key}`.")))?;
    let mut columns = Vec::with_capacity(fields.len());
    for path in fields {
        let numbers = column(record, path)?;
        columns.push(numbers.ok_or_else(|| invalid(format!("The record `{key}` lacks `{path}`.")))?);
    }
    // One field may hold an array of rows.
    if let [path] = fields.as_slice()
        && let Some(rows) = rows_of(record, path)
    {
        return from_rows(&rows, &of);
    }
    from_columns(&columns, &of)
}

fn rows_of(record: &skerry_sync::Record, path: &str) -> Option<Vec<Vec<f64>>> {
    let mut parts = path.split('.');
    let root = if parts.next()? == "data" { &record.data } else { &record.metadata };
    let first = root.get(parts.next()?)?;
    let value = parts.try_fold(first, |value, part| value.get(part))?;
    let row = |row: &serde_json::Value| row.as_array()?.iter().map(serde_json::Value::as_f64).collect();
    value.as_array()?.iter().map(row).collect()
}

/// Dynamic time warping of two series.
#[utoipa::path(post, path = "/projects/{project}/geometry/series/dtw", tag = "geometry",
    params(("project" = String, Path)), request_body = DtwBody, responses((status = 200, body = DtwAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project or unknown-record"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry")))]
pub(in crate::api) async fn dtw(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<DtwBody>,
) -> Result<Json<DtwAnswer>, Problem> {
    blocking(move || {
        let (project, geometry) = (project_name(&project)?, node.geometry()?);
        // A project that is not there is told also where no record is named.
        node.replica().sequence(&project)?;
        let (x, y) = (read(&node, &project, &body.x)?, read(&node, &project, &body.y)?);
        if x.columns != y.columns {
            let (a, b) = (x.columns, y.columns);
            return Err(invalid(format!("One series has {a} columns, the other {b}; they need the same.")));
        }
        let wanted = if body.path { WarpPath::Wanted } else { WarpPath::Left };
        let found = geometry.dtw(&x.numbers, &y.numbers, x.columns as u32, body.window, wanted)?;
        let path = body.path.then(|| found.path.iter().map(|step| [step.first, step.second]).collect());
        Ok(Json(DtwAnswer { distance: found.distance, lengths: [x.count(), y.count()], path }))
    })
    .await
}

/// A series as a path of correlation or covariance matrices: its speed, its changes, its distance to another.
#[utoipa::path(post, path = "/projects/{project}/geometry/series/trajectory", tag = "geometry",
    params(("project" = String, Path)), request_body = TrajectoryBody, responses((status = 200, body = TrajectoryAnswer),
    (status = 404, description = "urn:skerry:problem:unknown-project or unknown-record"),
    (status = 422, description = "urn:skerry:problem:invalid-geometry")))]
pub(in crate::api) async fn trajectory(
    State(node): State<Arc<Node>>,
    PathParameters(project): PathParameters<String>,
    JsonBody(body): JsonBody<TrajectoryBody>,
) -> Result<Json<TrajectoryAnswer>, Problem> {
    blocking(move || {
        let (project, geometry) = (project_name(&project)?, node.geometry()?);
        node.replica().sequence(&project)?;
        let step = body.step.unwrap_or(1);
        let windows = Windows {
            length: body.window,
            step,
            moment: if body.covariance { Moment::Covariance } else { Moment::Correlation },
            shrinkage: body.shrinkage.map_or(Shrinkage::LedoitWolf, Shrinkage::Fixed),
        };
        let series = read(&node, &project, &body.series)?;
        let side = series.columns as u32;
        let found = geometry.trajectory(&series.numbers, side, windows)?;
        let moves = geometry.changes(&found.matrices, side, body.threshold.unwrap_or(3.5))?;
        let distance = match &body.other {
            None => None,
            Some(other) => {
                let other = read(&node, &project, other)?;
                if other.columns != series.columns {
                    let (a, b) = (series.columns, other.columns);
                    return Err(invalid(format!("One series has {a} columns, the other {b}; they need the same.")));
                }
                let other = geometry.trajectory(&other.numbers, side, windows)?;
                Some(geometry.path_distance(&found.matrices, &other.matrices, side, None)?.distance)
            }
        };
        let row = |at: usize| at * step as usize;
        let matrices = found.matrices.chunks_exact((side * side) as usize).zip(&found.shrinkage).enumerate();
        let window = |(at, (matrix, &shrinkage)): (usize, (&[f64], &f64))| WindowBody {
            row: row(at),
            shrinkage,
            speed: moves.speeds.get(at).copied(),
            score: moves.scores.get(at).copied(),
            matrix: body.matrices.then(|| matrix.to_vec()),
        };
        let change = |&at: &u32| PathChange {
            row: row(at as usize),
            end: row(at as usize + 1) + body.window as usize,
            score: moves.scores.get(at as usize).copied().unwrap_or_default(),
        };
        let changes = moves.changes.iter().map(change).collect();
        Ok(Json(TrajectoryAnswer { windows: matrices.map(window).collect(), changes, distance }))
    })
    .await
}

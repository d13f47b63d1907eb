//! Records as points of a declared manifold.

use serde_json::Value;
use skerry_host::types::{Factor, ManifoldKind, Moment, Shrinkage};
use skerry_host::{AnalysisError, Geometry};
use skerry_sync::{ProjectName, Record, RecordKey};

use crate::body::geometry::{
    ChartBody, ChartChoice, CoordinatesBody, FactorBody, ManifoldBody, PointBody, Skipped, SkippedRecord,
};
use crate::node::Node;
use crate::problem::{Kind, Problem};

/// Records that are points at once at most.
pub(crate) const POINTS_MAX: usize = 10_000;

/// Factors of a chart at most.
const FACTORS_MAX: usize = 32;

/// Skipped records that are named.
const SKIPPED_SHOWN: usize = 20;

/// A chart whose sizes are known, and how records become its points.
#[derive(Debug)]
pub(crate) struct Chart<'a> {
    geometry: &'a Geometry,
    body: ChartBody,
    /// As the component takes them; set by the first point.
    factors: Vec<Factor>,
}

/// Points with the records that they are of.
#[derive(Debug, Default)]
pub(crate) struct Points {
    /// The records.
    pub(crate) keys: Vec<String>,
    /// Their coordinates, one after another.
    pub(crate) numbers: Vec<f64>,
    /// Records that lack a field.
    pub(crate) skipped: Skipped,
}

impl Points {
    /// Where a record is.
    pub(crate) fn position(&self, key: &str) -> Option<usize> {
        self.keys.iter().position(|one| one == key)
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Kind::InvalidGeometry, detail)
}

/// No chart of this name.
pub(crate) fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().take(80).collect();
    let detail =
        format!("The project saved no chart `{shown}`; list those there are at /api/v1/projects/<project>/charts.");
    Problem::new(Kind::UnknownChart, detail)
}

/// Reads a chart from JSON, as it is to be saved or was.
///
/// # Errors
/// [`Kind::InvalidGeometry`] that says what a chart cannot be.
pub(crate) fn read(json: &Value) -> Result<ChartBody, Problem> {
    let body: ChartBody =
        serde_json::from_value(json.clone()).map_err(|error| invalid(format!("This is no chart: {error}.")))?;
    check(&body)?;
    Ok(body)
}

/// What can be said against a chart before a record is seen.
fn check(body: &ChartBody) -> Result<(), Problem> {
    if body.factors.is_empty() || body.factors.len() > FACTORS_MAX {
        return Err(invalid(format!("A chart has 1 to {FACTORS_MAX} factors, not {}.", body.factors.len())));
    }
    for factor in &body.factors {
        let label = factor.label();
        if factor.fields.is_empty() {
            return Err(invalid(format!("The factor `{label}` names no fields.")));
        }
        if !(factor.weight > 0.0 && factor.weight.is_finite()) {
            let weight = factor.weight;
            return Err(invalid(format!("The factor `{label}` has the weight {weight}; it is finite and above 0.")));
        }
        if factor.normalise && !matches!(factor.manifold, ManifoldBody::Sphere | ManifoldBody::Categorical) {
            return Err(invalid(format!("The factor `{label}` cannot be normalised; spheres and categorical can.")));
        }
        factor.fields.iter().try_for_each(|path| check_field(path))?;
    }
    Ok(())
}

/// The value at a path like `data.a.b`.
fn field<'a>(record: &'a Record, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let root = match parts.next()? {
        "data" => &record.data,
        "metadata" => &record.metadata,
        _ => return None,
    };
    let first = root.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part)).filter(|value| !value.is_null())
}

/// The value at a path below `data` or `metadata`, of records as they are answered.
pub(crate) fn check_field(path: &str) -> Result<(), Problem> {
    if ["data.", "metadata."].iter().any(|root| path.len() > root.len() && path.starts_with(root)) {
        return Ok(());
    }
    let shown: String = path.chars().take(80).collect();
    Err(invalid(format!("`{shown}` is not a field with numbers; write `data.…` or `metadata.…`.")))
}

/// The numbers of a value: one, an array, or an array of rows.
fn numbers(value: &Value, into: &mut Vec<f64>) -> Option<()> {
    match value {
        Value::Array(values) => values.iter().try_for_each(|value| numbers(value, into)),
        other => {
            into.push(other.as_f64()?);
            Some(())
        }
    }
}

/// The numbers of a field of a record; None when the record lacks it.
pub(crate) fn column(record: &Record, path: &str) -> Result<Option<Vec<f64>>, Problem> {
    let Some(value) = field(record, path) else { return Ok(None) };
    let mut found = Vec::new();
    numbers(value, &mut found).map(|()| Some(found)).ok_or_else(|| {
        let key = record.key.as_str();
        invalid(format!("`{path}` of the record `{key}` is not a number, nor an array of numbers.")).with("key", key)
    })
}

impl FactorBody {
    fn label(&self) -> String {
        let manifold = || serde_json::to_value(self.manifold).ok().and_then(|name| name.as_str().map(str::to_owned));
        self.name.clone().or_else(manifold).unwrap_or_default()
    }

    fn kind(&self) -> ManifoldKind {
        match self.manifold {
            ManifoldBody::Euclidean => ManifoldKind::Euclidean,
            ManifoldBody::Sphere => ManifoldKind::Sphere,
            ManifoldBody::Poincare => ManifoldKind::Poincare,
            ManifoldBody::Lorentz => ManifoldKind::Lorentz,
            ManifoldBody::Spd | ManifoldBody::Correlation | ManifoldBody::Covariance => {
                ManifoldKind::SpdAffineInvariant
            }
            ManifoldBody::SpdLogEuclidean => ManifoldKind::SpdLogEuclidean,
            ManifoldBody::SpdBuresWasserstein => ManifoldKind::SpdBuresWasserstein,
            ManifoldBody::Gaussian => ManifoldKind::Gaussian,
            ManifoldBody::Categorical => ManifoldKind::Categorical,
        }
    }

    /// The factor for points of so many numbers; None when no size has these.
    fn sized(&self, width: usize) -> Option<Factor> {
        let kind = self.kind();
        let size = match kind {
            ManifoldKind::Gaussian => (width.is_multiple_of(2)).then_some(width / 2)?,
            ManifoldKind::SpdAffineInvariant | ManifoldKind::SpdLogEuclidean | ManifoldKind::SpdBuresWasserstein => {
                let side = width.isqrt();
                (side * side == width).then_some(side)?
            }
            _ => width,
        };
        Some(Factor { kind, size: u32::try_from(size).ok()?, weight: self.weight })
    }
}

impl<'a> Chart<'a> {
    /// The chart that is asked with.
    ///
    /// # Errors
    /// [`Kind::UnknownChart`]; [`Kind::InvalidGeometry`] for one that cannot be used, which may have been saved elsewhere.
    pub(crate) fn open(node: &'a Node, project: &ProjectName, choice: ChartChoice) -> Result<Chart<'a>, Problem> {
        let body = match choice {
            ChartChoice::Given(body) => body,
            ChartChoice::Saved(name) => {
                let saved = node.replica().chart(project, &name)?.ok_or_else(|| unknown(&name))?;
                read(&saved)?
            }
        };
        check(&body)?;
        Ok(Chart { geometry: node.geometry()?, body, factors: Vec::new() })
    }

    /// The manifold, once a point is known.
    pub(crate) fn factors(&self) -> &[Factor] {
        &self.factors
    }

    /// A record's coordinates, or the field that it lacks.
    fn coordinates(&self, record: &Record) -> Result<Result<Vec<Vec<f64>>, String>, Problem> {
        let mut parts = Vec::with_capacity(self.body.factors.len());
        for factor in &self.body.factors {
            let mut columns = Vec::with_capacity(factor.fields.len());
            for path in &factor.fields {
                match column(record, path)? {
                    Some(numbers) => columns.push(numbers),
                    None => return Ok(Err(path.clone())),
                }
            }
            parts.push(match factor.manifold {
                ManifoldBody::Correlation => self.matrix(record, factor, &columns, Moment::Correlation)?,
                ManifoldBody::Covariance => self.matrix(record, factor, &columns, Moment::Covariance)?,
                _ => normalised(factor, columns.concat()),
            });
        }
        Ok(Ok(parts))
    }

    fn matrix(
        &self,
        record: &Record,
        factor: &FactorBody,
        columns: &[Vec<f64>],
        moment: Moment,
    ) -> Result<Vec<f64>, Problem> {
        let key = record.key.as_str();
        let length = columns.first().map_or(0, Vec::len);
        if columns.iter().any(|column| column.len() != length) {
            let detail = format!("The series of `{}` in the record `{key}` are not of one length.", factor.label());
            return Err(invalid(detail).with("key", key));
        }
        let rows: Vec<f64> =
            (0..length).flat_map(|at| columns.iter().filter_map(move |column| column.get(at).copied())).collect();
        let made = self.geometry.moment(&rows, columns.len() as u32, moment, Shrinkage::LedoitWolf);
        made.map(|path| path.matrices).map_err(|error| match error {
            AnalysisError::Call(error) => error.into(),
            other => invalid(format!("`{}` of the record `{key}`: {other}.", factor.label())).with("key", key),
        })
    }

    /// Sets the sizes by the first point, and checks that those of others are the same.
    fn fit(&mut self, parts: &[Vec<f64>], of: &str) -> Result<(), Problem> {
        let mut sized = Vec::with_capacity(parts.len());
        for (factor, part) in self.body.factors.iter().zip(parts) {
            let (label, count) = (factor.label(), part.len());
            let detail = || format!("{of} has {count} numbers for `{label}`, which has no points of so many.");
            sized.push(factor.sized(count).ok_or_else(|| invalid(detail()))?);
        }
        if self.factors.is_empty() {
            self.factors = sized;
            return Ok(());
        }
        let other = |(a, b): &(&Factor, &Factor)| a.size != b.size;
        if let Some(at) = self.factors.iter().zip(&sized).position(|pair| other(&pair)) {
            let label = self.body.factors.get(at).map(FactorBody::label).unwrap_or_default();
            return Err(invalid(format!(
                "{of} has another number of coordinates for `{label}` than the records before."
            )));
        }
        Ok(())
    }

    /// The records as points; those that lack a field are skipped, and told.
    pub(crate) fn points(
        &mut self,
        node: &Node,
        project: &ProjectName,
        keys: Option<&[String]>,
    ) -> Result<Points, Problem> {
        let mut points = Points::default();
        for record in records(node, project, keys)? {
            match self.coordinates(&record)? {
                Ok(parts) => {
                    self.fit(&parts, &format!("The record `{}`", record.key.as_str()))?;
                    points.keys.push(record.key.as_str().to_owned());
                    parts.iter().for_each(|part| points.numbers.extend(part));
                }
                Err(field) => {
                    points.skipped.count += 1;
                    if points.skipped.first.len() < SKIPPED_SHOWN {
                        points.skipped.first.push(SkippedRecord { key: record.key.as_str().to_owned(), field });
                    }
                }
            }
        }
        Ok(points)
    }

    /// A single point.
    pub(crate) fn point(&mut self, node: &Node, project: &ProjectName, point: &PointBody) -> Result<Vec<f64>, Problem> {
        let key = match point {
            PointBody::At(numbers) => return self.free(numbers),
            PointBody::Key(key) => key,
        };
        let found = self.points(node, project, Some(std::slice::from_ref(key)))?;
        match found.skipped.first.first() {
            Some(skipped) => {
                Err(invalid(format!("The record `{key}` lacks `{}`.", skipped.field)).with("key", key.as_str()))
            }
            None => Ok(found.numbers),
        }
    }

    /// Coordinates that are no record's. Their sizes must be known from records.
    fn free(&self, numbers: &[f64]) -> Result<Vec<f64>, Problem> {
        let width: usize = self.factors.iter().map(width).sum();
        if width == 0 {
            return Err(invalid("No record is a point of this chart, so its number of coordinates is not known."));
        }
        if numbers.len() != width {
            let count = numbers.len();
            return Err(invalid(format!("The point has {count} numbers; those of this chart have {width}.")));
        }
        Ok(numbers.to_vec())
    }

    /// Numbers of a point, factor by factor.
    pub(crate) fn named(&self, mut point: &[f64]) -> Vec<CoordinatesBody> {
        let mut named = Vec::new();
        for (factor, body) in self.factors.iter().zip(&self.body.factors) {
            let (part, rest) = point.split_at(width(factor).min(point.len()));
            point = rest;
            named.push(CoordinatesBody { factor: body.label(), coordinates: part.to_vec() });
        }
        named
    }
}

fn width(factor: &Factor) -> usize {
    let size = factor.size as usize;
    match factor.kind {
        ManifoldKind::Gaussian => 2 * size,
        ManifoldKind::SpdAffineInvariant | ManifoldKind::SpdLogEuclidean | ManifoldKind::SpdBuresWasserstein => {
            size * size
        }
        _ => size,
    }
}

fn normalised(factor: &FactorBody, mut numbers: Vec<f64>) -> Vec<f64> {
    let by = match factor.manifold {
        ManifoldBody::Sphere => numbers.iter().map(|number| number * number).sum::<f64>().sqrt(),
        ManifoldBody::Categorical => numbers.iter().sum(),
        _ => 0.0,
    };
    if factor.normalise && by > 0.0 {
        numbers.iter_mut().for_each(|number| *number /= by);
    }
    numbers
}

/// The named records, all of which must be there, or all of the project.
pub(crate) fn records(node: &Node, project: &ProjectName, keys: Option<&[String]>) -> Result<Vec<Record>, Problem> {
    let Some(keys) = keys else {
        let found = node.replica().scan(project, None, POINTS_MAX + 1)?;
        if found.len() > POINTS_MAX {
            let detail = format!("The project has more than {POINTS_MAX} records; name some with `keys`.");
            return Err(invalid(detail));
        }
        return Ok(found);
    };
    if keys.len() > POINTS_MAX {
        return Err(invalid(format!("`keys` names {} records; at most {POINTS_MAX}.", keys.len())));
    }
    let parsed = keys.iter().map(|key| RecordKey::parse(key)).collect::<Result<Vec<_>, _>>()?;
    let found = node.replica().get_many(project, &parsed)?;
    let mut records = Vec::with_capacity(found.len());
    for (record, key) in found.into_iter().zip(keys) {
        let missing = || Problem::new(Kind::UnknownRecord, format!("There is no record `{key}` in this project."));
        records.push(record.ok_or_else(missing)?);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn record(data: &Value) -> Record {
        Record {
            key: RecordKey::parse("a").unwrap(),
            text: String::new(),
            data: data.as_object().cloned().unwrap(),
            metadata: Map::new(),
            layers: std::collections::BTreeSet::new(),
            links: Vec::new(),
        }
    }

    /// Numbers, arrays and rows are taken; what is absent or null is lacking, what is no number is refused.
    #[test]
    fn fields_are_numbers() {
        let record = record(&json!({"a": {"b": 2.5, "c": [1, 2], "d": [[1, 2], [3, 4]], "e": null, "f": ["x"]}}));
        let of = |path: &str| column(&record, path).unwrap();
        assert_eq!(of("data.a.b"), Some(vec![2.5]));
        assert_eq!(of("data.a.c"), Some(vec![1.0, 2.0]));
        assert_eq!(of("data.a.d"), Some(vec![1.0, 2.0, 3.0, 4.0]));
        assert_eq!((of("data.a.e"), of("data.x"), of("metadata.a")), (None, None, None));
        assert!(column(&record, "data.a.f").is_err() && column(&record, "data.a").is_err());
    }
}

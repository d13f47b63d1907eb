//! From a query's text to the bytes of its answer.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use oxrdf::NamedNode;
use oxttl::{NTriplesSerializer, TurtleSerializer};
use skerry_host::Cancel;
use sparesults::{QueryResultsFormat, QueryResultsSerializer};
use spareval::{DefaultServiceHandler, QueryEvaluationError, QueryEvaluator, QueryResults, QuerySolutionIter};
use spargebra::algebra::GraphPattern;
use spargebra::{Query, SparqlParser};

use super::size::Size;
use super::triples::{Sight, Triples};

/// Bytes of a query at most.
pub const QUERY_BYTES_MAX: usize = 64 << 10;

/// Nesting of a query at most, in brackets and signs: the parser calls itself several times for each.
pub const NESTING_MAX: usize = 64;

/// Bytes of the stack that a query is read and evaluated on; only what is used is ever there. The largest query that is evaluated
/// (see [`Size`]) was seen to use 40 MiB, chains as long as the text may be use less until they are counted and refused.
const STACK_BYTES: usize = 256 << 20;

/// Prefixes that a query need not declare.
pub const PREFIXES: [(&str, &str); 5] = [
    ("rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"),
    ("rdfs", "http://www.w3.org/2000/01/rdf-schema#"),
    ("xsd", "http://www.w3.org/2001/XMLSchema#"),
    ("skerry", "urn:skerry:"),
    ("record", "urn:skerry:record:"),
];

/// What a query may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Time.
    pub deadline: Duration,
    /// Statements and terms looked at; what is held in memory while a query runs grows with them.
    pub steps: u64,
    /// Rows, or triples, of the answer.
    pub rows: usize,
    /// Bytes of the answer.
    pub bytes: usize,
}

impl Default for Limits {
    /// 10 seconds, 50 million steps, 100,000 rows, 64 MiB.
    fn default() -> Self {
        Limits { deadline: Duration::from_secs(10), steps: 50_000_000, rows: 100_000, bytes: 64 << 20 }
    }
}

/// The formats that the caller takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// For SELECT and ASK.
    pub rows: QueryResultsFormat,
    /// For CONSTRUCT and DESCRIBE.
    pub triples: TriplesFormat,
}

/// A format for triples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriplesFormat {
    /// `text/turtle`.
    Turtle,
    /// `application/n-triples`.
    NTriples,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its media type.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Not SPARQL 1.1, or not a query.
    #[error("{words}")]
    Syntax {
        /// The parser's words, with line and column.
        words: String,
        /// From 1.
        line: Option<u64>,
        /// From 1, in characters.
        column: Option<u64>,
    },
    /// Something that is not done here.
    #[error("{0}")]
    Refused(String),
    /// The answer is too large.
    #[error("the answer has more than {0}; ask for less with LIMIT, or page with ORDER BY, LIMIT and OFFSET")]
    TooLarge(String),
    /// The query took too long, or too much.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Why an evaluation was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Stopped {
    /// By the clock.
    #[error("the query was stopped after {} seconds; make it more specific, or ask for less at once", .0.as_secs_f64())]
    Deadline(Duration),
    /// By what it looked at.
    #[error("the query was stopped after looking at {0} statements; make it more specific")]
    Steps(u64),
    /// Whoever asked has gone.
    #[error("whoever asked has gone")]
    Gone,
    /// A fault of ours.
    #[error("there is no term {0}")]
    UnknownTerm(u32),
}

/// Ends an evaluation in time.
#[derive(Debug)]
pub(super) struct Watch {
    limits: Limits,
    ends: Instant,
    cancel: Cancel,
    left: Cell<u64>,
    stopped: Cell<Option<Stopped>>,
}

/// Steps between two looks at the clock.
const CLOCK_EVERY: u64 = 256;

impl Watch {
    fn new(limits: Limits, cancel: &Cancel) -> Watch {
        let ends = Instant::now() + limits.deadline;
        Watch { limits, ends, cancel: cancel.clone(), left: Cell::new(limits.steps), stopped: Cell::new(None) }
    }

    /// Counts a step.
    pub(super) fn look(&self) -> Result<(), Stopped> {
        if let Some(stopped) = self.stopped.get() {
            return Err(stopped);
        }
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        let stopped = if left == 0 {
            Stopped::Steps(self.limits.steps)
        } else if left.is_multiple_of(CLOCK_EVERY) && self.cancel.is_cancelled() {
            Stopped::Gone
        } else if left.is_multiple_of(CLOCK_EVERY) && Instant::now() >= self.ends {
            Stopped::Deadline(self.limits.deadline)
        } else {
            return Ok(());
        };
        self.stopped.set(Some(stopped));
        Err(stopped)
    }
}

/// Answers a query.
///
/// # Errors
/// See [`QueryError`]; all but the last are the caller's.
pub fn answer(
    triples: &Triples,
    text: &str,
    wanted: Wanted,
    limits: Limits,
    cancel: &Cancel,
) -> Result<Answer, QueryError> {
    if text.len() > QUERY_BYTES_MAX {
        let reason = format!("the query has {} bytes; at most {QUERY_BYTES_MAX} are taken", text.len());
        return Err(QueryError::Refused(reason));
    }
    if nesting(text) > NESTING_MAX {
        return Err(QueryError::Refused(format!("the query is nested deeper than {NESTING_MAX} levels")));
    }
    std::thread::scope(|scope| {
        let evaluation = std::thread::Builder::new().name("sparql".to_owned()).stack_size(STACK_BYTES);
        let evaluation = evaluation.spawn_scoped(scope, || evaluate(triples, text, wanted, limits, cancel));
        let evaluation = evaluation.map_err(|error| QueryError::Failed(error.to_string()))?;
        evaluation.join().unwrap_or_else(|_| Err(QueryError::Failed("the evaluation panicked".to_owned())))
    })
}

fn evaluate(
    triples: &Triples,
    text: &str,
    wanted: Wanted,
    limits: Limits,
    cancel: &Cancel,
) -> Result<Answer, QueryError> {
    let query = parse(text)?;
    let asked_service = Arc::new(AtomicBool::new(false));
    let evaluator = EVALUATOR.clone().with_default_service_handler(NoService(Arc::clone(&asked_service)));
    let watch = Watch::new(limits, cancel);
    let results = evaluator.prepare(&query).execute(Sight { triples, watch: &watch });
    let written = results.map_err(|error| evaluation(&error)).and_then(|results| write(results, wanted, &watch));
    // SERVICE SILENT would pass over the refusal, and whoever collects errors may drop a stop: both are asked here again.
    if asked_service.load(Ordering::Relaxed) {
        let reason = "SERVICE asks other servers, which a node does not do; import their data instead";
        return Err(QueryError::Refused(reason.to_owned()));
    }
    match (watch.stopped.get(), written) {
        (Some(stopped), _) => Err(stopped.into()),
        (None, written) => written,
    }
}

static EVALUATOR: LazyLock<QueryEvaluator> = LazyLock::new(QueryEvaluator::new);

/// Reads a query.
fn parse(text: &str) -> Result<Query, QueryError> {
    let mut parser = SparqlParser::new();
    for (name, iri) in PREFIXES {
        parser = parser.with_prefix(name, iri).map_err(|error| QueryError::Failed(error.to_string()))?;
    }
    let query = parser.clone().parse_query(text).map_err(|error| match parser.parse_update(text) {
        Ok(update) if !update.operations.is_empty() => {
            QueryError::Refused("this is an update, and SPARQL here only reads; write with POST /records".to_owned())
        }
        _ => syntax(&error.to_string()),
    })?;
    if let Some(reason) = Size::of(&query).excess() {
        return Err(QueryError::Refused(reason));
    }
    Ok(query)
}

/// The deepest nesting of brackets, and of signs in front of one another; those in texts count, too, which does no harm.
fn nesting(text: &str) -> usize {
    let (mut depth, mut signs, mut deepest) = (0_usize, 0, 0);
    for character in text.chars().filter(|character| !character.is_whitespace()) {
        signs = if matches!(character, '!' | '-' | '+' | '^') { signs + 1 } else { 0 };
        match character {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth + signs);
    }
    deepest
}

/// `error at 1:8: expected ...`.
fn syntax(words: &str) -> QueryError {
    let place = words.strip_prefix("error at ").and_then(|rest| rest.split_once(": "));
    let numbers = place.and_then(|(place, _)| place.split_once(':'));
    let number = |text: &str| text.parse().ok();
    QueryError::Syntax {
        words: words.to_owned(),
        line: numbers.and_then(|(line, _)| number(line)),
        column: numbers.and_then(|(_, column)| number(column)),
    }
}

fn write(results: QueryResults<'_>, wanted: Wanted, watch: &Watch) -> Result<Answer, QueryError> {
    let limits = watch.limits;
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => QueryError::TooLarge(format!("{} bytes", limits.bytes)),
        _ => QueryError::Failed(error.to_string()),
    };
    let bytes = Bounded { bytes: Vec::new(), max: limits.bytes };
    let serializer = QueryResultsSerializer::from_format(wanted.rows);
    let rows_type = wanted.rows.media_type();
    match results {
        QueryResults::Boolean(value) => {
            let written = serializer.serialize_boolean_to_writer(bytes, value).map_err(failed)?;
            Ok(Answer { media_type: rows_type, bytes: written.bytes })
        }
        QueryResults::Solutions(solutions) => {
            let variables = solutions.variables().to_vec();
            let mut writer = serializer.serialize_solutions_to_writer(bytes, variables).map_err(failed)?;
            for (row, solution) in solutions.enumerate() {
                let solution = solution.map_err(|error| evaluation(&error))?;
                check_rows(row, limits)?;
                writer.serialize(&solution).map_err(failed)?;
            }
            Ok(Answer { media_type: rows_type, bytes: writer.finish().map_err(failed)?.bytes })
        }
        QueryResults::Graph(triples) => {
            // CONSTRUCT's answer is a set, and its rows may repeat.
            let mut seen = std::collections::BTreeMap::new();
            for (row, triple) in triples.enumerate() {
                let triple = triple.map_err(|error| evaluation(&error))?;
                check_rows(row, limits)?;
                seen.insert(triple.to_string(), triple);
            }
            let written = match wanted.triples {
                TriplesFormat::NTriples => {
                    let mut writer = NTriplesSerializer::new().for_writer(bytes);
                    seen.values().try_for_each(|triple| writer.serialize_triple(triple)).map_err(failed)?;
                    writer.finish()
                }
                TriplesFormat::Turtle => {
                    let mut serializer = TurtleSerializer::new();
                    for (name, iri) in PREFIXES {
                        let with = serializer.with_prefix(name, iri);
                        serializer = with.map_err(|error| QueryError::Failed(error.to_string()))?;
                    }
                    let mut writer = serializer.for_writer(bytes);
                    seen.values().try_for_each(|triple| writer.serialize_triple(triple)).map_err(failed)?;
                    writer.finish().map_err(failed)?
                }
            };
            let media_type = match wanted.triples {
                TriplesFormat::Turtle => "text/turtle",
                TriplesFormat::NTriples => "application/n-triples",
            };
            Ok(Answer { media_type, bytes: written.bytes })
        }
    }
}

fn check_rows(row: usize, limits: Limits) -> Result<(), QueryError> {
    if row >= limits.rows {
        return Err(QueryError::TooLarge(format!("{} rows", limits.rows)));
    }
    Ok(())
}

fn evaluation(error: &QueryEvaluationError) -> QueryError {
    match error {
        QueryEvaluationError::UnsupportedCustomFunction(_)
        | QueryEvaluationError::UnsupportedCustomFunctionArity { .. } => QueryError::Refused(error.to_string()),
        other => QueryError::Failed(other.to_string()),
    }
}

/// A buffer that takes so many bytes.
struct Bounded {
    bytes: Vec<u8>,
    max: usize,
}

impl std::io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + more.len() > self.max {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Answers SERVICE, by not doing it, and remembers.
struct NoService(Arc<AtomicBool>);

impl DefaultServiceHandler for NoService {
    type Error = QueryEvaluationError;

    fn handle(
        &self,
        name: &NamedNode,
        _: &GraphPattern,
        _: Option<&oxiri::Iri<String>>,
    ) -> Result<QuerySolutionIter<'static>, QueryEvaluationError> {
        self.0.store(true, Ordering::Relaxed);
        Err(QueryEvaluationError::UnsupportedService(name.clone()))
    }
}

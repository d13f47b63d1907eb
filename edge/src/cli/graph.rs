//! `skerry graph`: the links of a project as a graph.

mod draw;
mod print;
mod tree;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::{Client, Refused, segment};
use super::{Globals, Misuse, layer, note, print_json, print_line};

const EXAMPLES: &str = "\
Examples:
  skerry graph neighbours CWE-79                        what is one step away
  skerry graph reach CWE-79 --hops 2 --type parent      a neighbourhood
  skerry graph path CWE-79 CWE-89                       how two records hang together
  skerry graph subtree CWE-74 --levels 2                what stands below, as a tree
  skerry graph lca CWE-79 CWE-89                        what stands above both
  skerry graph pattern '?a -[can-precede]-> ?b; ?b -[parent]-> CWE-119'
  skerry graph centrality --measure page-rank -k 10     the most central records
  skerry graph report                                   sizes, dangling members, circles
  skerry graph sparql 'SELECT ?a { ?a <urn:skerry:type:parent> <urn:skerry:record:CWE-74> }'
  skerry graph draw CWE-79 --hops 2 -o graph.svg        a picture";

const PATTERN_HELP: &str = "\
Patterns:
  ?a -[parent]-> ?b                    a link of two members, from the first to the second; ?a and ?b are variables
  ?a <-[parent]- ?b -[can-precede]-> ?c      a chain
  ?a -[peer-of|can-also-be]- CWE-79    one of two types, in either direction
  ?a -[]-> \"a key with spaces\"         any type
  contract(buyer: ?x, seller: ?y)      a link of any number of members, in these roles
  ?l = parent(child: ?a); of(link: ?l) a link as a member of another
  ?a -[feeds {\"source\": \"chart\"}]-> ?b   with a qualifier
Clauses are separated by ; and joined by the variables that they share.";

const SPARQL_EXAMPLES: &str = "\
Examples:
  skerry graph sparql 'SELECT ?child { ?child <urn:skerry:type:parent>+ record:CWE-74 }'
  skerry graph sparql --format csv 'SELECT ?p (COUNT(*) AS ?n) { ?s ?p ?o } GROUP BY ?p ORDER BY DESC(?n)'
  skerry graph sparql --format turtle 'DESCRIBE record:CWE-79'
  skerry graph sparql - < query.rq";

/// What `skerry graph` does.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct GraphArguments {
    #[command(subcommand)]
    question: Question,
}

/// The part of the graph that is looked at. Keys are given as they are; `link:ID` names a link.
#[derive(Debug, Clone, Default, Args)]
struct Selection {
    /// Only links of this type; may be given several times.
    #[arg(long = "type", short = 't', value_name = "TYPE")]
    types: Vec<String>,
    /// Only links in this layer, or in a set of layers: `web & 2024`, `web | mobile`, `web - old`, `2 of (a, b, c)`.
    #[arg(long, value_name = "LAYER")]
    layer: Option<String>,
    /// Only what is valid at this moment (RFC 3339).
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Which way links of two members are walked [default: both, for hierarchies and metapaths forward].
    #[arg(long, value_enum)]
    direction: Option<Direction>,
    /// Links are nodes between their members, so that links over links are walked, too.
    #[arg(long)]
    star: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Direction {
    Forward,
    Backward,
    Both,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Direction::Forward => "forward",
            Direction::Backward => "backward",
            Direction::Both => "both",
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Length {
    /// Every step is 1.
    Hops,
    /// The links' weights.
    Weight,
    /// 1 / weight, for weights that say how strong a link is.
    Reciprocal,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Measure {
    Degree,
    Strength,
    Closeness,
    Harmonic,
    Betweenness,
    Eigenvector,
    PageRank,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// What is one step away from records.
    Neighbours {
        #[arg(required = true)]
        keys: Vec<String>,
        #[command(flatten)]
        selection: Selection,
    },
    /// What is within some steps of records.
    Reach {
        #[arg(required = true)]
        keys: Vec<String>,
        /// Steps at most.
        #[arg(long, default_value_t = 2)]
        hops: u32,
        /// Nodes at most.
        #[arg(long, default_value_t = 200)]
        limit: u32,
        #[command(flatten)]
        selection: Selection,
    },
    /// A shortest path between two records.
    Path {
        from: String,
        to: String,
        /// How long a step is.
        #[arg(long, value_enum, default_value_t = Length::Hops)]
        length: Length,
        #[command(flatten)]
        selection: Selection,
    },
    /// The links that a record is a member of, with all their members.
    Incidence {
        key: String,
        /// Links at most.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        #[command(flatten)]
        selection: Selection,
    },
    /// Everything that fits a pattern of links with variables.
    #[command(after_help = PATTERN_HELP)]
    Pattern {
        pattern: String,
        /// Rows at most.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Rows to leave out before the first.
        #[arg(long, default_value_t = 0)]
        offset: u32,
        #[command(flatten)]
        selection: Selection,
    },
    /// Where a sequence of typed steps leads: `skerry graph metapath CWE-79 parent ^parent`; ^ walks a step backward, ~ both
    /// ways, and | stands between types.
    Metapath {
        key: String,
        #[arg(required = true)]
        steps: Vec<String>,
        /// Nodes at most.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        selection: Selection,
    },
    /// Connected components, the largest first.
    Components {
        /// Along directions.
        #[arg(long)]
        strong: bool,
        /// Components at most.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        #[command(flatten)]
        selection: Selection,
    },
    /// How central records are.
    Centrality {
        #[arg(long, value_enum, default_value_t = Measure::PageRank)]
        measure: Measure,
        /// Betweenness from so many records only, an estimate.
        #[arg(long)]
        pivots: Option<u32>,
        /// PageRank's damping [default: 0.85].
        #[arg(long)]
        damping: Option<f64>,
        /// PageRank restarts in this record; may be given several times.
        #[arg(long, value_name = "KEY")]
        restart: Vec<String>,
        /// Records at most.
        #[arg(short, long, default_value_t = 20)]
        k: u32,
        #[command(flatten)]
        selection: Selection,
    },
    /// Everything above a record, as a tree.
    Ancestors(Climb),
    /// Everything below a record, nearest first.
    Descendants(Climb),
    /// Everything below a record, as a tree.
    Subtree(Climb),
    /// How many steps records are below the nearest root.
    Depth {
        #[arg(required = true)]
        keys: Vec<String>,
        #[command(flatten)]
        selection: Selection,
    },
    /// The lowest common ancestors of records.
    Lca {
        #[arg(required = true)]
        keys: Vec<String>,
        #[command(flatten)]
        selection: Selection,
    },
    /// Records without a parent that are one.
    Roots {
        #[command(flatten)]
        selection: Selection,
    },
    /// Circles of the hierarchy.
    Cycles {
        #[command(flatten)]
        selection: Selection,
    },
    /// Sizes of the graph, members that are not there, and circles of the hierarchy.
    Report {
        /// Dangling members at most.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Ask by SPARQL 1.1, see docs/sparql.md. The prefixes rdf:, rdfs:, xsd:, skerry: and record: are declared.
    #[command(after_help = SPARQL_EXAMPLES)]
    Sparql {
        /// The query; - reads it from standard input.
        query: String,
        /// How the answer is written [default: a table, triples as Turtle].
        #[arg(long, value_enum)]
        format: Option<Format>,
    },
    /// Draw a neighbourhood as SVG.
    Draw(draw::DrawArguments),
}

/// Where to climb from, and how far.
#[derive(Debug, Args)]
struct Climb {
    key: String,
    /// Levels at most.
    #[arg(long)]
    levels: Option<u32>,
    /// Nodes at most.
    #[arg(long, default_value_t = 500)]
    limit: u32,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Xml,
    Csv,
    Tsv,
    Turtle,
    Ntriples,
}

impl Format {
    fn media_type(self) -> &'static str {
        match self {
            Format::Json => "application/sparql-results+json",
            Format::Xml => "application/sparql-results+xml",
            Format::Csv => "text/csv",
            Format::Tsv => "text/tab-separated-values",
            Format::Turtle => "text/turtle",
            Format::Ntriples => "application/n-triples",
        }
    }
}

impl Selection {
    fn json(&self) -> anyhow::Result<Value> {
        let mut selection = json!({});
        if !self.types.is_empty() {
            selection["types"] = json!(self.types);
        }
        if let Some(layer) = &self.layer {
            selection["layers"] = set_of_layers(layer)?;
        }
        if let Some(at) = &self.at {
            selection["at"] = json!(at);
        }
        if let Some(direction) = self.direction {
            selection["direction"] = json!(direction.name());
        }
        if self.star {
            selection["expansion"] = json!("star");
        }
        Ok(selection)
    }
}

/// A set of layers as `skerry layer records` takes it.
pub(super) fn set_of_layers(text: &str) -> anyhow::Result<Value> {
    Ok(layer::expression::parse(text).map_err(Misuse)?)
}

/// `link:ID` is a link, everything else a key.
fn node(text: &str) -> Value {
    match text.strip_prefix("link:") {
        Some(id) => json!({ "link": id }),
        None => json!({ "key": text }),
    }
}

fn nodes(texts: &[String]) -> Vec<Value> {
    texts.iter().map(|text| node(text)).collect()
}

/// A project's graph behind the API.
struct Graph<'a> {
    client: Client,
    globals: &'a Globals,
}

impl Graph<'_> {
    fn ask(&self, what: &str, body: &Value) -> anyhow::Result<Value> {
        let path = format!("/api/v1/projects/{}/graph/{what}", segment(&self.globals.project));
        self.client.call("POST", &path, Some(body)).map_err(|error| misread(error, self.globals))
    }
}

/// Runs `skerry graph`.
pub(super) fn graph(globals: &Globals, arguments: &GraphArguments) -> anyhow::Result<()> {
    let graph = Graph { client: globals.client()?, globals };
    match &arguments.question {
        Question::Draw(arguments) => return draw::draw(&graph, arguments),
        Question::Sparql { query, format } => return sparql(&graph, query, *format),
        Question::Ancestors(climb) => return climb_tree(&graph, "ancestors", climb),
        Question::Subtree(climb) => return climb_tree(&graph, "descendants", climb),
        _ => {}
    }
    let (what, body) = question(&arguments.question)?;
    let answer = graph.ask(what, &body)?;
    if globals.json { print_json(&answer) } else { print::answer(what, &answer) }
}

/// The operation and its body.
fn question(question: &Question) -> anyhow::Result<(&'static str, Value)> {
    Ok(match question {
        Question::Neighbours { keys, selection } => {
            ("neighbours", json!({ "of": nodes(keys), "selection": selection.json()? }))
        }
        Question::Reach { keys, hops, limit, selection } => {
            ("reach", json!({ "from": nodes(keys), "hops": hops, "limit": limit, "selection": selection.json()? }))
        }
        Question::Path { from, to, length, selection } => {
            let length = match length {
                Length::Hops => "hops",
                Length::Weight => "weight",
                Length::Reciprocal => "reciprocal",
            };
            ("path", json!({ "from": node(from), "to": node(to), "length": length, "selection": selection.json()? }))
        }
        Question::Incidence { key, limit, selection } => {
            ("incidence", json!({ "of": node(key), "limit": limit, "selection": selection.json()? }))
        }
        Question::Pattern { pattern, limit, offset, selection } => {
            ("pattern", json!({ "pattern": pattern, "limit": limit, "offset": offset, "selection": selection.json()? }))
        }
        Question::Metapath { key, steps, limit, selection } => {
            let steps: Vec<Value> = steps.iter().map(|text| step(text)).collect();
            ("metapath", json!({ "from": node(key), "steps": steps, "limit": limit, "selection": selection.json()? }))
        }
        Question::Components { strong, limit, selection } => {
            ("components", json!({ "strong": strong, "limit": limit, "selection": selection.json()? }))
        }
        Question::Centrality { measure, pivots, damping, restart, k, selection } => {
            let measure = match measure {
                Measure::Degree => "degree",
                Measure::Strength => "strength",
                Measure::Closeness => "closeness",
                Measure::Harmonic => "harmonic",
                Measure::Betweenness => "betweenness",
                Measure::Eigenvector => "eigenvector",
                Measure::PageRank => "page_rank",
            };
            let body = json!({ "measure": measure, "pivots": pivots, "damping": damping, "restart": nodes(restart),
                "limit": k, "selection": selection.json()? });
            ("centrality", body)
        }
        Question::Ancestors(climb) => ("ancestors", climb.json()?),
        Question::Descendants(climb) | Question::Subtree(climb) => ("descendants", climb.json()?),
        Question::Depth { keys, selection } => ("depth", json!({ "of": nodes(keys), "selection": selection.json()? })),
        Question::Lca { keys, selection } => {
            ("common-ancestors", json!({ "of": nodes(keys), "selection": selection.json()? }))
        }
        Question::Roots { selection } => ("roots", json!({ "selection": selection.json()? })),
        Question::Cycles { selection } => ("cycles", json!({ "selection": selection.json()? })),
        Question::Report { limit } => ("report", json!({ "limit": limit })),
        Question::Sparql { .. } | Question::Draw(_) => anyhow::bail!("this is asked in another way"),
    })
}

/// `parent`, `^parent`, `~peer-of|can-also-be`, `*`.
fn step(text: &str) -> Value {
    let (direction, types) = match text.strip_prefix('^') {
        Some(types) => ("backward", types),
        None => text.strip_prefix('~').map_or(("forward", text), |types| ("both", types)),
    };
    let types: Vec<&str> = types.split('|').filter(|name| !name.is_empty() && *name != "*").collect();
    json!({ "types": types, "direction": direction })
}

impl Climb {
    fn json(&self) -> anyhow::Result<Value> {
        Ok(json!({ "of": [node(&self.key)], "levels": self.levels, "limit": self.limit,
            "selection": self.selection.json()? }))
    }
}

fn climb_tree(graph: &Graph<'_>, what: &str, climb: &Climb) -> anyhow::Result<()> {
    let answer = graph.ask(what, &climb.json()?)?;
    if graph.globals.json {
        return print_json(&answer);
    }
    tree::lines(&answer).iter().try_for_each(print_line)?;
    print::incomplete(&answer);
    Ok(())
}

fn sparql(graph: &Graph<'_>, query: &str, format: Option<Format>) -> anyhow::Result<()> {
    let query = match query {
        "-" => std::io::read_to_string(std::io::stdin())?,
        query => query.to_owned(),
    };
    let path = format!("/api/v1/projects/{}/sparql", segment(&graph.globals.project));
    let body = json!({ "query": query });
    let accept = match format {
        Some(format) => format.media_type(),
        None if graph.globals.json => "application/sparql-results+json, application/n-triples",
        None => "application/sparql-results+json, text/turtle",
    };
    let answer =
        graph.client.call_for(&path, &body, accept).map_err(|error| misread_sparql(error, &query, graph.globals))?;
    match serde_json::from_str::<Value>(&answer) {
        Ok(rows) if format.is_none() && !graph.globals.json => print::sparql(&rows),
        _ => print_line(answer.trim_end()),
    }
}

/// A mistake in SPARQL is shown under its line.
fn misread_sparql(error: anyhow::Error, query: &str, globals: &Globals) -> anyhow::Error {
    let Some(Refused(problem)) = error.downcast_ref::<Refused>() else { return error };
    let (Some(line), Some(column)) = (problem["line"].as_u64(), problem["column"].as_u64()) else { return error };
    if globals.json {
        return error.context(Misuse("the query cannot be read".to_owned()));
    }
    let text = query.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default();
    let mark = " ".repeat(column.saturating_sub(1) as usize);
    Misuse(format!("{}\n  {text}\n  {mark}^", problem["detail"].as_str().unwrap_or_default())).into()
}

/// A pattern that cannot be read is shown with a mark under the place.
fn misread(error: anyhow::Error, globals: &Globals) -> anyhow::Error {
    let Some(Refused(problem)) = error.downcast_ref::<Refused>() else { return error };
    let (Some(position), Some(pattern)) = (problem["position"].as_u64(), problem["query"].as_str()) else {
        return error;
    };
    if globals.json {
        return error.context(Misuse("the pattern cannot be read".to_owned()));
    }
    let line: String = pattern.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    let detail = problem["detail"].as_str().unwrap_or_default();
    Misuse(format!("{detail}\n  {line}\n  {}^", " ".repeat(position as usize))).into()
}

/// What the answer left out.
fn note_more(answer: &Value) {
    if answer["next_offset"].is_u64() {
        note(format_args!("there is more; go on with --offset {}, or raise --limit", answer["next_offset"]));
    }
}

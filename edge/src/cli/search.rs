//! `skerry query`, `versions` and `duplicates`.

use std::io::IsTerminal;

use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::client::{Refused, segment};
use super::publish::text;
use super::{Globals, Misuse, expression, graph, note, print_json, print_line};

/// Bytes of the part of a record that is shown.
pub(super) const SHOWN_BYTES: u32 = 180;

/// What to look for.
#[derive(Debug, clap::Args)]
pub(super) struct QueryArguments {
    /// Words, "phrases", field:value, -minus (see docs/query-language.md); may be left out with --filter or --like.
    #[arg(required_unless_present_any = ["filter", "like", "near", "subtree", "layer_set"])]
    text: Option<String>,
    /// Take the text as it is: quotes, colons and signs mean nothing.
    #[arg(long, requires = "text")]
    plain: bool,
    /// Find records like the one with this key.
    #[arg(long, value_name = "KEY", conflicts_with = "text")]
    like: Option<String>,
    /// Hits at most, 1 to 1000.
    #[arg(short, long, default_value_t = 10)]
    k: u32,
    /// Hits to leave out before the first, for the next page.
    #[arg(long, default_value_t = 0)]
    offset: u32,
    /// What to search with.
    #[arg(long, value_enum, default_value_t = Mode::Hybrid)]
    mode: Mode,
    /// Only records that pass: a field, one of = != < <= > >= ^= (starts with) in exists, and a value; or the API's JSON. May
    /// be repeated; all must pass.
    ///
    /// Fields are written out: data.severity >= 7, data.owner != "web team", layer in (a, b), key ^= CWE-1, link.type =
    /// parent, metadata.source exists. JSON takes `any`, `not` and `matches` too: {"field": "text", "op": "matches",
    /// "value": "prepared statement"}.
    #[arg(long)]
    filter: Vec<String>,
    /// Weight of meaning against words in a hybrid query, 0 to 1.
    #[arg(long)]
    vector_weight: Option<f32>,
    /// Least cosine similarity of a hit, -1 to 1.
    #[arg(long, value_name = "COSINE", allow_negative_numbers = true)]
    min_similarity: Option<f32>,
    /// Prefer hits that differ from those before them, 0 to 1.
    #[arg(long)]
    diversity: Option<f32>,
    /// Only the best hits of each value of a field.
    #[arg(long, value_name = "FIELD")]
    group_by: Option<String>,
    /// Hits of each group at most.
    #[arg(long, default_value_t = 1, requires = "group_by")]
    group_size: u32,
    /// Ask the project as it was at a version (see `skerry versions`).
    #[arg(long, value_name = "VERSION")]
    at: Option<String>,
    /// Only records within some steps of the record with this key; may be given several times.
    #[arg(long, value_name = "KEY")]
    near: Vec<String>,
    /// Steps at most from --near.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "near")]
    within_hops: u32,
    /// Only what stands below the record with this key, and itself.
    #[arg(long, value_name = "KEY")]
    subtree: Option<String>,
    /// Only records in this layer or set of layers, with what layers inherit: `web & 2024`, `2 of (a, b, c)`.
    #[arg(long, value_name = "SET")]
    layer_set: Option<String>,
    /// Also records that hits lead to in so many steps along links, 1 to 4.
    #[arg(long, value_name = "HOPS")]
    expand: Option<u32>,
    /// What a score is multiplied by for each step [default: 0.5].
    #[arg(long, value_name = "FACTOR", requires = "expand")]
    decay: Option<f32>,
    /// With --expand: only along links of this type; may be given several times.
    #[arg(long, value_name = "TYPE", requires = "expand")]
    along: Vec<String>,
    /// Let this plugin put the best hits into another order, a reranker of `skerry plugins`.
    #[arg(long, value_name = "PLUGIN")]
    rerank: Option<String>,
    /// What the plugin is told; what it means is the plugin's.
    #[arg(long, value_name = "TEXT", requires = "rerank")]
    rerank_argument: Option<String>,
    /// Hits that the plugin is given, at most 1000 [default: 50, or as many as are asked for].
    #[arg(long, value_name = "N", requires = "rerank")]
    rerank_candidates: Option<u32>,
    /// Show where each score comes from.
    #[arg(long)]
    explain: bool,
    /// Breadth of the walk over the graph of a large project, 1 to 4096: more finds more of the true nearest.
    #[arg(long)]
    ef: Option<u32>,
    /// Look at every vector instead of walking the graph of a large project.
    #[arg(long)]
    exact: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Mode {
    /// Meaning and words.
    Hybrid,
    /// Words only (BM25).
    Keyword,
    /// Meaning only (cosine similarity).
    Vector,
}

impl Mode {
    /// As the API names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Mode::Hybrid => "hybrid",
            Mode::Keyword => "keyword",
            Mode::Vector => "vector",
        }
    }
}

/// Runs `skerry query`.
pub(super) fn query(globals: &Globals, arguments: &QueryArguments) -> anyhow::Result<()> {
    let body = body(arguments)?;
    let path = format!("/api/v1/projects/{}/query", segment(&globals.project));
    let answer = globals.client()?.call("POST", &path, Some(&body)).map_err(|error| misread(error, globals))?;
    print_answer(globals, &answer, arguments.offset)
}

/// Prints what a query was answered.
pub(super) fn print_answer(globals: &Globals, answer: &Value, offset: u32) -> anyhow::Result<()> {
    if globals.json {
        return print_json(answer);
    }
    let hits = answer["hits"].as_array().map(Vec::as_slice).unwrap_or_default();
    if hits.is_empty() {
        print_line(format_args!("nothing found among {} records", answer["candidates"]))?;
    }
    for (hit, rank) in hits.iter().zip(1 + offset as usize..) {
        print_hit(hit, rank)?;
    }
    if let Some(reason) = answer["reranked"]["failed"].as_str() {
        note(format_args!("in the query's own order: {reason}"));
    }
    if let Some(reason) = answer["vectors_unavailable"].as_str() {
        note(format_args!("found by words alone: {reason}"));
    }
    if let Some(pending) = answer["vectors_pending"].as_u64() {
        note(format_args!("{pending} records are still being embedded and are found by words only until then"));
    }
    Ok(())
}

fn body(arguments: &QueryArguments) -> anyhow::Result<Value> {
    let mode = arguments.mode.name();
    let mut body = json!({ "k": arguments.k, "offset": arguments.offset, "mode": mode, "explain": arguments.explain,
        "exact": arguments.exact, "highlight": { "bytes": SHOWN_BYTES } });
    let members = [
        (if arguments.plain { "text" } else { "query" }, arguments.text.as_ref().map(|text| json!(text))),
        ("like", arguments.like.as_ref().map(|key| json!(key))),
        ("version", arguments.at.as_ref().map(|version| json!(version))),
        ("similarity_min", arguments.min_similarity.map(|min| json!(min))),
        ("ef", arguments.ef.map(|ef| json!(ef))),
        ("diversity", arguments.diversity.map(|diversity| json!(diversity))),
        ("fusion", arguments.vector_weight.map(|weight| json!({ "convex": { "vector_weight": weight } }))),
        ("group", arguments.group_by.as_ref().map(|field| json!({ "field": field, "size": arguments.group_size }))),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    if !arguments.near.is_empty() {
        body["within"]["neighbourhood"] = json!({ "of": arguments.near, "hops": arguments.within_hops });
    }
    if let Some(key) = &arguments.subtree {
        body["within"]["subtree"] = json!({ "key": key });
    }
    if let Some(set) = &arguments.layer_set {
        body["within"]["layers"] = graph::set_of_layers(set)?;
    }
    if let Some(plugin) = &arguments.rerank {
        body["rerank"] = json!({ "plugin": plugin, "argument": arguments.rerank_argument,
            "candidates": arguments.rerank_candidates });
    }
    if let Some(hops) = arguments.expand {
        body["expand"] = json!({ "hops": hops, "selection": { "types": arguments.along } });
        if let Some(decay) = arguments.decay {
            body["expand"]["decay"] = json!(decay);
        }
    }
    let mut filters =
        arguments.filter.iter().map(|text| expression::parse(text)).collect::<anyhow::Result<Vec<_>>>()?;
    match filters.len() {
        0 => {}
        1 => body["filter"] = filters.remove(0),
        _ => body["filter"] = json!({ "all": filters }),
    }
    Ok(body)
}

/// A query that cannot be read is shown with a mark under the place.
pub(super) fn misread(error: anyhow::Error, globals: &Globals) -> anyhow::Error {
    let Some(Refused(problem)) = error.downcast_ref::<Refused>() else { return error };
    let (Some(position), Some(query)) = (problem["position"].as_u64(), problem["query"].as_str()) else {
        return error;
    };
    if globals.json {
        return error.context(Misuse("the query cannot be read".to_owned()));
    }
    let column = usize::try_from(position).unwrap_or(0);
    let line: String = query.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    let detail = problem["detail"].as_str().unwrap_or_default();
    Misuse(format!("{detail}\n  {line}\n  {}^\nUse --plain to search for the text as it is.", " ".repeat(column)))
        .into()
}

fn print_hit(hit: &Value, rank: usize) -> anyhow::Result<()> {
    let record = &hit["record"];
    let body = text(record, "text");
    let title = ["name", "title"].iter().find_map(|name| record["data"][*name].as_str());
    let title = title.map_or_else(|| body.lines().next().unwrap_or_default().to_owned(), str::to_owned);
    let (bold, dim, plain) = if colours() { ("\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
    let score = hit["score"].as_f64().unwrap_or(0.0);
    let group = match &hit["group"] {
        Value::Null => String::new(),
        Value::String(group) => format!("  [{}]", clip(group, 40)),
        other => format!("  [{other}]"),
    };
    print_line(format_args!(
        "{rank:>2}. {bold}{}{plain}  {}  {dim}score {score:.3}{group}{plain}",
        text(hit, "key"),
        clip(&title, 90)
    ))?;
    let shown = shown(&hit["highlight"], &body, &title, bold, plain);
    if !shown.is_empty() {
        print_line(format_args!("    {shown}"))?;
    }
    if let Some(path) = hit["via"]["path"].as_array() {
        let nodes: Vec<String> =
            path.iter().map(|node| text(node, if node["key"].is_string() { "key" } else { "link" })).collect();
        print_line(format_args!("    {dim}by {}{plain}", clip(&nodes.join(" — "), 160)))?;
    }
    let why = &hit["explanation"];
    if why.is_object() {
        let number = |value: &Value| value.as_f64().map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
        let terms = why["terms"].as_array().into_iter().flatten();
        let terms: Vec<String> =
            terms.map(|term| format!("{} x{} {}", text(term, "term"), term["count"], number(&term["score"]))).collect();
        print_line(format_args!(
            "    {dim}meaning {} (cosine {}) + words {} (BM25 {}: {}){plain}",
            number(&why["vector_part"]),
            number(&hit["vector_score"]),
            number(&why["keyword_part"]),
            number(&hit["keyword_score"]),
            terms.join(", ")
        ))?;
    }
    Ok(())
}

/// The highlighted part of the text, without the title that stands above it; what follows the title when no words are marked.
fn shown(highlight: &Value, body: &str, title: &str, bold: &str, plain: &str) -> String {
    let rest: Vec<&str> = body.strip_prefix(title).unwrap_or(body).split_whitespace().collect();
    let rest = clip(&rest.join(" "), 180);
    let Some(fragments) = highlight["fragments"].as_array() else { return rest };
    let is_cut = highlight["cut_before"] == true;
    let texts: Vec<String> = fragments.iter().map(|fragment| text(fragment, "text")).collect();
    let mut skip = if !is_cut && texts.concat().starts_with(title) { title.len() } else { 0 };
    let mut line = if is_cut { "…".to_owned() } else { String::new() };
    for (fragment, text) in fragments.iter().zip(&texts) {
        let skipped = skip.min(text.len());
        skip -= skipped;
        let clean: String = text
            .get(skipped..)
            .unwrap_or_default()
            .chars()
            .map(|character| if character.is_whitespace() { ' ' } else { character })
            .filter(|character| !character.is_control())
            .collect();
        let clean = if line.is_empty() { clean.trim_start() } else { clean.as_str() };
        if fragment["match"] == true && !clean.is_empty() {
            line.extend([bold, clean, plain]);
        } else {
            line.push_str(clean);
        }
    }
    if line.is_empty() {
        return rest;
    }
    if highlight["cut_after"] == true {
        line.push('…');
    }
    line
}

fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

pub(super) fn clip(text: &str, chars_max: usize) -> String {
    // Escape sequences in stored text must not reach the terminal.
    let clean: String = text.chars().filter(|character| !character.is_control()).collect();
    if clean.chars().count() <= chars_max {
        return clean;
    }
    let cut: String = clean.chars().take(chars_max - 1).collect();
    format!("{}…", cut.trim_end())
}

/// Runs `skerry versions`.
pub(super) fn versions(globals: &Globals, limit: usize) -> anyhow::Result<()> {
    let path = format!("/api/v1/projects/{}/versions?limit={limit}", segment(&globals.project));
    let answer = globals.client()?.call("GET", &path, None)?;
    if globals.json {
        return print_json(&answer);
    }
    for version in answer["versions"].as_array().into_iter().flatten() {
        let time = version["time_ms"].as_i64().and_then(crate::clock::format_ms);
        let time = time.unwrap_or_else(|| "from another replica".to_owned());
        print_line(format_args!("{}  {time}  change {}", text(version, "version"), version["sequence"]))?;
    }
    Ok(())
}

/// How near is near.
#[derive(Debug, clap::Args)]
pub(super) struct DuplicatesArguments {
    /// Least cosine similarity of a pair, 0.5 to 1.
    #[arg(long, value_name = "COSINE", default_value_t = 0.95)]
    min_similarity: f32,
}

/// Runs `skerry duplicates`.
pub(super) fn duplicates(globals: &Globals, arguments: &DuplicatesArguments) -> anyhow::Result<()> {
    let client = globals.client()?;
    let project = client.call("GET", &format!("/api/v1/projects/{}", segment(&globals.project)), None)?;
    let path = format!("/api/v1/projects/{}/duplicates", segment(&globals.project));
    let bar = ProgressBar::new(project["records"].as_u64().unwrap_or(0)).with_message("comparing records");
    let mut pairs = Vec::new();
    let mut pending = 0;
    let mut after = Value::Null;
    loop {
        let body = json!({ "similarity_min": arguments.min_similarity, "limit": 500, "after": after });
        let mut part = client.call("POST", &path, Some(&body))?;
        if let Value::Array(found) = part["pairs"].take() {
            pairs.extend(found);
        }
        pending += part["vectors_pending"].as_u64().unwrap_or(0);
        bar.inc(part["examined"].as_u64().unwrap_or(0));
        after = part["next"].take();
        if after.is_null() {
            break;
        }
    }
    bar.finish_and_clear();
    let similarity = |pair: &Value| pair["similarity"].as_f64().unwrap_or(0.0);
    pairs.sort_by(|a, b| similarity(b).total_cmp(&similarity(a)));
    if globals.json {
        return print_json(&json!({ "pairs": pairs, "vectors_pending": pending }));
    }
    if pending > 0 {
        note(format_args!("{pending} records are still being embedded and were not compared"));
    }
    if pairs.is_empty() {
        print_line(format_args!("no two records are as similar as {}", arguments.min_similarity))?;
    }
    for pair in &pairs {
        let key = |index: usize| pair["keys"][index].as_str().unwrap_or_default().to_owned();
        print_line(format_args!("{:.3}  {}  {}", similarity(pair), key(0), key(1)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::clip;

    /// A record's text is somebody else's: it must not steer the terminal.
    #[test]
    fn control_characters_are_not_printed() {
        assert_eq!(clip("a\u{1b}[31mb\u{7}", 20), "a[31mb");
        assert_eq!(clip("abcdef", 4), "abc…");
    }
}

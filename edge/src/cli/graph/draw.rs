//! `skerry graph draw`: a neighbourhood as SVG, the record in the middle and each step a ring.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Value, json};

use super::print::name;
use super::{Graph, Selection, node};
use crate::cli::search::clip;
use crate::cli::{note, print_line};

/// Nodes of a picture at most: beyond, nobody can read it.
const NODES_MAX: u32 = 400;

/// Links of one node that are drawn at most.
const LINKS_MAX: u32 = 1_000;

/// Length of an arc of a ring that a node has at least, and from ring to ring, in pixels.
const ROOM: f64 = 34.0;
const RING: f64 = 120.0;

/// Characters of a label at most.
const LABEL_CHARS: usize = 22;

/// Colours of types: Okabe and Ito's (2008), which people with colour blindness tell apart, then again.
const COLOURS: [&str; 7] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];

/// What to draw.
#[derive(Debug, clap::Args)]
pub(super) struct DrawArguments {
    /// The record in the middle.
    key: String,
    /// Steps from it at most.
    #[arg(long, default_value_t = 2)]
    hops: u32,
    /// Nodes at most, 1 to 400.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=NODES_MAX as i64))]
    limit: u32,
    /// The file to write; standard output when absent.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
}

/// A node of the picture.
struct Dot {
    ring: u64,
    x: f64,
    y: f64,
    angle: f64,
}

/// A line of the picture: ends, and the type's position in the legend.
struct Line {
    ends: (String, String),
    kind: String,
    /// It has a direction: two members.
    is_arc: bool,
}

/// Runs `skerry graph draw`.
pub(super) fn draw(graph: &Graph<'_>, arguments: &DrawArguments) -> anyhow::Result<()> {
    let selection = arguments.selection.json()?;
    let body = json!({ "from": [node(&arguments.key)], "hops": arguments.hops, "limit": arguments.limit,
        "selection": selection });
    let reached = graph.ask("reach", &body)?;
    let dots = place(&reached);
    let lines = lines(graph, &reached, &selection, &dots)?;
    let picture = svg(&dots, &lines);
    if reached["complete"] == false {
        note(format_args!("only the nearest {} are drawn; raise --limit or ask for fewer --hops", arguments.limit));
    }
    match &arguments.output {
        None => print_line(picture.trim_end()),
        Some(file) => {
            std::fs::write(file, picture).with_context(|| format!("write {}", file.display()))?;
            note(format_args!("{} nodes and {} links in {}", dots.len(), lines.len(), file.display()));
            Ok(())
        }
    }
}

/// Rings by distance; on a ring nodes stand in the order of those that they were reached by, so that few lines cross.
fn place(reached: &Value) -> BTreeMap<String, Dot> {
    let mut rings: BTreeMap<u64, Vec<(String, String)>> = BTreeMap::new();
    for one in reached["nodes"].as_array().into_iter().flatten() {
        let ring = rings.entry(one["distance"].as_u64().unwrap_or(0)).or_default();
        ring.push((name(&one["node"]), name(&one["before"])));
    }
    let mut dots: BTreeMap<String, Dot> = BTreeMap::new();
    let mut radius = 0.0_f64;
    for (ring, nodes) in rings {
        let mut nodes: Vec<(f64, String)> =
            nodes.into_iter().map(|(node, before)| (dots.get(&before).map_or(0.0, |dot| dot.angle), node)).collect();
        nodes.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        let count = nodes.len() as f64;
        if ring > 0 {
            radius = (radius + RING).max(count * ROOM / TAU);
        }
        // Each where the one it was reached by stands, as far as there is room: never nearer to the last than its share.
        let share = TAU / count.max(1.0);
        let first = nodes.first().map_or(0.0, |(angle, _)| *angle);
        for (index, (_, node)) in nodes.into_iter().enumerate() {
            let angle = first + share * index as f64;
            let (sin, cos) = angle.sin_cos();
            dots.insert(node, Dot { ring, x: radius * cos, y: radius * sin, angle: angle.rem_euclid(TAU) });
        }
    }
    dots
}

fn lines(
    graph: &Graph<'_>,
    reached: &Value,
    selection: &Value,
    dots: &BTreeMap<String, Dot>,
) -> anyhow::Result<Vec<Line>> {
    let mut found: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for one in reached["nodes"].as_array().into_iter().flatten() {
        let body = json!({ "of": one["node"], "limit": LINKS_MAX, "selection": selection });
        let answer = graph.ask("incidence", &body)?;
        for link in answer["links"].as_array().into_iter().flatten() {
            let id = link["id"].as_str().unwrap_or_default().to_owned();
            if found.contains_key(&id) {
                continue;
            }
            let kind = link["type"].as_str().unwrap_or_default().to_owned();
            let members: Vec<String> = link["members"].as_array().into_iter().flatten().map(name).collect();
            let itself = format!("link:{id}");
            let pairs: Vec<(String, String)> = match members.as_slice() {
                // Where links are nodes, lines lead to them.
                _ if dots.contains_key(&itself) => {
                    members.iter().map(|member| (member.clone(), itself.clone())).collect()
                }
                [first, second] => vec![(first.clone(), second.clone())],
                // Each member is next to every other.
                members => members
                    .iter()
                    .enumerate()
                    .flat_map(|(at, one)| members.iter().skip(at + 1).map(move |other| (one.clone(), other.clone())))
                    .collect(),
            };
            let is_arc = members.len() == 2 && pairs.len() == 1;
            let both = |(one, other): &(String, String)| dots.contains_key(one) && dots.contains_key(other);
            let lines = pairs.into_iter().filter(both).map(|ends| Line { ends, kind: kind.clone(), is_arc });
            found.insert(id, lines.collect());
        }
    }
    Ok(found.into_values().flatten().collect())
}

fn svg(dots: &BTreeMap<String, Dot>, lines: &[Line]) -> String {
    let mut kinds: Vec<&str> = lines.iter().map(|line| line.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let colour = |kind: &str| {
        let at = kinds.iter().position(|known| *known == kind).unwrap_or(0);
        COLOURS.get(at % COLOURS.len()).copied().unwrap_or("#000000")
    };
    let reach = dots.values().map(|dot| dot.x.abs().max(dot.y.abs())).fold(0.0, f64::max) + 130.0;
    let (width, height) = (2.0 * reach, 2.0 * reach);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{:.0} {:.0} {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect x=\"{:.0}\" y=\"{:.0}\" width=\"100%\" \
         height=\"100%\" fill=\"white\"/>\n<defs>\n",
        -reach, -reach, -reach, -reach
    );
    for (index, kind) in kinds.iter().enumerate() {
        writeln!(
            out,
            "<marker id=\"a{index}\" viewBox=\"0 0 8 8\" refX=\"15\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"{}\"/></marker>",
            colour(kind)
        )
        .ok();
    }
    out.push_str("</defs>\n");
    for line in lines {
        let (Some(from), Some(to)) = (dots.get(&line.ends.0), dots.get(&line.ends.1)) else { continue };
        let at = kinds.iter().position(|kind| *kind == line.kind).unwrap_or(0);
        let marker = if line.is_arc { format!(" marker-end=\"url(#a{at})\"") } else { String::new() };
        writeln!(
            out,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{}\" stroke-opacity=\"0.6\"{marker}/>",
            from.x,
            from.y,
            to.x,
            to.y,
            colour(&line.kind)
        )
        .ok();
    }
    for (name, dot) in dots {
        let (size, fill) = if dot.ring == 0 { (8.0, "#222222") } else { (5.0, "#777777") };
        write!(out, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{size}\" fill=\"{fill}\"/>", dot.x, dot.y).ok();
        // Labels lean outwards, so that those of one ring do not lie on each other.
        let degrees = dot.angle.to_degrees();
        let (turn, side, anchor) = match dot.ring {
            0 => (0.0, 12.0, "start"),
            _ if (90.0..270.0).contains(&degrees) => (degrees - 180.0, -9.0, "end"),
            _ => (degrees, 9.0, "start"),
        };
        // Twice, the first time as a white seam: not every program knows `paint-order`.
        let label = escaped(&clip(name, LABEL_CHARS));
        for seam in [" stroke=\"white\" stroke-width=\"3\"", ""] {
            writeln!(
                out,
                "<text transform=\"translate({:.1} {:.1}) rotate({turn:.1})\" x=\"{side}\" y=\"4\" \
                 text-anchor=\"{anchor}\"{seam}>{label}</text>",
                dot.x, dot.y
            )
            .ok();
        }
    }
    for (index, kind) in kinds.iter().enumerate() {
        let (x, y) = (-reach + 16.0, -reach + 22.0 + 18.0 * index as f64);
        writeln!(
            out,
            "<line x1=\"{x:.0}\" y1=\"{y:.0}\" x2=\"{:.0}\" y2=\"{y:.0}\" stroke=\"{}\" stroke-width=\"3\"/><text x=\"{:.0}\" \
             y=\"{:.0}\">{}</text>",
            x + 22.0, colour(kind), x + 30.0, y + 4.0, escaped(&clip(kind, 40))
        )
        .ok();
    }
    out.push_str("</svg>\n");
    out
}

/// Text in XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

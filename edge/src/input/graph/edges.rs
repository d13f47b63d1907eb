//! Edge lists: an edge a line, its columns told by a header, by the caller, or by what they look like.

use std::io::BufRead;

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Value, json};

use super::super::{InputError, Place};
use super::{Again, Gathered, integer, number};
use crate::body::{IntervalBody, LinkBody, Moment};
use crate::clock;

/// Names of the columns of an edge list, in their order; an empty one is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(pub Vec<String>);

impl std::str::FromStr for Columns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        let has = |what| names.iter().filter(|name| Column::of(name) == what).count() == 1;
        if has(Column::Source) && has(Column::Target) {
            return Ok(Columns(names));
        }
        Err("name one column `source` and one `target`, for instance source,target,weight".to_owned())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    Source,
    Target,
    Kind,
    Weight,
    Layer,
    Since,
    Until,
    Qualifier(String),
    None,
}

impl Column {
    fn of(name: &str) -> Column {
        match name.trim().to_ascii_lowercase().as_str() {
            "source" | "from" | "subject" | "src" | "node1" => Column::Source,
            "target" | "to" | "object" | "dst" | "node2" => Column::Target,
            "type" | "kind" | "predicate" | "relation" => Column::Kind,
            "weight" => Column::Weight,
            "layer" | "layers" => Column::Layer,
            "since" => Column::Since,
            "until" => Column::Until,
            "" => Column::None,
            _ => Column::Qualifier(name.trim().to_owned()),
        }
    }
}

/// Characters of the first lines that the delimiter is told by.
const LOOK_BYTES: usize = 64 << 10;

/// Reads an edge list.
pub(super) fn read(
    mut reader: impl BufRead,
    columns: Option<&Columns>,
    gathered: &mut Gathered,
) -> Result<(), InputError> {
    let mut begin = Vec::new();
    std::io::Read::take(&mut reader, LOOK_BYTES as u64)
        .read_to_end_of(&mut begin)
        .map_err(|error| InputError::Read { file: gathered.file.clone(), reason: error.to_string() })?;
    let first = String::from_utf8_lossy(&begin);
    let first =
        first.trim_start_matches('\u{feff}').lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let delimiter = delimiter(first.unwrap_or_default());
    let whole = std::io::Read::chain(std::io::Cursor::new(begin), reader);
    let mut lines = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(whole);
    let mut named: Option<Vec<Column>> = columns.map(|columns| columns.0.iter().map(|name| Column::of(name)).collect());
    let mut row = StringRecord::new();
    let mut is_first = true;
    loop {
        let more = lines.read_record(&mut row).map_err(|error| fault(gathered, &error))?;
        if !more {
            break;
        }
        let line = row.position().map_or(0, |position| usize::try_from(position.line()).unwrap_or(usize::MAX));
        if std::mem::take(&mut is_first) {
            let header: Vec<Column> = row.iter().map(|name| Column::of(name.trim_start_matches('\u{feff}'))).collect();
            let is_header = header.contains(&Column::Source) && header.contains(&Column::Target);
            match (&named, is_header) {
                // Columns that the caller names count; a header that says the same is none of the edges.
                (Some(_), true) => continue,
                (None, true) => {
                    named = Some(header);
                    continue;
                }
                (Some(_), false) => {}
                (None, false) => named = Some(guess(&row).ok_or_else(|| unclear(gathered, line, row.len()))?),
            }
        }
        let columns = named.as_deref().unwrap_or_default();
        if row.len() != columns.len() {
            let reason = format!("it has {} columns, unlike the {} of the list", row.len(), columns.len());
            return Err(gathered.fault(line, 0, reason));
        }
        edge(&row, columns, line, gathered)?;
    }
    Ok(())
}

/// As much as there is, up to a limit, from a reader that may give less at a time.
trait ReadToEndOf {
    fn read_to_end_of(self, bytes: &mut Vec<u8>) -> std::io::Result<usize>;
}

impl<R: std::io::Read> ReadToEndOf for R {
    fn read_to_end_of(mut self, bytes: &mut Vec<u8>) -> std::io::Result<usize> {
        self.read_to_end(bytes)
    }
}

fn fault(gathered: &Gathered, error: &csv::Error) -> InputError {
    let line = error.position().map_or(0, |position| usize::try_from(position.line()).unwrap_or(usize::MAX));
    gathered.fault(line, 0, error.to_string())
}

fn unclear(gathered: &Gathered, line: usize, found: usize) -> InputError {
    let reason = format!(
        "it does not say which of its {found} columns is which. Give it a header with `source` and `target`, or name them: \
         --columns source,target,weight"
    );
    gathered.fault(line, 0, reason)
}

/// The first of tab, comma, semicolon and space that stands in the first line.
fn delimiter(line: &str) -> u8 {
    [b'\t', b',', b';', b' '].into_iter().find(|sign| line.contains(char::from(*sign))).unwrap_or(b',')
}

/// Two columns are source and target; a number behind them is the weight.
fn guess(row: &StringRecord) -> Option<Vec<Column>> {
    match (row.len(), row.get(2)) {
        (2, _) => Some(vec![Column::Source, Column::Target]),
        (3, Some(third)) if number(third).is_some() => Some(vec![Column::Source, Column::Target, Column::Weight]),
        _ => None,
    }
}

fn edge(row: &StringRecord, columns: &[Column], line: usize, gathered: &mut Gathered) -> Result<(), InputError> {
    let place = Place::Line(line);
    let cell = |what: &Column| {
        let found = columns.iter().position(|column| column == what).and_then(|index| row.get(index));
        found.map(str::trim).filter(|text| !text.is_empty())
    };
    let (Some(source), Some(target)) = (cell(&Column::Source), cell(&Column::Target)) else {
        return Err(gathered.fault(line, 0, "an edge needs a source and a target"));
    };
    let kind = cell(&Column::Kind).unwrap_or("edge");
    let mut link = LinkBody::of(kind, &[("source", source), ("target", target)]);
    if let Some(weight) = cell(&Column::Weight) {
        link.weight = number(weight)
            .ok_or_else(|| gathered.fault(line, 0, format!("the weight `{weight}` is not a finite number")))?;
    }
    link.layers.extend(cell(&Column::Layer).map(str::to_owned));
    let mut valid = IntervalBody::default();
    for (column, end) in [(Column::Since, &mut valid.since), (Column::Until, &mut valid.until)] {
        if let Some(text) = cell(&column) {
            let reason = || format!("`{text}` is not a moment; write it like 2026-11-21T08:30:00Z");
            *end = Some(Moment(clock::parse_ms(text).ok_or_else(|| gathered.fault(line, 0, reason()))?));
        }
    }
    link.valid = valid;
    for (column, text) in columns.iter().zip(row.iter()) {
        if let (Column::Qualifier(name), false) = (column, text.is_empty()) {
            link.qualifiers.insert(name.clone(), value(text));
        }
    }
    for key in [source, target] {
        gathered.record(key, place);
    }
    gathered.link(link, place, Again::Join);
    Ok(())
}

fn value(text: &str) -> Value {
    match text {
        "true" => json!(true),
        "false" => json!(false),
        other => integer(other).or_else(|| number(other).map(|number| json!(number))).unwrap_or_else(|| json!(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, columns: Option<&str>) -> Result<super::super::Graph, InputError> {
        let mut gathered = Gathered::new("e.csv");
        let columns = columns.map(|columns| columns.parse().unwrap());
        read(text.as_bytes(), columns.as_ref(), &mut gathered)?;
        Ok(gathered.finish())
    }

    fn links(text: &str, columns: Option<&str>) -> Vec<String> {
        let graph = read_text(text, columns).unwrap();
        let links = graph.records.into_iter().flat_map(|found| found.record.links);
        links.map(|link| serde_json::to_string(&link).unwrap()).collect()
    }

    /// Every way to say the columns, and every delimiter.
    #[test]
    fn edge_lists_are_read() {
        let plain = links("a,b\n", None);
        assert_eq!(plain, [r#"{"type":"edge","members":[{"role":"source","key":"a"},{"role":"target","key":"b"}]}"#]);
        assert_eq!(links("# from SNAP\na\tb\n", None), plain);
        assert_eq!(links("\u{feff}Source;Target\r\na;b\r\n", None), plain);
        assert_eq!(links("b x a", Some("to,,from")), plain);
        assert_eq!(links("source,target\na,b\n", Some("source,target")), plain);
        let weighted = links("a b 0.5", None);
        assert!(weighted[0].contains("\"weight\":0.5"), "{weighted:?}");
        let full = "source,target,type,weight,layer,since,note\n\"a, first\",b,ferry,2,summer,2026-01-01T00:00:00Z,7\n\"a, first\",b,ferry,3,winter,,\n";
        let full = read_text(full, None).unwrap();
        let link = &full.records[0].record.links[0];
        assert_eq!((link.kind.as_str(), link.weight, link.layers.len()), ("ferry", 3.0, 2));
        assert!(full.notes[0].contains("1 links were said more than once"));
        assert_eq!(full.records.len(), 2);
    }

    /// A fault says its line, and what to do.
    #[test]
    fn faults_have_a_line() {
        let refused = |text: &str| read_text(text, None).unwrap_err().to_string();
        assert!(refused("a,b,c\n").contains("--columns"));
        assert!(refused("source,target,weight\na,b,1\na,b,x\n").starts_with("e.csv:3:"));
        assert!(refused("a,b\na\n").starts_with("e.csv:2:"));
        assert!(refused("source,target,since\na,b,yesterday\n").contains("yesterday"));
        assert!("a,b".parse::<Columns>().is_err());
    }

    /// A record states at most 1,000 links. Those of a hub are stated by their other ends; where those are hubs too, by
    /// records that continue the first.
    #[test]
    fn hubs_are_spread() {
        let star: String = (0..5_000).map(|leaf| format!("hub,leaf{leaf}")).collect::<Vec<_>>().join("\n");
        let graph = read_text(&star, None).unwrap();
        assert_eq!(graph.records.len(), 5_001);
        assert_eq!(graph.records.iter().map(|found| found.record.links.len()).sum::<usize>(), 5_000);
        assert!(graph.records.iter().all(|found| found.record.clone().into_record().is_ok()));
        let again = read_text(&star, None).unwrap();
        let json = |graph: &super::super::Graph| -> Vec<String> {
            graph.records.iter().map(|found| serde_json::to_string(&found.record).unwrap()).collect()
        };
        assert_eq!(json(&graph), json(&again));
        let typed: String = (0..2_500).map(|kind| format!("hub,other,t{kind}")).collect::<Vec<_>>().join("\n");
        let graph = read_text(&typed, Some("source,target,type")).unwrap();
        let keys: Vec<&str> = graph.records.iter().map(|found| found.record.key.as_str()).collect();
        assert_eq!(keys, ["hub", "hub~2", "other"]);
        assert!(graph.records.iter().all(|found| found.record.clone().into_record().is_ok()));
        assert!(graph.notes[0].contains("more than 1000"));
    }
}

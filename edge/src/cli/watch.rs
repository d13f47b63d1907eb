//! `skerry watch`: what changes in a project, as it changes.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::client::{Client, Refused, segment};
use super::{Globals, note, print_line};

/// Time until a lost connection is made again, at first and at most.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What to watch.
#[derive(Debug, clap::Args)]
pub(super) struct WatchArguments {
    /// Begin behind this position, the `sequence` of a line; 0 begins with the first change. From now on when absent.
    #[arg(long, value_name = "N")]
    since: Option<u64>,
    /// Print the records, too.
    #[arg(long)]
    records: bool,
    /// Only changes that this plugin keeps, a subscription filter of `skerry plugins`.
    #[arg(long, value_name = "PLUGIN")]
    filter: Option<String>,
    /// What the filter is told; what it means is the plugin's.
    #[arg(long, value_name = "TEXT", requires = "filter")]
    argument: Option<String>,
}

/// Runs `skerry watch`, until it is stopped or the node refuses.
pub(super) fn watch(globals: &Globals, arguments: &WatchArguments) -> anyhow::Result<()> {
    let client = globals.client()?;
    let base = format!("/api/v1/projects/{}", segment(&globals.project));
    // A position at once: what changes while a first connection is lost is not passed over.
    let mut since = match arguments.since {
        Some(since) => since,
        None => client.call("GET", &format!("{base}/version"), None)?["sequence"].as_u64().unwrap_or(0),
    };
    // As parameters of the path; every byte that could end one is escaped.
    let parameter = |name: &str, value: &Option<String>| {
        value
            .as_ref()
            .map_or_else(String::new, |value| format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
    };
    let chosen = parameter("filter", &arguments.filter) + &parameter("argument", &arguments.argument);
    let mut pause = PAUSE_FIRST;
    loop {
        let path = format!("{base}/changes?since={since}&record={}{chosen}", arguments.records);
        let mut event = Event::default();
        let before = since;
        let ended = client.follow_lines(&path, &mut |line| {
            let Some(event) = event.take_line(line) else { return Ok(()) };
            if event.kind == "problem" {
                return Err(Refused(serde_json::from_str(&event.data)?).into());
            }
            let change: Value = serde_json::from_str(&event.data)?;
            print_line(&change)?;
            since = change["sequence"].as_u64().unwrap_or(since);
            Ok(())
        });
        match ended {
            Err(error) if !Client::may_pass(&error) => return Err(error),
            Err(error) => note(format_args!("skerry: {error:#}; trying again")),
            // The node ends subscriptions when it stops.
            Ok(()) => {}
        }
        pause = if since > before { PAUSE_FIRST } else { (pause * 2).min(PAUSE_MAX) };
        std::thread::sleep(pause);
    }
}

/// A server-sent event, line by line.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Event {
    kind: String,
    data: String,
}

impl Event {
    /// Takes a line; answers the event when the line, an empty one, ends it.
    fn take_line(&mut self, line: &str) -> Option<Event> {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return Some(std::mem::take(self)).filter(|event| !event.data.is_empty());
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.kind),
            "data" if self.data.is_empty() => value.clone_into(&mut self.data),
            "data" => {
                self.data.push('\n');
                self.data.push_str(value);
            }
            // Comments, which are signs of life, and what a change says itself.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format of the HTML standard, as far as the node writes it: comments pass, an empty line ends an event.
    #[test]
    fn events_are_read_line_by_line() {
        let mut event = Event::default();
        let stream = ": alive\n\nid: 4\ndata: {\"a\":1}\n\nevent: problem\r\ndata:x\r\ndata: y\r\n\r\ndata: cut";
        let found: Vec<Event> = stream.split_inclusive('\n').filter_map(|line| event.take_line(line)).collect();
        let made = |kind: &str, data: &str| Event { kind: kind.into(), data: data.into() };
        assert_eq!(found, [made("", "{\"a\":1}"), made("problem", "x\ny")]);
    }
}

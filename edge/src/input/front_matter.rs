//! The block of YAML between two lines `---` in front of a Markdown document.
//!
//! Read are `name: value` with text, numbers, `true`, `false`, `null` and lists in brackets: what note programs and site
//! generators write for titles, dates and tags. This is not YAML: anything else is left out, and said to be.

use serde_json::{Map, Value};

/// What a document had in front.
#[derive(Debug, Default)]
pub(super) struct FrontMatter {
    /// Its values by name.
    pub(super) values: Map<String, Value>,
    /// Lines that were left out, and why.
    pub(super) left_out: Vec<String>,
}

/// Takes the front matter off a document; nothing is taken off one that only begins with a line of its own.
pub(super) fn split(text: &str) -> (FrontMatter, &str) {
    let none = || (FrontMatter::default(), text);
    let mut lines = text.split_inclusive('\n');
    if lines.next().is_none_or(|line| line.trim_end() != "---") {
        return none();
    }
    let mut block = Vec::new();
    let mut closed = false;
    for line in lines.by_ref() {
        if ["---", "..."].contains(&line.trim_end()) {
            closed = true;
            break;
        }
        block.push(line.trim_end());
    }
    let content = || block.iter().filter(|line| !is_nothing(line));
    let named = content().any(|line| entry(line).is_some());
    if !closed || (content().next().is_some() && !named) {
        return none();
    }
    let rest = lines.map(str::len).sum::<usize>();
    (read(&block), text.get(text.len() - rest..).unwrap_or_default())
}

fn is_nothing(line: &str) -> bool {
    line.is_empty() || line.starts_with('#')
}

fn read(block: &[&str]) -> FrontMatter {
    let mut found = FrontMatter::default();
    let mut lines = block.iter().copied().filter(|line| !is_nothing(line)).peekable();
    while let Some(line) = lines.next() {
        let Some((name, value)) = entry(line) else {
            found.left_out.push(format!("{line:?} of its front matter: it is not `name: value`"));
            continue;
        };
        // What stands below a name and belongs to it: a block list, an object, a text over several lines.
        let mut below = false;
        while lines.next_if(|line| line.starts_with([' ', '\t']) || *line == "-" || line.starts_with("- ")).is_some() {
            below = true;
        }
        match if below { None } else { scalar_or_list(value) } {
            Some(value) => drop(found.values.insert(name.to_owned(), value)),
            None => found.left_out.push(format!(
                "`{name}` of its front matter: only text, numbers, true, false, null and lists in [ ] on one line are read"
            )),
        }
    }
    found
}

/// The name and the value of a line `name: value`.
fn entry(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let is_name = |character: char| character.is_alphanumeric() || "_-. ".contains(character);
    let whole = !name.is_empty() && name.chars().all(is_name) && !name.starts_with([' ', '-']);
    (whole && (value.is_empty() || value.starts_with([' ', '\t']))).then(|| (name.trim_end(), value.trim()))
}

fn scalar_or_list(value: &str) -> Option<Value> {
    let Some(inside) = value.strip_prefix('[') else {
        let (value, rest) = scalar(value, &[])?;
        return rest.is_empty().then_some(value);
    };
    let (mut values, mut rest) = (Vec::new(), inside.trim_start());
    loop {
        if let Some(behind) = rest.strip_prefix(']') {
            return uncommented(behind.trim_start(), behind).is_empty().then_some(Value::Array(values));
        }
        let (value, behind) = scalar(rest, &[',', ']'])?;
        values.push(value);
        rest = match behind.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if behind.starts_with(']') => behind,
            None => return None,
        };
    }
}

/// A value and what stands behind it; a plain one ends before one of `ends` or a comment.
fn scalar<'a>(text: &'a str, ends: &[char]) -> Option<(Value, &'a str)> {
    if let Some(inside) = text.strip_prefix('\'') {
        let mut value = String::new();
        let mut rest = inside;
        loop {
            let (part, behind) = rest.split_once('\'')?;
            value.push_str(part);
            let Some(more) = behind.strip_prefix('\'') else {
                return Some((Value::String(value), uncommented(behind.trim_start(), behind)));
            };
            // Two of them stand for one.
            value.push('\'');
            rest = more;
        }
    }
    if text.starts_with('"') {
        // The escapes of JSON, which YAML has too.
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let value = values.next()?.ok()?;
        let behind = text.get(values.byte_offset()..)?;
        return Some((Value::String(value), uncommented(behind.trim_start(), behind)));
    }
    let end = text.find(ends).unwrap_or(text.len());
    let (plain, behind) = text.split_at_checked(end)?;
    let plain = match plain.find(" #") {
        // Behind a comment nothing can follow on the line.
        Some(_) if !ends.is_empty() => return None,
        Some(at) => plain.get(..at)?,
        None => plain,
    };
    let plain = plain.trim();
    // Signs that begin something else in YAML: anchors, tags, texts over several lines, objects, comments.
    let special = plain.starts_with(['&', '*', '!', '|', '>', '{', '}', '[', ']', '%', '@', '`', '#', ',', '"', '\'']);
    if special || plain.contains(": ") || plain.ends_with(':') || (plain.is_empty() && !ends.is_empty()) {
        return None;
    }
    Some((plain_value(plain), behind))
}

/// What stands behind a value, unless it is a comment.
fn uncommented<'a>(trimmed: &'a str, behind: &str) -> &'a str {
    if trimmed.starts_with('#') && trimmed.len() < behind.len() { "" } else { trimmed }
}

fn plain_value(plain: &str) -> Value {
    match plain {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        other => match serde_json::from_str::<serde_json::Number>(other) {
            // A whole number too large for 64 bits is a name rather than a quantity, and would lose digits.
            Ok(number) if number.is_f64() && !other.contains(['.', 'e', 'E']) => other.into(),
            Ok(number) => Value::Number(number),
            Err(_) => other.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values(block: &str) -> Value {
        let text = format!("---\n{block}\n---\nbody");
        let (found, rest) = split(&text);
        assert_eq!((rest, found.left_out), ("body", Vec::new()), "{block}");
        Value::Object(found.values)
    }

    /// What note programs and site generators write.
    #[test]
    fn flat_values_and_lists_are_read() {
        assert_eq!(
            values(
                "title: High water\ndate: 2024-02-29 # leap\ndraft: false\nweight: 7\nratio: -0.5\nid: 20240229120000000000001\nempty:\nnone: ~"
            ),
            json!({"title": "High water", "date": "2024-02-29", "draft": false, "weight": 7, "ratio": -0.5, "id": "20240229120000000000001", "empty": null, "none": null})
        );
        assert_eq!(
            values("# comment\n\na: 'it''s: so'\nb: \"a \\\"b\\\" # c\"  # d\nzip: 01234\nurl: https://a.example/#b"),
            json!({"a": "it's: so", "b": "a \"b\" # c", "zip": "01234", "url": "https://a.example/#b"})
        );
        assert_eq!(
            values("tags: [sea, \"a, b\", 'c]', 3, true]\nnone: [ ]\ncreated at: [x,] # y"),
            json!({"tags": ["sea", "a, b", "c]", 3, true], "none": [], "created at": ["x"]})
        );
        assert_eq!(values(""), json!({}));
    }

    /// The rest of YAML is left out and named; what stands beside it is read.
    #[test]
    fn the_rest_is_left_out_with_a_notice() {
        let text = "---\na: 1\ntags:\n  - x\n  - y\nlist:\n- x\nauthor:\n  name: z\ntext: |\n  long\no: {x: 1}\nr: *a\nl: [[1]]\nopen: [a\nq: \"a\" b\n? odd\nb: 2\n---\n";
        let (found, rest) = split(text);
        assert_eq!((Value::Object(found.values), rest), (json!({"a": 1, "b": 2}), ""));
        let names = ["`tags`", "`list`", "`author`", "`text`", "`o`", "`r`", "`l`", "`open`", "`q`", "\"? odd\""];
        assert_eq!(found.left_out.len(), names.len(), "{:?}", found.left_out);
        names.iter().zip(&found.left_out).for_each(|(name, notice)| assert!(notice.starts_with(name), "{notice}"));
    }

    /// A document that begins with a line of its own, and one whose block never ends, have no front matter.
    #[test]
    fn a_line_is_not_front_matter() {
        for text in ["---\n\nA paragraph.\n\n---\n", "---\na: 1\n", "a: 1\n---\n", " ---\na: 1\n---\n", "", "---"] {
            let (found, rest) = split(text);
            assert_eq!((found.values.len(), rest), (0, text));
        }
        assert_eq!(split("---  \r\na: 1\r\n...\r\nb").1, "b");
    }
}

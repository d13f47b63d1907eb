//! From characters to terms.

use super::{CHARACTERS_MAX, Clause, DEPTH_MAX, Demand, FieldUse, Kind, SyntaxError, Term, error, has_words};
use crate::types::{Comparison, FilterNode, Scalar};

/// A character with its escape resolved.
#[derive(Clone, Copy)]
struct Unit {
    char: char,
    at: u32,
    escaped: bool,
}

impl Unit {
    fn is(self, char: char) -> bool {
        self.char == char && !self.escaped
    }

    fn is_blank(self) -> bool {
        self.char.is_whitespace() && !self.escaped
    }

    fn ends_word(self) -> bool {
        self.is_blank() || self.is('(') || self.is(')') || self.is('"')
    }
}

/// The clauses of a query, and where it names fields.
pub(super) fn scan(input: &str) -> Result<(Vec<Clause>, Vec<FieldUse>), SyntaxError> {
    let mut scanner = Scanner { units: units(input)?, position: 0, depth: 0, fields: Vec::new() };
    let clauses = scanner.clauses(None)?;
    Ok((clauses, scanner.fields))
}

fn units(input: &str) -> Result<Vec<Unit>, SyntaxError> {
    let mut units = Vec::new();
    let mut chars = (0_u32..).zip(input.chars());
    while let Some((at, char)) = chars.next() {
        // A backslash at the very end escapes nothing and is itself.
        let escaped = if char == '\\' { chars.next() } else { None };
        let last = escaped.map_or(at, |(at, _)| at);
        if last as usize >= CHARACTERS_MAX {
            return error(
                CHARACTERS_MAX as u32,
                format!("the query is longer than {CHARACTERS_MAX} characters; shorten it"),
            );
        }
        units.push(Unit { char: escaped.map_or(char, |(_, char)| char), at, escaped: escaped.is_some() });
    }
    Ok(units)
}

struct Scanner {
    units: Vec<Unit>,
    position: usize,
    depth: usize,
    fields: Vec<FieldUse>,
}

impl Scanner {
    fn peek(&self, ahead: usize) -> Option<Unit> {
        self.units.get(self.position + ahead).copied()
    }

    fn is(&self, ahead: usize, char: char) -> bool {
        self.peek(ahead).is_some_and(|unit| unit.is(char))
    }

    fn ends_word(&self, ahead: usize) -> bool {
        self.peek(ahead).is_none_or(Unit::ends_word)
    }

    /// True where a blank, a closing parenthesis or the end stands: nothing there can carry a sign or be a value.
    fn is_bare_end(&self, ahead: usize) -> bool {
        self.peek(ahead).is_none_or(|unit| unit.is_blank() || unit.is(')'))
    }

    /// Offset of what comes next; behind the last character at the end.
    fn at(&self) -> u32 {
        let end = || self.units.last().map_or(0, |last| last.at + 1 + u32::from(last.escaped));
        self.peek(0).map_or_else(end, |unit| unit.at)
    }

    fn until(&mut self, ends: impl Fn(Unit) -> bool) -> Vec<Unit> {
        let taken: Vec<Unit> = self.units.iter().skip(self.position).copied().take_while(|unit| !ends(*unit)).collect();
        self.position += taken.len();
        taken
    }

    /// Clauses up to the end or, inside the parenthesis opened at `open`, past its closing one.
    fn clauses(&mut self, open: Option<u32>) -> Result<Vec<Clause>, SyntaxError> {
        let mut clauses: Vec<Clause> = Vec::new();
        let mut pending_or = None;
        loop {
            self.until(|unit| !unit.is_blank());
            let at = self.at();
            let or = self.is(0, 'O') && self.is(1, 'R') && self.ends_word(2);
            let ended = self.is_bare_end(0);
            let dangling = pending_or.filter(|_| or || ended).or((or && clauses.is_empty()).then_some(at));
            if let Some(at) = dangling {
                return error(at, "`OR` needs a term on both sides; write `\\OR` to search for the word");
            }
            if or {
                pending_or = Some(at);
                self.position += 2;
            } else if ended {
                let closed = self.is(0, ')');
                self.position += usize::from(closed);
                return match open {
                    Some(open) if !closed => error(open, "this parenthesis is not closed; add `)`, or write `\\(`"),
                    Some(open) if clauses.is_empty() => {
                        error(open, "nothing stands between the parentheses; write `\\(\\)` to search for them")
                    }
                    None if closed => error(at, "there is no `(` that this closes; remove it, or write `\\)`"),
                    _ => Ok(clauses),
                };
            } else {
                let term = self.term()?;
                match clauses.last_mut().filter(|_| pending_or.take().is_some()) {
                    Some(clause) => clause.push(term),
                    None => clauses.push(vec![term]),
                }
            }
        }
    }

    fn term(&mut self) -> Result<Term, SyntaxError> {
        let at = self.at();
        let signed = !self.is_bare_end(1) && !self.is(1, '-') && !self.is(1, '+');
        let sign = match self.peek(0) {
            Some(unit) if signed && unit.is('-') => Demand::Excluded,
            Some(unit) if signed && unit.is('+') => Demand::Required,
            _ => Demand::Optional,
        };
        self.position += usize::from(sign != Demand::Optional);
        let kind = if self.is(0, '(') {
            self.group()?
        } else if self.is(0, '"') {
            Kind::Phrase(self.quoted()?)
        } else if let Some(path) = self.field() {
            self.value(path)?
        } else {
            Kind::Word(text(&self.until(Unit::ends_word)))
        };
        Ok(Term { at, sign, kind })
    }

    fn group(&mut self) -> Result<Kind, SyntaxError> {
        let open = self.at();
        if self.depth == DEPTH_MAX {
            return error(open, format!("parentheses go at most {DEPTH_MAX} deep; remove some"));
        }
        self.position += 1;
        self.depth += 1;
        let clauses = self.clauses(Some(open))?;
        self.depth -= 1;
        Ok(Kind::Group(clauses))
    }

    fn quoted(&mut self) -> Result<String, SyntaxError> {
        let open = self.at();
        self.position += 1;
        let inside = self.until(|unit| unit.is('"'));
        if !self.is(0, '"') {
            return error(open, "this quote is not closed; add `\"`, or write `\\\"` to search for one");
        }
        self.position += 1;
        if inside.is_empty() {
            return error(open, "nothing stands between the quotes; write what to look for");
        }
        Ok(text(&inside))
    }

    /// The path of a field named here, past its colon; none, and nothing taken, where a plain word stands.
    fn field(&mut self) -> Option<String> {
        let named = |unit: &&Unit| !unit.escaped && (unit.char.is_ascii_alphanumeric() || "_.-".contains(unit.char));
        let name: String = self.units.iter().skip(self.position).take_while(named).map(|unit| unit.char).collect();
        let length = name.len();
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        // `std::vec` and `http://a` are words that people search for.
        let in_word = self.is(length + 1, ':') || (self.is(length + 1, '/') && self.is(length + 2, '/'));
        if !is_name || !self.is(length, ':') || self.is_bare_end(length + 1) || in_word {
            return None;
        }
        let rooted = ["data.", "metadata."].iter().any(|root| name.len() > root.len() && name.starts_with(root));
        let known = rooted || matches!(name.as_str(), "key" | "layer" | "link.type" | "link.key");
        let path = if known { name } else { format!("data.{name}") };
        self.fields.push(FieldUse { path: path.clone(), at: self.at() });
        self.position += length + 1;
        Some(path)
    }

    fn value(&mut self, path: String) -> Result<Kind, SyntaxError> {
        let at = self.at();
        if self.is(0, '"') {
            let value = self.quoted()?;
            return Ok(equal_or_words(path, vec![Scalar::Text(value.clone())], value));
        }
        if self.is(0, '(') {
            let values = self.list(&path)?;
            return Ok(Kind::Field(path, vec![Comparison::OneOf(values)], FilterNode::Any));
        }
        let or_equal = self.is(1, '=');
        let order: Option<fn(Scalar) -> Comparison> = match self.peek(0) {
            Some(unit) if unit.is('<') && or_equal => Some(Comparison::LessOrEqual),
            Some(unit) if unit.is('>') && or_equal => Some(Comparison::GreaterOrEqual),
            Some(unit) if unit.is('<') => Some(Comparison::Less),
            Some(unit) if unit.is('>') => Some(Comparison::Greater),
            _ => None,
        };
        if let Some(order) = order {
            self.position += 1 + usize::from(or_equal);
            let bound = self.bound(&path)?;
            return Ok(Kind::Field(path, vec![order(bound)], FilterNode::Any));
        }
        let word = self.until(Unit::ends_word);
        let dots = word.windows(2).position(|pair| pair.iter().all(|unit| unit.is('.')));
        Ok(match (word.as_slice(), dots) {
            ([star], _) if star.is('*') => Kind::Field(path, vec![Comparison::Exists], FilterNode::Any),
            // Keys are text: two dots in one are no range.
            (_, Some(dots)) if path != "key" => Kind::Field(path, range(&word, dots, at)?, FilterNode::All),
            ([start @ .., star], _) if star.is('*') => {
                Kind::Field(path, vec![Comparison::Prefix(text(start))], FilterNode::Any)
            }
            _ => equal_or_words(path.clone(), readings(&path, &word), text(&word)),
        })
    }

    /// What stands behind `<` and the like: a number, or text for anything else.
    fn bound(&mut self, path: &str) -> Result<Scalar, SyntaxError> {
        if self.is(0, '"') {
            return self.quoted().map(Scalar::Text);
        }
        let at = self.at();
        let word = self.until(Unit::ends_word);
        if word.is_empty() {
            return error(at, "a value belongs here, without a blank before it, as in `field:>7`");
        }
        Ok(number(&word).filter(|_| path != "key").map_or_else(|| Scalar::Text(text(&word)), Scalar::Number))
    }

    fn list(&mut self, path: &str) -> Result<Vec<Scalar>, SyntaxError> {
        let open = self.at();
        let mut values = Vec::new();
        loop {
            // The opening parenthesis, or the comma before this value.
            self.position += 1;
            self.until(|unit| !unit.is_blank());
            let at = self.at();
            if self.is(0, '"') {
                values.push(Scalar::Text(self.quoted()?));
            } else {
                let word = self.until(|unit| unit.ends_word() || unit.is(','));
                if word.is_empty() && (self.is(0, ')') || self.is(0, ',')) {
                    return error(at, "a value belongs here, as in `field:(a, b, c)`");
                }
                values.extend(readings(path, &word));
            }
            self.until(|unit| !unit.is_blank());
            if self.is(0, ')') {
                self.position += 1;
                return Ok(values);
            }
            if self.peek(0).is_none() {
                return error(open, "this list is not closed; add `)`");
            }
            if !self.is(0, ',') {
                return error(self.at(), "a comma or `)` belongs here; put a value with blanks in quotes");
            }
        }
    }
}

fn text(units: &[Unit]) -> String {
    units.iter().map(|unit| unit.char).collect()
}

/// A finite decimal number; `inf` and `nan`, which Rust would read, are words.
fn number(word: &[Unit]) -> Option<f64> {
    let digits = word.iter().all(|unit| !unit.escaped && (unit.char.is_ascii_digit() || "+-.eE".contains(unit.char)));
    let starts = word.first().is_some_and(|first| first.char != '+');
    if digits && starts { text(word).parse().ok().filter(|value: &f64| value.is_finite()) } else { None }
}

/// What a bare value can be: the text, and what the text reads as. A key is only ever text.
fn readings(path: &str, word: &[Unit]) -> Vec<Scalar> {
    let text = text(word);
    let read = match text.as_str() {
        _ if path == "key" || word.iter().any(|unit| unit.escaped) => None,
        "true" => Some(Scalar::Boolean(true)),
        "false" => Some(Scalar::Boolean(false)),
        "null" => Some(Scalar::Null),
        _ => number(word).map(Scalar::Number),
    };
    std::iter::once(Scalar::Text(text)).chain(read).collect()
}

fn equal_or_words(path: String, values: Vec<Scalar>, phrase: String) -> Kind {
    let words = (path != "key" && has_words(&phrase)).then_some(Comparison::Words(phrase));
    Kind::Field(path, values.into_iter().map(Comparison::Eq).chain(words).collect(), FilterNode::Any)
}

fn range(word: &[Unit], dots: usize, at: u32) -> Result<Vec<Comparison>, SyntaxError> {
    let (low, high) = (word.get(..dots).unwrap_or_default(), word.get(dots + 2..).unwrap_or_default());
    let (least, most) = (number(low), number(high));
    let fits = |side: &[Unit], value: Option<f64>| side.is_empty() || value.is_some();
    if !fits(low, least) || !fits(high, most) || (least.is_none() && most.is_none()) {
        return error(
            at,
            "a range needs numbers, as in `3..9`, `3..` or `..9`; write `>=` and `<=` to compare text, or put text with two dots in quotes",
        );
    }
    let least = least.map(|value| Comparison::GreaterOrEqual(Scalar::Number(value)));
    Ok(least.into_iter().chain(most.map(|value| Comparison::LessOrEqual(Scalar::Number(value)))).collect())
}

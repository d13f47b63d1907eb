//! Sets of layers as people write them: `web & 2024`, `web | mobile`, `web - old`, `2 of (a, b, c)`.

use serde_json::{Value, json};

/// Levels of parentheses at most.
const DEPTH_MAX: usize = 30;

/// Reads an expression into the form of the API. `&` and `-` bind more tightly than `|`, and are read from the left. A name
/// with spaces or signs stands in double quotes; `-` is a sign only between spaces, so `can-precede` is a name.
///
/// # Errors
/// A sentence that says where it cannot be read.
pub(in crate::cli) fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader { text, tokens: tokens(text)?, at: 0 };
    let set = reader.any(DEPTH_MAX)?;
    match reader.next() {
        None => Ok(set),
        Some((token, at)) => Err(reader.fault(at, &format!("{} does not belong here", token.shown()))),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Sign(char),
}

impl Token {
    fn shown(&self) -> String {
        match self {
            Token::Name(name) => format!("`{name}`"),
            Token::Sign(sign) => format!("`{sign}`"),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<(Token, usize)>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        let token = match character {
            space if space.is_whitespace() => continue,
            '&' | '|' | '(' | ')' | ',' => Token::Sign(character),
            '"' => {
                let mut name = String::new();
                loop {
                    match rest.next() {
                        Some((_, '"')) => break Token::Name(name),
                        Some((_, inner)) => name.push(inner),
                        None => return Err(format!("the quotation mark at character {} has no end", at + 1)),
                    }
                }
            }
            first => {
                let mut name = String::from(first);
                while let Some((_, inner)) =
                    rest.next_if(|(_, next)| !next.is_whitespace() && !"&|(),\"".contains(*next))
                {
                    name.push(inner);
                }
                if name == "-" { Token::Sign('-') } else { Token::Name(name) }
            }
        };
        tokens.push((token, at));
    }
    Ok(tokens)
}

struct Reader<'a> {
    text: &'a str,
    tokens: Vec<(Token, usize)>,
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<(Token, usize)> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn is_next(&mut self, sign: char) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|(token, _)| *token == Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn fault(&self, at: usize, what: &str) -> String {
        let before = self.text.get(..at).unwrap_or_default().chars().count();
        format!("the set of layers `{}` cannot be read at character {}: {what}", self.text, before + 1)
    }

    fn any(&mut self, levels: usize) -> Result<Value, String> {
        let mut sets = vec![self.combined(levels)?];
        while self.is_next('|') {
            sets.push(self.combined(levels)?);
        }
        Ok(one_or(sets, "any"))
    }

    fn combined(&mut self, levels: usize) -> Result<Value, String> {
        let mut set = self.single(levels)?;
        loop {
            let mut sets = vec![set];
            if self.is_next('&') {
                sets.push(self.single(levels)?);
                while self.is_next('&') {
                    sets.push(self.single(levels)?);
                }
                set = one_or(sets, "all");
            } else if self.is_next('-') {
                sets.push(self.single(levels)?);
                set = one_or(sets, "without");
            } else {
                return Ok(one_or(sets, "all"));
            }
        }
    }

    fn single(&mut self, levels: usize) -> Result<Value, String> {
        let end = self.text.len();
        let Some(levels) = levels.checked_sub(1) else {
            return Err(self.fault(end, &format!("it nests more than {DEPTH_MAX} levels deep")));
        };
        match self.next() {
            Some((Token::Sign('('), at)) => {
                let set = self.any(levels)?;
                if self.is_next(')') { Ok(set) } else { Err(self.fault(at, "this parenthesis is not closed")) }
            }
            Some((Token::Name(number), at)) if self.is_of() => {
                let n: u32 = number.parse().map_err(|_| self.fault(at, &format!("`{number} of` needs a number")))?;
                self.at += 1;
                if !self.is_next('(') {
                    return Err(self.fault(at, "after `of` comes a list in parentheses, `2 of (a, b, c)`"));
                }
                let mut sets = vec![self.any(levels)?];
                while self.is_next(',') {
                    sets.push(self.any(levels)?);
                }
                if !self.is_next(')') {
                    return Err(self.fault(at, "its list is not closed"));
                }
                if n == 0 || n as usize > sets.len() {
                    return Err(self.fault(at, &format!("{n} of {} layers cannot be asked for", sets.len())));
                }
                Ok(json!({ "at_least": { "n": n, "of": sets } }))
            }
            Some((Token::Name(name), _)) => Ok(Value::String(name)),
            Some((token, at)) => Err(self.fault(at, &format!("a layer is expected, not {}", token.shown()))),
            None => Err(self.fault(end, "a layer is expected")),
        }
    }

    /// Whether the word `of` and a parenthesis are next: `of` alone may be a layer.
    fn is_of(&self) -> bool {
        let token = |offset: usize| self.tokens.get(self.at + offset).map(|(token, _)| token);
        token(0) == Some(&Token::Name("of".to_owned())) && token(1) == Some(&Token::Sign('('))
    }
}

fn one_or(mut sets: Vec<Value>, operator: &str) -> Value {
    match (sets.pop(), sets.is_empty()) {
        (Some(one), true) => one,
        (last, _) => {
            sets.extend(last);
            json!({ operator: sets })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::LayerSetBody;

    /// Each expression is what it looks like, and the API takes it.
    #[test]
    fn expressions_are_read() {
        for (text, set) in [
            ("web", json!("web")),
            ("view:1000", json!("view:1000")),
            ("\"a layer - or & so\"", json!("a layer - or & so")),
            ("a & b & c", json!({"all": ["a", "b", "c"]})),
            ("a | b&c", json!({"any": ["a", {"all": ["b", "c"]}]})),
            ("(a | b) - can-precede", json!({"without": [{"any": ["a", "b"]}, "can-precede"]})),
            ("a - b - c", json!({"without": [{"without": ["a", "b"]}, "c"]})),
            ("a & b - c", json!({"without": [{"all": ["a", "b"]}, "c"]})),
            ("2 of (a, b | c, d)", json!({"at_least": {"n": 2, "of": ["a", {"any": ["b", "c"]}, "d"]}})),
            ("of & 2", json!({"all": ["of", "2"]})),
        ] {
            let read = parse(text).unwrap();
            assert_eq!(read, set, "{text}");
            LayerSetBody::read(&read).unwrap();
        }
    }

    /// What cannot be read is refused with its place.
    #[test]
    fn faults_have_a_place() {
        for (text, part) in [
            ("", "character 1: a layer is expected"),
            ("a &", "character 4: a layer is expected"),
            ("a b", "character 3: `b` does not belong"),
            ("ü (", "character 3"),
            ("(a", "character 1: this parenthesis"),
            ("\"a", "quotation mark at character 1"),
            ("3 of (a, b)", "3 of 2 layers"),
            ("x of (a)", "needs a number"),
            ("2 of (a, b", "not closed"),
        ] {
            let refusal = parse(text).unwrap_err();
            assert!(refusal.contains(part), "{text}: {refusal}");
        }
        assert!(parse(&"(".repeat(5_000)).unwrap_err().contains("levels deep"));
    }
}

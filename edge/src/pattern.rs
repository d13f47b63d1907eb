//! Patterns of links as people write them.
//!
//! ```text
//! ?a -[parent]-> ?b; ?b -[can-precede|can-also-be]-> CWE-79      arcs, joined by what they share
//! ?a <-[parent]- ?b -[parent]-> ?c                               a chain
//! ?a -[peer-of]- "a key with spaces"                             in either direction
//! contract(buyer: ?x, seller: ?y, ?z)                            a link with these members, in roles or any
//! ?l = parent(child: ?a); source(of: ?l)                         a link as a member of another
//! ?a -[feeds {"source": "chart 7"}]-> ?b                         with this qualifier
//! ```
//!
//! Clauses stand side by side with `;`. `?name` is a variable, `@id` a link by its id, everything else a key. No type at all
//! (`-[]->`, `*(..)`) is any.

use serde_json::{Map, Value};

/// Clauses of a pattern at most.
pub const CLAUSES_MAX: usize = 16;

/// Variables of a pattern at most.
pub const VARIABLES_MAX: usize = 16;

/// Bytes of a pattern at most.
pub const BYTES_MAX: usize = 8 << 10;

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// Names of variables, in the order in which they first occur.
    pub variables: Vec<String>,
    /// Links that must be there, all at once.
    pub clauses: Vec<Clause>,
}

/// A link that must be there.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    /// Types; none for any.
    pub types: Vec<String>,
    /// Its members.
    pub members: Members,
    /// The link itself.
    pub this: Option<Term>,
    /// These must be among its qualifiers.
    pub qualifiers: Map<String, Value>,
}

/// Members of a link in a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Members {
    /// The first and the second of two.
    Arc(Term, Term),
    /// Two, whichever is the first.
    Edge(Term, Term),
    /// Different members of a link of any size, in these roles where there is one.
    Of(Vec<(Option<String>, Term)>),
}

/// What stands in a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// A position in the list of variables.
    Variable(usize),
    /// A record.
    Key(String),
    /// A link.
    Link(String),
}

/// A pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {message}", .at + 1)]
pub struct PatternError {
    /// The character, from 0.
    pub at: usize,
    /// What is wrong, and what is expected.
    pub message: String,
}

/// Reads a pattern.
///
/// # Errors
/// [`PatternError`], which points at a character.
pub fn parse(text: &str) -> Result<Pattern, PatternError> {
    if text.len() > BYTES_MAX {
        return Err(PatternError { at: 0, message: format!("a pattern has at most {BYTES_MAX} bytes") });
    }
    let mut reader = Reader { text, at: 0, variables: Vec::new() };
    let mut clauses = Vec::new();
    loop {
        reader.space();
        if reader.rest().is_empty() && !clauses.is_empty() {
            break;
        }
        reader.clause(&mut clauses)?;
        if clauses.len() > CLAUSES_MAX {
            return Err(reader.fail(&format!("a pattern has at most {CLAUSES_MAX} links")));
        }
        reader.space();
        if !reader.take(";") && !reader.rest().is_empty() {
            return Err(reader.fail("expected `;` and another link, or an arrow like -[type]->, or the end"));
        }
    }
    Ok(Pattern { variables: reader.variables, clauses })
}

struct Reader<'a> {
    text: &'a str,
    /// A byte, between characters.
    at: usize,
    variables: Vec<String>,
}

/// How an arrow points.
#[derive(Clone, Copy, PartialEq)]
enum Points {
    Forward,
    Backward,
    Nowhere,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fail(&self, message: &str) -> PatternError {
        let before = self.text.get(..self.at).unwrap_or_default();
        PatternError { at: before.chars().count(), message: message.to_owned() }
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    /// A chain of arcs, or a link with its members in parentheses.
    fn clause(&mut self, clauses: &mut Vec<Clause>) -> Result<(), PatternError> {
        let start = self.at;
        if self.rest().starts_with('?') || self.rest().starts_with('@') {
            let this = self.term()?;
            self.space();
            if self.take("=") {
                self.space();
                clauses.push(self.link(Some(this))?);
                return Ok(());
            }
            return self.arcs(this, clauses);
        }
        let name = self.name("()")?;
        if self.rest().starts_with('(') {
            self.at = start;
            clauses.push(self.link(None)?);
            return Ok(());
        }
        self.arcs(Term::Key(name), clauses)
    }

    fn arcs(&mut self, first: Term, clauses: &mut Vec<Clause>) -> Result<(), PatternError> {
        let mut from = first;
        let mut arrows = 0;
        loop {
            self.space();
            let backward = self.take("<-[");
            if !backward && !self.take("-[") {
                if arrows == 0 {
                    return Err(self.fail("expected an arrow: -[type]->, <-[type]- or -[type]-"));
                }
                return Ok(());
            }
            arrows += 1;
            let (types, qualifiers) = self.types(']')?;
            let points = match (backward, self.take("]->"), self.take("]-")) {
                (false, true, _) => Points::Forward,
                (true, false, true) => Points::Backward,
                (false, false, true) => Points::Nowhere,
                (true, true, _) => return Err(self.fail("an arrow points one way: <-[type]- or -[type]->")),
                _ => return Err(self.fail("expected ]-> or ]- behind the types of the arrow")),
            };
            self.space();
            let to = self.term()?;
            let members = match points {
                Points::Forward => Members::Arc(from, to.clone()),
                Points::Backward => Members::Arc(to.clone(), from),
                Points::Nowhere => Members::Edge(from, to.clone()),
            };
            clauses.push(Clause { types, members, this: None, qualifiers });
            if clauses.len() > CLAUSES_MAX {
                return Err(self.fail(&format!("a pattern has at most {CLAUSES_MAX} links")));
            }
            from = to;
        }
    }

    /// `type(role: member, member)`.
    fn link(&mut self, this: Option<Term>) -> Result<Clause, PatternError> {
        let (types, qualifiers) = self.types('(')?;
        if !self.take("(") {
            return Err(self.fail("expected the members in parentheses: type(role: member, ..)"));
        }
        let mut members = Vec::new();
        loop {
            self.space();
            if self.take(")") && (this.is_some() || !members.is_empty()) {
                break;
            }
            members.push(self.member()?);
            self.space();
            if self.take(")") {
                break;
            }
            if !self.take(",") {
                return Err(self.fail("expected `,` and another member, or `)`"));
            }
        }
        Ok(Clause { types, members: Members::Of(members), this, qualifiers })
    }

    fn member(&mut self) -> Result<(Option<String>, Term), PatternError> {
        if self.rest().starts_with(['?', '@']) {
            return Ok((None, self.term()?));
        }
        let start = self.at;
        let name = self.name(":")?;
        self.space();
        // A key may have colons in it; behind that of a role there is a space, a variable, a quote or a link.
        let behind = self.rest().strip_prefix(':');
        if behind.is_some_and(|rest| rest.starts_with([' ', '\t', '\n', '?', '"', '@'])) {
            self.take(":");
            self.space();
            return Ok((Some(name), self.term()?));
        }
        self.at = start;
        Ok((None, self.term()?))
    }

    /// Types with `|` between them, and qualifiers; what ends them is left.
    fn types(&mut self, end: char) -> Result<(Vec<String>, Map<String, Value>), PatternError> {
        let (mut types, mut qualifiers) = (Vec::new(), Map::new());
        self.space();
        if self.take("*") {
            self.space();
        } else {
            while !self.rest().starts_with(end) && !self.rest().starts_with('{') {
                types.push(self.name("|]({")?);
                self.space();
                if !self.take("|") {
                    break;
                }
                self.space();
                if self.rest().starts_with(end) {
                    return Err(self.fail("expected another type behind `|`"));
                }
            }
        }
        if self.rest().starts_with('{') {
            let mut read = serde_json::Deserializer::from_str(self.rest()).into_iter::<Map<String, Value>>();
            match read.next() {
                Some(Ok(object)) => qualifiers = object,
                Some(Err(error)) => return Err(self.fail(&format!("qualifiers are JSON: {error}"))),
                None => {}
            }
            self.at += read.byte_offset();
            self.space();
        }
        if !self.rest().starts_with(end) {
            return Err(self.fail(&format!("expected `{end}` or `|` and another type")));
        }
        Ok((types, qualifiers))
    }

    fn term(&mut self) -> Result<Term, PatternError> {
        if self.take("?") {
            let rest = self.rest();
            let end = rest.find(|character: char| !(character.is_alphanumeric() || character == '_'));
            let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            if name.is_empty() {
                return Err(self.fail("a variable has a name: ?a"));
            }
            self.at += name.len();
            if let Some(known) = self.variables.iter().position(|known| known == name) {
                return Ok(Term::Variable(known));
            }
            if self.variables.len() == VARIABLES_MAX {
                return Err(self.fail(&format!("a pattern has at most {VARIABLES_MAX} variables")));
            }
            self.variables.push(name.to_owned());
            return Ok(Term::Variable(self.variables.len() - 1));
        }
        if self.take("@") {
            return Ok(Term::Link(self.name("()")?));
        }
        Ok(Term::Key(self.name("()")?))
    }

    /// A name, in quotes or up to white space, `;`, `,`, an arrow, or one of `ends`.
    fn name(&mut self, ends: &str) -> Result<String, PatternError> {
        let rest = self.rest();
        if rest.starts_with('"') {
            let mut quoted = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let Some(Ok(name)) = quoted.next() else {
                return Err(self.fail("the quotes do not end, or hold something that JSON does not take"));
            };
            self.at += quoted.byte_offset();
            return Ok(name);
        }
        let stops =
            |character: char| character.is_whitespace() || ";,)".contains(character) || ends.contains(character);
        let ended = rest.find(stops).unwrap_or(rest.len());
        let arrow = ["-[", "<-["].iter().filter_map(|arrow| rest.find(arrow)).min().unwrap_or(rest.len());
        let name = rest.get(..ended.min(arrow)).unwrap_or_default();
        if name.is_empty() {
            return Err(self.fail("expected a name: ?variable, key, \"key\" or @link"));
        }
        self.at += name.len();
        Ok(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn arc(types: &[&str], members: Members) -> Clause {
        Clause {
            types: types.iter().map(|&name| name.to_owned()).collect(),
            members,
            this: None,
            qualifiers: Map::new(),
        }
    }

    fn key(name: &str) -> Term {
        Term::Key(name.to_owned())
    }

    /// The forms that the help shows.
    #[test]
    fn arcs_are_read() {
        use Term::Variable as V;
        let read = parse("?a -[parent]-> ?b; ?b-[can-precede|can-also-be]->CWE-79").unwrap();
        assert_eq!(read.variables, ["a", "b"]);
        let expected = [
            arc(&["parent"], Members::Arc(V(0), V(1))),
            arc(&["can-precede", "can-also-be"], Members::Arc(V(1), key("CWE-79"))),
        ];
        assert_eq!(read.clauses, expected);
        let chain = parse("?a <-[parent]- ?b -[]- \"x y\";").unwrap();
        let expected = [arc(&["parent"], Members::Arc(V(1), V(0))), arc(&[], Members::Edge(V(1), key("x y")))];
        assert_eq!(chain.clauses, expected);
        assert_eq!(parse("a <-[t]- b").unwrap().clauses, [arc(&["t"], Members::Arc(key("b"), key("a")))]);
    }

    /// Links with roles, with themselves as members, and with qualifiers.
    #[test]
    fn links_are_read() {
        use Term::Variable as V;
        let read = parse("contract(buyer: ?x, seller: \"A, Ltd\", http://x/y)").unwrap();
        let members = vec![
            (Some("buyer".to_owned()), V(0)),
            (Some("seller".to_owned()), key("A, Ltd")),
            (None, key("http://x/y")),
        ];
        assert_eq!(read.clauses, [arc(&["contract"], Members::Of(members))]);
        let over = parse("?l = parent(child: ?a); *(of: ?l); @00ff -[cites {\"page\": 7}]-> ?a").unwrap();
        assert_eq!(over.clauses[0].this, Some(V(0)));
        assert_eq!(over.clauses[1].types, [""; 0]);
        assert_eq!(over.clauses[2].qualifiers, json!({"page": 7}).as_object().unwrap().clone());
        assert_eq!(over.clauses[2].members, Members::Arc(Term::Link("00ff".to_owned()), V(1)));
    }

    /// Each mistake is pointed at.
    #[test]
    fn mistakes_point_at_a_character() {
        for (text, at, part) in [
            ("", 0, "expected a name"),
            ("?a", 2, "an arrow"),
            ("?a -[parent]> ?b", 11, "]-> or ]-"),
            ("?a <-[parent]-> ?b", 15, "one way"),
            ("?ä -[x", 6, "`]`"),
            ("?a -[x|]-> ?b", 7, "another type"),
            ("? -[x]-> b", 1, "has a name"),
            ("?a -[x]-> ", 10, "expected a name"),
            ("?a -[x]-> ?b ?c", 13, "expected `;`"),
            ("c(?a", 4, "`,`"),
            ("c()", 3, "expected a name"),
            ("?a -[x]-> \"b", 10, "quotes"),
            ("?a -[x {\"b\": ]-> ?b", 7, "JSON"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.at, error.message.contains(part)), (at, true), "{text}: {error}");
        }
        let many = vec!["a -[x]-> b"; CLAUSES_MAX + 1].join(";");
        assert!(parse(&many).unwrap_err().message.contains("at most 16 links"));
    }
}

//! How large a query is, counted in its algebra before anything is evaluated.
//!
//! Patterns and expressions become trees that the library walks by calling itself, and it orders the patterns of a query by comparing
//! all of them with one another: both grow with what is counted here, whatever the text looks like.

use std::collections::BTreeMap;

use spargebra::Query;
use spargebra::algebra::{
    AggregateExpression, AggregateFunction, Expression, Function, GraphPattern, OrderExpression, PropertyPathExpression,
};

/// Patterns of a query at most: triple patterns, steps of paths, and OPTIONAL, UNION, MINUS, BIND, groups and the like. So many triple
/// patterns take half a second to order, and 8 MiB of stack; both grow faster than they do.
pub(super) const PATTERNS_MAX: usize = 200;

/// Operators, functions and operands of a query at most, but for the constants of an IN; so long a sum takes 32 MiB of stack.
pub(super) const OPERANDS_MAX: usize = 1_000;

/// Stars and pluses of paths in one another at most: each multiplies what there is to walk.
pub(super) const PATH_STARS_MAX: usize = 2;

/// Combinations of inline rows (`VALUES`) at most: they take time without looking anything up.
pub(super) const INLINE_ROWS_MAX: usize = 1_000_000;

/// How many times longer than what is stored a text may become by `CONCAT`, `REPLACE` and `GROUP_CONCAT`. A row of BINDs could double it each
/// time.
pub(super) const GROWTH_MAX: u64 = 1_000;

/// What a `GROUP_CONCAT` counts as: one may be inside of a few CONCATs, not of another.
const GROUP_GROWTH: u64 = 100;

/// What there is in a query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// See [`PATTERNS_MAX`].
    pub(super) patterns: usize,
    /// See [`OPERANDS_MAX`].
    pub(super) operands: usize,
    /// See [`PATH_STARS_MAX`].
    pub(super) path_stars: usize,
    /// See [`INLINE_ROWS_MAX`].
    pub(super) inline_rows: usize,
    /// See [`GROWTH_MAX`].
    pub(super) growth: u64,
}

impl Size {
    /// Counts. Calls itself as deep as the algebra is: to be called on the stack that evaluation has.
    pub(super) fn of(query: &Query) -> Size {
        let (Query::Select { pattern, .. }
        | Query::Construct { pattern, .. }
        | Query::Describe { pattern, .. }
        | Query::Ask { pattern, .. }) = query;
        let size = Size { inline_rows: 1, growth: 1, ..Size::default() };
        let mut counter = Counter { size, growths: BTreeMap::new() };
        counter.pattern(pattern);
        counter.size
    }

    /// What there is too much of, in words.
    pub(super) fn excess(self) -> Option<String> {
        let Size { patterns, operands, path_stars, inline_rows, growth } = self;
        if patterns > PATTERNS_MAX {
            let of = "triple patterns, steps of paths and groups";
            return Some(format!("the query has {patterns} {of}; at most {PATTERNS_MAX} are taken"));
        }
        if operands > OPERANDS_MAX {
            let instead = "a long list is shorter with IN or VALUES";
            return Some(format!("the query has {operands} operands; at most {OPERANDS_MAX} are taken: {instead}"));
        }
        if path_stars > PATH_STARS_MAX {
            return Some(format!(
                "the query has paths with {path_stars} `*` or `+` in one another; at most {PATH_STARS_MAX} are taken"
            ));
        }
        if inline_rows > INLINE_ROWS_MAX {
            return Some(format!("the VALUES of the query have more than {INLINE_ROWS_MAX} combinations"));
        }
        if growth > GROWTH_MAX {
            let by = "by CONCAT, REPLACE or GROUP_CONCAT of one another";
            return Some(format!("the query can make texts more than {GROWTH_MAX} times longer, {by}"));
        }
        None
    }
}

/// Walks through a query, the inner patterns first.
struct Counter<'a> {
    size: Size,
    /// How much longer than what is stored the values of variables can be, of those that are made here.
    growths: BTreeMap<&'a str, u64>,
}

impl<'a> Counter<'a> {
    fn made(&mut self, variable: &'a str, growth: u64) {
        let known = self.growths.entry(variable).or_insert(1);
        *known = growth.max(*known);
        self.size.growth = self.size.growth.max(growth);
    }

    fn pattern(&mut self, pattern: &'a GraphPattern) {
        self.size.patterns += 1;
        match pattern {
            GraphPattern::Bgp { patterns } => self.size.patterns += patterns.len(),
            GraphPattern::Path { path, .. } => self.path(path, 0),
            GraphPattern::Values { bindings, .. } => {
                self.size.inline_rows = self.size.inline_rows.saturating_mul(bindings.len().max(1));
            }
            GraphPattern::Join { left, right }
            | GraphPattern::Union { left, right }
            | GraphPattern::Minus { left, right } => {
                self.pattern(left);
                self.pattern(right);
            }
            GraphPattern::LeftJoin { left, right, expression } => {
                self.pattern(left);
                self.pattern(right);
                if let Some(expression) = expression {
                    self.expression(expression);
                }
            }
            GraphPattern::Filter { expr, inner } => {
                self.pattern(inner);
                self.expression(expr);
            }
            GraphPattern::Extend { inner, variable, expression } => {
                self.pattern(inner);
                let growth = self.expression(expression);
                self.made(variable.as_str(), growth);
            }
            GraphPattern::OrderBy { inner, expression } => {
                self.pattern(inner);
                for OrderExpression::Asc(expression) | OrderExpression::Desc(expression) in expression {
                    self.expression(expression);
                }
            }
            GraphPattern::Group { inner, aggregates, .. } => {
                self.pattern(inner);
                for (variable, aggregate) in aggregates {
                    let growth = match aggregate {
                        AggregateExpression::CountSolutions { .. } => 1,
                        AggregateExpression::FunctionCall { name, expr, .. } => {
                            let joins = matches!(name, AggregateFunction::GroupConcat { .. });
                            self.expression(expr).saturating_mul(if joins { GROUP_GROWTH } else { 1 })
                        }
                    };
                    self.size.operands += 1;
                    self.made(variable.as_str(), growth);
                }
            }
            GraphPattern::Graph { inner, .. }
            | GraphPattern::Project { inner, .. }
            | GraphPattern::Distinct { inner }
            | GraphPattern::Reduced { inner }
            | GraphPattern::Slice { inner, .. }
            | GraphPattern::Service { inner, .. } => self.pattern(inner),
        }
    }

    fn path(&mut self, path: &PropertyPathExpression, stars: usize) {
        self.size.patterns += 1;
        self.size.path_stars = self.size.path_stars.max(stars);
        match path {
            PropertyPathExpression::NamedNode(_) => {}
            PropertyPathExpression::NegatedPropertySet(names) => self.size.patterns += names.len(),
            PropertyPathExpression::Reverse(inner) | PropertyPathExpression::ZeroOrOne(inner) => {
                self.path(inner, stars);
            }
            PropertyPathExpression::ZeroOrMore(inner) | PropertyPathExpression::OneOrMore(inner) => {
                self.path(inner, stars + 1);
            }
            PropertyPathExpression::Sequence(one, other) | PropertyPathExpression::Alternative(one, other) => {
                self.path(one, stars);
                self.path(other, stars);
            }
        }
    }

    /// Answers how much longer than what is stored its value can be.
    fn expression(&mut self, expression: &'a Expression) -> u64 {
        self.size.operands += 1;
        let growth = match expression {
            Expression::NamedNode(_) | Expression::Literal(_) | Expression::Bound(_) => 1,
            Expression::Variable(variable) => self.growths.get(variable.as_str()).copied().unwrap_or(1),
            Expression::Or(one, other)
            | Expression::And(one, other)
            | Expression::Equal(one, other)
            | Expression::SameTerm(one, other)
            | Expression::Greater(one, other)
            | Expression::GreaterOrEqual(one, other)
            | Expression::Less(one, other)
            | Expression::LessOrEqual(one, other)
            | Expression::Add(one, other)
            | Expression::Subtract(one, other)
            | Expression::Multiply(one, other)
            | Expression::Divide(one, other) => self.expression(one).max(self.expression(other)),
            Expression::UnaryPlus(inner) | Expression::UnaryMinus(inner) | Expression::Not(inner) => {
                self.expression(inner)
            }
            Expression::Exists(pattern) => {
                self.pattern(pattern);
                1
            }
            Expression::If(condition, one, other) => {
                self.expression(condition);
                self.expression(one).max(self.expression(other))
            }
            Expression::In(inner, list) => {
                let constant = |one: &&Expression| matches!(one, Expression::NamedNode(_) | Expression::Literal(_));
                for one in list.iter().filter(|one| !constant(one)) {
                    self.expression(one);
                }
                self.expression(inner)
            }
            Expression::Coalesce(list) => list.iter().map(|one| self.expression(one)).max().unwrap_or(1),
            Expression::FunctionCall(function, list) => {
                let parts: Vec<u64> = list.iter().map(|one| self.expression(one)).collect();
                grown(function, list, &parts)
            }
        };
        self.size.growth = self.size.growth.max(growth);
        growth
    }
}

/// How much longer a function's value can be, by its arguments and how much longer those are.
fn grown(function: &Function, arguments: &[Expression], parts: &[u64]) -> u64 {
    let longest = parts.iter().copied().max().unwrap_or(1);
    match function {
        // What is written in the query is short.
        Function::Concat => {
            let made = arguments.iter().zip(parts).filter(|(one, _)| !matches!(one, Expression::Literal(_)));
            made.map(|(_, part)| *part).fold(0, u64::saturating_add).max(1)
        }
        // Every place between two characters can be replaced, and the replacement can name what was found again and again.
        Function::Replace => match arguments.get(2) {
            Some(Expression::Literal(literal)) => longest.saturating_mul(literal.value().len().max(1) as u64),
            _ => u64::MAX,
        },
        // Three characters for one.
        Function::EncodeForUri => longest.saturating_mul(3),
        _ => longest,
    }
}

#[cfg(test)]
mod tests {
    use spargebra::SparqlParser;

    use super::*;

    fn size(query: &str) -> Size {
        Size::of(&SparqlParser::new().parse_query(query).unwrap())
    }

    /// By hand: the projection, a group and two triples; an operator with two operands, and an IN with its one.
    #[test]
    fn everything_counts() {
        let found = size("SELECT * { ?a ?b ?c, ?d FILTER(?a = ?b && ?c IN (1, 2, 3)) }");
        assert_eq!(found, Size { patterns: 5, operands: 6, path_stars: 0, inline_rows: 1, growth: 1 });
        assert_eq!(size("SELECT * { ?a (<x:p>*/<x:q>)+ ?b }").path_stars, 2);
        assert!(size("SELECT * { ?a ((<x:p>*)*)* ?b }").excess().is_some());
        assert!(size(&format!("SELECT * {{ {} }}", "OPTIONAL { ?a ?b ?c } ".repeat(100))).excess().is_some());
        let doubled = |n: usize| {
            (0..n).map(|at| format!("BIND(CONCAT(?x{at}, ?x{at}) AS ?x{}) ", at + 1)).collect::<Vec<_>>().concat()
        };
        assert_eq!(size(&format!("SELECT * {{ ?a ?b ?x0 {} }}", doubled(5))).growth, 32);
        assert!(size(&format!("SELECT * {{ ?a ?b ?x0 {} }}", doubled(90))).excess().is_some());
        assert_eq!(size(&format!("SELECT * {{ ?a ?b ?c FILTER(?a IN ({}1)) }}", "1, ".repeat(900))).excess(), None);
    }
}

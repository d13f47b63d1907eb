//! From the types of this crate to those of generated bindings and back.

/// Functions between [`types`](crate::types) and a module of generated bindings of `wit/query`, which has to be in scope as
/// `wit`, with the types of the interfaces `documents`, `search` and `language` side by side.
///
/// A macro, because host and guest have bindings of their own that no trait joins. All of them move what they are given.
#[macro_export]
macro_rules! conversions {
    () => {
        /// A value as the component takes it.
        pub(crate) fn scalar_to_wit(value: $crate::types::Scalar) -> wit::Scalar {
            match value {
                $crate::types::Scalar::Null => wit::Scalar::Null,
                $crate::types::Scalar::Boolean(value) => wit::Scalar::Boolean(value),
                $crate::types::Scalar::Number(value) => wit::Scalar::Number(value),
                $crate::types::Scalar::Text(value) => wit::Scalar::Text(value),
            }
        }

        fn scalar_from_wit(value: wit::Scalar) -> $crate::types::Scalar {
            match value {
                wit::Scalar::Null => $crate::types::Scalar::Null,
                wit::Scalar::Boolean(value) => $crate::types::Scalar::Boolean(value),
                wit::Scalar::Number(value) => $crate::types::Scalar::Number(value),
                wit::Scalar::Text(value) => $crate::types::Scalar::Text(value),
            }
        }

        fn comparison_to_wit(comparison: $crate::types::Comparison) -> wit::Comparison {
            use $crate::types::Comparison;
            match comparison {
                Comparison::Eq(value) => wit::Comparison::Eq(scalar_to_wit(value)),
                Comparison::OneOf(values) => wit::Comparison::OneOf(values.into_iter().map(scalar_to_wit).collect()),
                Comparison::Less(value) => wit::Comparison::Less(scalar_to_wit(value)),
                Comparison::LessOrEqual(value) => wit::Comparison::LessOrEqual(scalar_to_wit(value)),
                Comparison::Greater(value) => wit::Comparison::Greater(scalar_to_wit(value)),
                Comparison::GreaterOrEqual(value) => wit::Comparison::GreaterOrEqual(scalar_to_wit(value)),
                Comparison::Prefix(prefix) => wit::Comparison::Prefix(prefix),
                Comparison::Words(words) => wit::Comparison::Words(words),
                Comparison::Exists => wit::Comparison::Exists,
            }
        }

        fn comparison_from_wit(comparison: wit::Comparison) -> $crate::types::Comparison {
            use $crate::types::Comparison;
            match comparison {
                wit::Comparison::Eq(value) => Comparison::Eq(scalar_from_wit(value)),
                wit::Comparison::OneOf(values) => Comparison::OneOf(values.into_iter().map(scalar_from_wit).collect()),
                wit::Comparison::Less(value) => Comparison::Less(scalar_from_wit(value)),
                wit::Comparison::LessOrEqual(value) => Comparison::LessOrEqual(scalar_from_wit(value)),
                wit::Comparison::Greater(value) => Comparison::Greater(scalar_from_wit(value)),
                wit::Comparison::GreaterOrEqual(value) => Comparison::GreaterOrEqual(scalar_from_wit(value)),
                wit::Comparison::Prefix(prefix) => Comparison::Prefix(prefix),
                wit::Comparison::Words(words) => Comparison::Words(words),
                wit::Comparison::Exists => Comparison::Exists,
            }
        }

        /// A filter as the component takes it.
        pub(crate) fn filter_to_wit(filter: Vec<$crate::types::FilterNode>) -> Vec<wit::FilterNode> {
            use $crate::types::{Condition, FilterNode};
            let node = |node: FilterNode| match node {
                FilterNode::All(children) => wit::FilterNode::All(children),
                FilterNode::Any(children) => wit::FilterNode::Any(children),
                FilterNode::Negate(child) => wit::FilterNode::Negate(child),
                FilterNode::Condition(Condition { path, comparison }) => {
                    wit::FilterNode::Condition(wit::Condition { path, comparison: comparison_to_wit(comparison) })
                }
            };
            filter.into_iter().map(node).collect()
        }

        /// A filter as the gateway holds it.
        pub(crate) fn filter_from_wit(filter: Vec<wit::FilterNode>) -> Vec<$crate::types::FilterNode> {
            use $crate::types::{Condition, FilterNode};
            let node = |node: wit::FilterNode| match node {
                wit::FilterNode::All(children) => FilterNode::All(children),
                wit::FilterNode::Any(children) => FilterNode::Any(children),
                wit::FilterNode::Negate(child) => FilterNode::Negate(child),
                wit::FilterNode::Condition(wit::Condition { path, comparison }) => {
                    FilterNode::Condition(Condition { path, comparison: comparison_from_wit(comparison) })
                }
            };
            filter.into_iter().map(node).collect()
        }

        /// A request as the component takes it.
        pub(crate) fn request_to_wit(request: $crate::types::Request) -> wit::Request {
            let $crate::types::Request {
                text,
                vector,
                k,
                offset,
                filter,
                fusion,
                ef,
                exact,
                similarity_min,
                diversity,
                group,
                explain,
            } = request;
            let filter = filter_to_wit(filter);
            let fusion = match fusion {
                $crate::types::Fusion::Convex(weight) => wit::Fusion::Convex(weight),
                $crate::types::Fusion::ReciprocalRank(constant) => wit::Fusion::ReciprocalRank(constant),
            };
            let group = group.map(|$crate::types::Group { path, size }| wit::Group { path, size });
            wit::Request {
                text,
                vector,
                k,
                offset,
                filter,
                fusion,
                ef,
                exact,
                similarity_min,
                diversity,
                group,
                explain,
            }
        }

        /// A response as the gateway takes it.
        pub(crate) fn response_from_wit(response: wit::Response) -> $crate::types::Response {
            use $crate::types::{Explanation, Hit, Response, Span, TermScore};
            let term = |wit::TermScore { term, count, idf, score }| TermScore { term, count, idf, score };
            let explanation = |explanation: wit::Explanation| {
                let wit::Explanation { vector_part, keyword_part, vector_rank, keyword_rank, terms } = explanation;
                let terms = terms.into_iter().map(term).collect();
                Explanation { vector_part, keyword_part, vector_rank, keyword_rank, terms }
            };
            let hit = |hit: wit::Hit| Hit {
                key: hit.key,
                score: hit.score,
                vector_score: hit.vector_score,
                keyword_score: hit.keyword_score,
                chunk: hit.chunk.map(|wit::Span { start, end }| Span { start, end }),
                group: hit.group.map(scalar_from_wit),
                explanation: hit.explanation.map(explanation),
                payload: hit.payload,
            };
            let wit::Response { hits, candidates, approximate } = response;
            Response { hits: hits.into_iter().map(hit).collect(), candidates, approximate }
        }

        /// What the query language says, as the gateway takes it.
        pub(crate) fn parsed_from_wit(
            parsed: Result<wit::Parsed, wit::SyntaxError>,
        ) -> Result<$crate::types::Parsed, $crate::types::SyntaxError> {
            use $crate::types::{FieldUse, Parsed, SyntaxError};
            let field = |wit::FieldUse { path, at }| FieldUse { path, at };
            match parsed {
                Ok(wit::Parsed { text, filter, fields }) => Ok(Parsed {
                    text,
                    filter: filter_from_wit(filter),
                    fields: fields.into_iter().map(field).collect(),
                }),
                Err(wit::SyntaxError { at, message }) => Err(SyntaxError { at, message }),
            }
        }

        /// An excerpt as the gateway takes it.
        pub(crate) fn excerpt_from_wit(excerpt: wit::Excerpt) -> $crate::types::Excerpt {
            let wit::Excerpt { text, marks, cut_before, cut_after } = excerpt;
            let mark = |wit::Mark { start, end }| $crate::types::Mark { start, end };
            $crate::types::Excerpt { text, marks: marks.into_iter().map(mark).collect(), cut_before, cut_after }
        }
    };
}

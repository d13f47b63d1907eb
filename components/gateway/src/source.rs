//! What a query is answered from.

use std::borrow::Cow;

use crate::problem::{Kind, Problem, capitalised};
use crate::types::{Excerpt, FilterNode, Hit, Parsed, Request, Response, SyntaxError};

/// A model as queries are checked against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelCard<'a> {
    /// The name by which projects ask for it.
    pub name: &'a str,
    /// Its identity.
    pub id: &'a str,
    /// Numbers in a vector.
    pub dimensions: u32,
}

/// Why a text has no vector.
#[derive(Debug, Clone, PartialEq)]
pub enum EmbedError {
    /// The model is not there or gave nothing: a hybrid query goes on with its words and says so.
    Unavailable {
        /// Why, in words.
        reason: String,
        /// What a query is answered that cannot do without.
        problem: Problem,
    },
    /// The query fails.
    Failed(Problem),
}

impl EmbedError {
    /// The model is known by name and cannot be used here.
    pub fn unusable(name: &str, why: &str) -> EmbedError {
        let reason = format!("the model `{name}` cannot be used on this node: {why}");
        let problem = Problem::new(Kind::ModelUnavailable, format!("{}.", capitalised(&reason))).with("model", name);
        EmbedError::Unavailable { reason, problem }
    }

    /// What a query is answered that cannot do without a vector.
    pub fn into_problem(self) -> Problem {
        match self {
            EmbedError::Unavailable { problem, .. } | EmbedError::Failed(problem) => problem,
        }
    }
}

/// What a search found, and in which version of the project.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The component's answer.
    pub response: Response,
    /// The version that was asked.
    pub version: String,
    /// Records that vector search could not find yet.
    pub vectors_pending: usize,
}

/// A project that can be asked: one of a node, or a snapshot of one. It is made for one query.
pub trait Source {
    /// A record as it stands in an answer.
    type Record;
    /// A part of the graph as a request names it.
    type Within;
    /// How hits lead to other records, as a request says it.
    type Expand;
    /// How a record was come by along links.
    type Via;

    /// The name of the project's model, here or not.
    fn model_name(&self) -> &str;

    /// The project's model.
    ///
    /// # Errors
    /// [`Kind::ModelUnavailable`] when it is not here.
    fn model(&self) -> Result<ModelCard<'_>, Problem>;

    /// Reads a query of the query language. The inner error is the writer's.
    ///
    /// # Errors
    /// A fault that is none of the writer's.
    fn parse(&mut self, query: &str) -> Result<Result<Parsed, SyntaxError>, Problem>;

    /// The vector of a text.
    ///
    /// # Errors
    /// See [`EmbedError`].
    fn embed(&mut self, text: &str) -> Result<Vec<f32>, EmbedError>;

    /// What a record is about: the direction of its chunks' vectors (see [`direction`](crate::alike::direction)).
    ///
    /// # Errors
    /// [`Kind::UnknownRecord`], [`Kind::InvalidQuery`] when it has no text, or the model's fault.
    fn like(&mut self, key: &str) -> Result<Vec<f32>, Problem>;

    /// A filter that passes what is in a part of the graph.
    ///
    /// # Errors
    /// What is wrong with the part; [`Kind::NeedsNode`] where there is no graph.
    fn within(&mut self, part: &Self::Within) -> Result<Vec<FilterNode>, Problem>;

    /// Asks the index.
    ///
    /// # Errors
    /// [`Kind::UnknownField`], [`Kind::UnknownVersion`] and what the index answers.
    fn search(&mut self, request: Request) -> Result<Found, Problem>;

    /// The record of each hit of the last search, in the order of the hits; none for one that is gone.
    ///
    /// # Errors
    /// What the store answers.
    fn records(&mut self, hits: &mut [Hit], version: &str) -> Result<Vec<Option<Self::Record>>, Problem>;

    /// The text of a record.
    fn text(record: &Self::Record) -> Cow<'_, str>;

    /// The part of each text that shows best why a query with these words found it.
    ///
    /// # Errors
    /// What the component answers.
    fn excerpts(&mut self, texts: &[&str], words: &str, bytes_max: u32) -> Result<Vec<Excerpt>, Problem>;
}

/// There is no record to find others like.
pub fn no_record_to_be_like(key: &str) -> Problem {
    Problem::new(Kind::UnknownRecord, format!("There is no record `{key}` to look for others like it."))
}

/// A record without text is like no other.
pub fn no_text_to_be_like(key: &str) -> Problem {
    Problem::invalid_query(format!("The record `{key}` has no text, so nothing can be like it in meaning."))
}

//! Direct calls: `aws lambda invoke`, Step Functions, other functions. Who may call is IAM's to say.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use skerry_edge::ProjectName;
use skerry_edge::problem::{Kind, Problem};

use crate::function::Function;

/// Texts that one call may embed.
const TEXTS_MAX: usize = 1_024;

/// What is asked for; the member `skerry` says which.
#[derive(Debug, Deserialize)]
#[serde(tag = "skerry", rename_all = "lowercase")]
pub(crate) enum Invocation {
    /// Opens what the next call needs.
    Ping {},
    /// Vectors of texts, by the built-in model.
    Embed {
        /// 1 to 1,024 of them.
        texts: Vec<String>,
    },
    /// A query, with the members of the API's.
    Query {
        /// The project.
        project: String,
        /// The rest.
        #[serde(flatten)]
        body: Map<String, Value>,
    },
    /// A computation of the API's `/geometry/...`.
    Geometry {
        /// The project.
        project: String,
        /// The last part of the path, for instance `curvature`.
        operation: String,
        /// The body.
        #[serde(default)]
        body: Value,
    },
}

impl Invocation {
    /// Does what is asked.
    ///
    /// # Errors
    /// The problem that the API would answer with.
    pub(crate) async fn answer(self, function: &Function) -> Result<Value, Value> {
        match self {
            Invocation::Ping {} => Ok(function.ping().await),
            Invocation::Embed { texts } => {
                if texts.is_empty() || texts.len() > TEXTS_MAX {
                    let detail = format!("`texts` has {} entries; 1 to {TEXTS_MAX} are taken.", texts.len());
                    return Err(Problem::new(Kind::InvalidBody, detail).to_json(None));
                }
                let (model, embeddings) = function.embed(texts).await.map_err(|problem| problem.to_json(None))?;
                let vectors: Vec<Value> = embeddings
                    .into_iter()
                    .map(|one| json!({ "vector": one.vector, "tokens": one.tokens, "truncated": one.truncated }))
                    .collect();
                let model = json!({ "id": model.id, "name": model.name, "dimensions": model.dimensions });
                Ok(json!({ "model": model, "embeddings": vectors }))
            }
            Invocation::Query { project, body } => {
                let project = name(&project)?;
                function.ask(&format!("/api/v1/projects/{project}/query"), Value::Object(body)).await
            }
            Invocation::Geometry { project, operation, body } => {
                let project = name(&project)?;
                let is_word =
                    |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
                if !operation.split('/').all(is_word) {
                    let detail = format!(
                        "`{operation}` is no operation of /geometry, such as `curvature` or `property/distances`."
                    );
                    return Err(Problem::new(Kind::InvalidParameter, detail).to_json(None));
                }
                function.ask(&format!("/api/v1/projects/{project}/geometry/{operation}"), body).await
            }
        }
    }
}

fn name(project: &str) -> Result<ProjectName, Value> {
    ProjectName::parse(project).map_err(|error| Problem::from(error).to_json(None))
}

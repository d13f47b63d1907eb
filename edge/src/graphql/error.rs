//! Problems as GraphQL errors: the `code` in an error's extensions is the problem's slug.

use async_graphql::{Error, ErrorExtensionValues, ErrorExtensions, Response, Value};

use crate::problem::{Kind, Problem};

/// The error, with the problem's members besides its code.
#[allow(clippy::needless_pass_by_value, reason = "what `map_err` calls it with")]
pub(super) fn from_problem(problem: Problem) -> Error {
    Error::new(problem.detail().to_owned()).extend_with(|_, extensions| {
        extensions.set("code", problem.kind().slug());
        for (name, value) in problem.members() {
            if let Ok(value) = Value::from_json(value.clone()) {
                extensions.set(name.as_str(), value);
            }
        }
    })
}

/// Gives a code to the errors that are found before anything is asked of us: syntax, unknown fields, depth, cost.
pub(super) fn with_codes(mut response: Response) -> Response {
    for error in &mut response.errors {
        let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
        if extensions.get("code").is_none() {
            extensions.set("code", Kind::InvalidQuery.slug());
        }
        // The library's words for its limits.
        if error.message == "Query is too complex." {
            error.message = format!(
                "The request costs more than {}: ask for less at once, with smaller `first` and `k` or fewer lists in lists.",
                super::COST_MAX
            );
        } else if error.message == "Query is nested too deep." {
            error.message = format!("The request nests fields deeper than {} levels.", super::DEPTH_MAX);
        }
    }
    response
}

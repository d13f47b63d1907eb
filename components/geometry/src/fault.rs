//! What can be wrong with a request that is no single point's fault.

use crate::manifold::ManifoldError;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// The arguments do not fit together, or one is out of range.
    #[error("{0}")]
    Invalid(String),
    /// The number, row or edge at this position is not finite.
    #[error("item {0} has a number that is not finite")]
    NotFinite(u32),
    /// More than the limit that the text names.
    #[error("{0}")]
    TooLarge(String),
    /// The data have no such measure: too few, all the same, or singular.
    #[error("{0}")]
    Undefined(String),
}

impl From<ManifoldError> for AnalysisError {
    fn from(error: ManifoldError) -> Self {
        match error {
            ManifoldError::NotFinite(point) => AnalysisError::NotFinite(point),
            other => AnalysisError::Invalid(other.to_string()),
        }
    }
}

/// Refuses numbers that are not finite; `width` of them are an item.
pub(crate) fn all_finite(numbers: &[f64], width: usize) -> Result<(), AnalysisError> {
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(at) => Err(AnalysisError::NotFinite((at / width.max(1)) as u32)),
        None => Ok(()),
    }
}

/// A refusal in words.
pub(crate) fn invalid<T>(reason: impl Into<String>) -> Result<T, AnalysisError> {
    Err(AnalysisError::Invalid(reason.into()))
}

/// A refusal for want of data.
pub(crate) fn undefined<T>(reason: impl Into<String>) -> Result<T, AnalysisError> {
    Err(AnalysisError::Undefined(reason.into()))
}

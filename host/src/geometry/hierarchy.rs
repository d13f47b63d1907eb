//! Calls of the interface `hierarchy`.

use crate::geometry::{AnalysisError, Geometry};
use crate::types::TreeEmbedding;

impl Geometry {
    /// Places a forest in the Poincare disk; `parents` has none for roots.
    ///
    /// # Errors
    /// See [`AnalysisError`].
    pub fn embed_tree(
        &self,
        parents: &[Option<u32>],
        edge: Option<f64>,
        seed: u64,
    ) -> Result<TreeEmbedding, AnalysisError> {
        Ok(self.warm(|world, store| world.skerry_geometry_hierarchy().call_embed(store, parents, edge, seed))??)
    }
}

//! Snapshots.
use crate::settings::Settings;
use axum::http::{Method, request::Parts};
use axum::response::Response;
use skerry_central::CentralStore;
use skerry_edge::ProjectName;
use skerry_edge::problem::Problem;
use skerry_host::types::{Embedding, ModelInfo};
use std::sync::Arc;
pub(crate) struct Shelf {
    store: Arc<CentralStore>,
}
impl Shelf {
    pub(crate) fn new(store: Arc<CentralStore>, _: &Settings) -> Shelf {
        Shelf { store }
    }
    pub(crate) fn takes(_: &Method, _: &str) -> bool {
        false
    }
    pub(crate) async fn answer(&self, _: &ProjectName, _: &Parts, _: &[u8]) -> Option<Response> {
        let _ = &self.store;
        None
    }
    pub(crate) async fn warm(&self, _: &ProjectName) -> Option<String> {
        None
    }
    pub(crate) async fn embed(&self, _: Vec<String>) -> Result<(ModelInfo, Vec<Embedding>), Problem> {
        Err(Problem::internal(&"x"))
    }
}

//! A reader: an instance of every segment of a project, asked as one.

use std::sync::Arc;

use skerry_host::Segment;
use skerry_host::types::{Comparison, Condition, Document, FilterNode, Legs, Request, Response, Scalar, Statistics};

use super::sealing::Sealed;
use super::{IndexError, Sources};

/// What a reader holds: everything up to a position of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) sequence: u64,
    pub(super) version: String,
}

/// Instances of the sealed segments and the live one.
#[derive(Debug)]
pub(super) struct Reader {
    sealed: Vec<(Arc<Sealed>, Segment)>,
    live: Segment,
    live_documents: u32,
    position: Position,
}

impl Reader {
    /// Instances of sealed segments, without the keys that are stale in each, and an empty live one.
    pub(super) fn open(
        sources: &Sources,
        sealed: &[Arc<Sealed>],
        stale: &[Vec<String>],
        position: Position,
    ) -> Result<Reader, IndexError> {
        let mut instances = Vec::new();
        for (segment, stale) in sealed.iter().zip(stale) {
            let mut instance = Segment::new(&sources.engine, &segment.component, sources.limits)?;
            instance.remove(stale)?;
            instances.push((Arc::clone(segment), instance));
        }
        let live = Segment::new(&sources.engine, &sources.query, sources.limits)?;
        Ok(Reader { sealed: instances, live, live_documents: 0, position })
    }

    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    pub(super) fn moved(&mut self, position: Position) {
        self.position = position;
    }

    pub(super) fn live(&mut self) -> &mut Segment {
        &mut self.live
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.live.is_poisoned() || self.sealed.iter().any(|(_, segment)| segment.is_poisoned())
    }

    /// Takes changes in: `keys` have changed, and `documents` are those of them that are there.
    pub(super) fn apply(
        &mut self,
        keys: &[String],
        documents: Vec<Document>,
        position: Position,
    ) -> Result<(), IndexError> {
        for (_, segment) in &mut self.sealed {
            segment.remove(keys)?;
        }
        if documents.len() < keys.len() {
            self.live.remove(keys)?;
        }
        self.live.upsert(documents)?;
        self.live_documents = self.live.describe()?.documents;
        self.position = position;
        Ok(())
    }

    #[cfg(feature = "compile")]
    /// Changes over to other sealed segments; instances of those that stay are kept, with what was removed from them.
    /// `documents` are what the live segment holds from now on, `fresh` the keys that changed since the newest was sealed.
    pub(super) fn replace(
        &mut self,
        sources: &Sources,
        sealed: &[Arc<Sealed>],
        documents: &[Document],
        fresh: &[String],
    ) -> Result<(), IndexError> {
        let mut live = Segment::new(&sources.engine, &sources.query, sources.limits)?;
        for part in documents.chunks(500) {
            live.upsert(part.to_vec())?;
        }
        let mut old = std::mem::take(&mut self.sealed);
        for segment in sealed {
            let kept = old.iter().position(|(other, _)| Arc::ptr_eq(other, segment));
            let instance = if let Some(at) = kept {
                old.swap_remove(at).1
            } else {
                let mut instance = Segment::new(&sources.engine, &segment.component, sources.limits)?;
                instance.remove(fresh)?;
                instance
            };
            self.sealed.push((Arc::clone(segment), instance));
        }
        self.live_documents = live.describe()?.documents;
        self.live = live;
        Ok(())
    }

    /// Bytes of index data, and the documents of each segment.
    pub(super) fn sizes(&mut self) -> Result<(u64, Vec<u32>), IndexError> {
        let (mut bytes, mut documents) = (0, Vec::new());
        let live = std::iter::once(&mut self.live);
        for segment in self.sealed.iter_mut().map(|(_, segment)| segment).chain(live) {
            let stats = segment.describe()?;
            bytes += stats.bytes;
            documents.push(stats.documents);
        }
        Ok((bytes, documents))
    }

    /// Asks all segments as one. With `past`, the documents with its keys are left out and its segment is asked in their
    /// place.
    pub(super) fn query(
        &mut self,
        request: &Request,
        past: Option<(&mut Segment, &Vec<String>)>,
    ) -> Result<Response, IndexError> {
        let nothing = Vec::new();
        let (past, without) = past.map_or((None, &nothing), |(segment, keys)| (Some(segment), keys));
        if past.is_none() && self.sealed.is_empty() {
            return Ok(self.live.query(request)?);
        }
        if past.is_none()
            && self.live_documents == 0
            && let [(_, only)] = self.sealed.as_mut_slice()
        {
            return Ok(only.query(request)?);
        }
        let present = leaving_out(request, without);
        let live = (self.live_documents > 0).then_some(&mut self.live);
        let mut parts: Vec<(&mut Segment, &Request, &[String])> = self
            .sealed
            .iter_mut()
            .map(|(_, segment)| segment)
            .chain(live)
            .map(|segment| (segment, &present, without.as_slice()))
            .collect();
        parts.extend(past.map(|segment| (segment, request, &[][..])));
        let statistics = match &request.text {
            Some(text) => {
                let known = parts.iter_mut().map(|(segment, _, without)| segment.statistics(text, without));
                Some(sum(known.collect::<Result<Vec<_>, _>>()?))
            }
            None => None,
        };
        let mut depth = None;
        loop {
            let found = parts.iter_mut().map(|(segment, request, _)| segment.legs(request, statistics.as_ref(), depth));
            let legs: Vec<Legs> = found.collect::<Result<_, _>>()?;
            let Some((first, _, _)) = parts.first_mut() else { return Ok(self.live.query(request)?) };
            let (response, deeper) = first.fuse(request, &legs, depth)?;
            if deeper.is_none() {
                return Ok(response);
            }
            depth = deeper;
        }
    }
}

/// The request for documents other than these.
fn leaving_out(request: &Request, keys: &[String]) -> Request {
    let mut request = request.clone();
    if keys.is_empty() {
        return request;
    }
    let root = request.filter.len().checked_sub(1);
    let values = keys.iter().map(|key| Scalar::Text(key.clone())).collect();
    let condition = Condition { path: "key".to_owned(), comparison: Comparison::OneOf(values) };
    let at = request.filter.len() as u32;
    request.filter.push(FilterNode::Condition(condition));
    request.filter.push(FilterNode::Negate(at));
    if let Some(root) = root {
        request.filter.push(FilterNode::All(vec![root as u32, at + 1]));
    }
    request
}

/// What several segments know of the same terms, added up.
fn sum(parts: Vec<Statistics>) -> Statistics {
    let mut parts = parts.into_iter();
    let Some(mut total) = parts.next() else {
        return Statistics { documents: 0, total_length: 0, terms: Vec::new() };
    };
    for part in parts {
        total.documents += part.documents;
        total.total_length += part.total_length;
        total.terms.iter_mut().zip(part.terms).for_each(|(total, part)| total.1 += part.1);
    }
    total
}

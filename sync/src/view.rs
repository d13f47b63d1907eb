//! A document as it is, or as it was.

use automerge::iter::MapRange;
use automerge::{Automerge, AutomergeError, ChangeHash, ObjId, Prop, ReadDoc, Value};

/// A document at some heads, to read from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    document: &'a Automerge,
    /// None: those of now.
    heads: Option<&'a [ChangeHash]>,
}

impl<'a> View<'a> {
    /// As it is.
    pub(crate) fn now(document: &'a Automerge) -> View<'a> {
        View { document, heads: None }
    }

    /// As it was at these heads; none when it lacks one of them. Automerge itself would pass over it and answer for others.
    pub(crate) fn at(document: &'a Automerge, heads: &'a [ChangeHash]) -> Option<View<'a>> {
        let held = heads.iter().all(|head| document.get_change_meta_by_hash(head).is_some());
        held.then_some(View { document, heads: Some(heads) })
    }

    pub(crate) fn get(self, object: &ObjId, at: impl Into<Prop>) -> Result<Option<(Value<'a>, ObjId)>, AutomergeError> {
        match self.heads {
            Some(heads) => self.document.get_at(object, at, heads),
            None => self.document.get(object, at),
        }
    }

    pub(crate) fn get_all(
        self,
        object: &ObjId,
        at: impl Into<Prop>,
    ) -> Result<Vec<(Value<'a>, ObjId)>, AutomergeError> {
        match self.heads {
            Some(heads) => self.document.get_all_at(object, at, heads),
            None => self.document.get_all(object, at),
        }
    }

    pub(crate) fn map_range(self, map: &ObjId, range: std::ops::Range<String>) -> MapRange<'a> {
        match self.heads {
            Some(heads) => self.document.map_range_at(map, range, heads),
            None => self.document.map_range(map, range),
        }
    }

    pub(crate) fn keys(self, map: &ObjId) -> Vec<String> {
        match self.heads {
            Some(heads) => self.document.keys_at(map, heads).collect(),
            None => self.document.keys(map).collect(),
        }
    }

    pub(crate) fn length(self, list: &ObjId) -> usize {
        match self.heads {
            Some(heads) => self.document.length_at(list, heads),
            None => self.document.length(list),
        }
    }

    pub(crate) fn text(self, text: &ObjId) -> Result<String, AutomergeError> {
        match self.heads {
            Some(heads) => self.document.text_at(text, heads),
            None => self.document.text(text),
        }
    }
}

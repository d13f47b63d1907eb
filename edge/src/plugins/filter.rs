//! Subscription filters: which changes a reader of the feed is told of.
//!
//! A filter saves its reader work; it hides nothing from anybody, since whoever may read the project may read it without.

use skerry_host::types::plugin::{Change, ChangeBatch};
use skerry_sync::ProjectName;

use super::{PluginFailure, shape};
use crate::body::{ChangeBody, ChangesPage};
use crate::node::Node;
use crate::problem::{Kind, Problem};

/// Bytes of an argument at most.
const ARGUMENT_BYTES_MAX: usize = 64 << 10;

/// A filter that a reader chose, and what it tells it.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    plugin: String,
    argument: String,
}

impl Chosen {
    /// The filter of this name, if one is named.
    ///
    /// # Errors
    /// [`Kind::UnknownPlugin`]; [`Kind::InvalidParameter`] for an argument without a filter, or one that is too long.
    pub(crate) fn new(
        node: &Node,
        project: &ProjectName,
        plugin: Option<String>,
        argument: Option<String>,
    ) -> Result<Option<Chosen>, Problem> {
        let invalid = |detail: String| Err(Problem::new(Kind::InvalidParameter, detail));
        match (plugin, argument.unwrap_or_default()) {
            (None, argument) if argument.is_empty() => Ok(None),
            (None, _) => invalid("`argument` is for a `filter`; name one.".to_owned()),
            (_, argument) if argument.len() > ARGUMENT_BYTES_MAX => {
                invalid(format!("`argument` has {} bytes; at most {ARGUMENT_BYTES_MAX} are taken.", argument.len()))
            }
            (Some(plugin), argument) => {
                node.plugins().filter(&plugin, project)?;
                Ok(Some(Chosen { plugin, argument }))
            }
        }
    }

    /// The changes of a page that the filter keeps; the page's end stays where it was. The page has the records.
    ///
    /// # Errors
    /// [`Kind::InvalidParameter`] when the plugin cannot read its argument. One that fails is no error: those changes are kept
    /// and say why.
    pub(crate) fn apply(&self, node: &Node, project: &ProjectName, page: ChangesPage) -> Result<ChangesPage, Problem> {
        let plugin = node.plugins().filter(&self.plugin, project)?;
        let mut kept = Vec::new();
        for changes in shape::calls(page.changes, bytes) {
            let batch = ChangeBatch {
                project: project.as_str().to_owned(),
                settings: plugin.settings().to_owned(),
                argument: self.argument.clone(),
                changes: changes.iter().map(change).collect(),
            };
            match plugin.call(|filter| filter.keep(&batch, None)) {
                Ok(keep) => {
                    let wanted =
                        changes.into_iter().zip(keep).filter_map(|(change, keep)| Some(change).filter(|_| keep));
                    kept.extend(wanted);
                }
                Err(failure @ PluginFailure::Argument { .. }) => {
                    let detail = format!("`argument`: {failure}.");
                    return Err(Problem::new(Kind::InvalidParameter, detail).with("plugin", plugin.name()));
                }
                Err(failure) => {
                    let failed = failure.to_string();
                    kept.extend(
                        changes.into_iter().map(|change| ChangeBody { filter_failed: Some(failed.clone()), ..change }),
                    );
                }
            }
        }
        Ok(ChangesPage { changes: kept, next: page.next })
    }
}

fn change(change: &ChangeBody) -> Change {
    Change { key: change.key.clone(), entry: change.record.clone().map(shape::entry) }
}

/// In about what a change takes of a plugin's memory. Its data is about as long as it is in JSON.
fn bytes(change: &ChangeBody) -> usize {
    128 + change.record.clone().map_or(0, |record| shape::bytes(&shape::entry(record)))
}

//! The store, written anew.
//!
//! redb leaves what was removed in pages that it will use again some day. So that it is gone, every table is copied into a
//! fresh file, which takes the place of the old one by a rename: at any moment there is one whole store under its name.

use std::path::{Path, PathBuf};

use redb::{Database, Key, ReadableDatabase, ReadableTable, TableDefinition, TableHandle, Value};

use super::{
    CHUNKS, COMMITS, FEED, HISTORY, META, PROJECTS, RECORDS, StoreFile, VECTORS, VERSIONS, builder, close, guarded,
    sync_dir,
};
use crate::error::StoreError;

/// The name of the file under which a store is written anew.
fn path_beside(store: &Path) -> PathBuf {
    store.with_extension("rewrite")
}

/// Removes what an interrupted rewrite left. Only by the store's owner: another process may be at it.
pub(super) fn clean(store: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path_beside(store)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl StoreFile {
    /// Writes the store anew, without one entry of `meta`; answers the bytes of the file before and after. A store over a
    /// backend of the caller's has no file; there, only the entry is removed.
    ///
    /// # Errors
    /// The store is as it was then, the entry included.
    pub(crate) fn rewrite(&self, without: &str) -> Result<(u64, u64), StoreError> {
        let Some(file) = &self.file else {
            self.write(|transaction| {
                transaction.open_table(META)?.remove(without)?;
                Ok(())
            })?;
            return Ok((0, 0));
        };
        drop(self.database()?);
        let mut guard = self.database.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(old) = guard.as_ref() else { return Err(StoreError::Failed("closed".to_owned())) };
        let failed = |error: std::io::Error| StoreError::from(redb::Error::Io(error));
        let beside = path_beside(file);
        let copied = clean(file).map_err(failed).and_then(|()| {
            guarded(|| {
                let new = builder().create(&beside)?;
                copy(old, &new, without)?;
                Ok(new)
            })
        });
        let new = match copied {
            Ok(new) => new,
            Err(error) => {
                // A full disk must not stay full because of this.
                let _ = clean(file);
                return Err(error);
            }
        };
        let before = std::fs::metadata(file).map_err(failed)?.len();
        // Both are open, so nobody else can own the folder at any moment.
        std::fs::rename(&beside, file).map_err(failed)?;
        close(guard.replace(new));
        drop(guard);
        sync_dir(file.parent().unwrap_or(file)).map_err(failed)?;
        Ok((before, std::fs::metadata(file).map_err(failed)?.len()))
    }
}

fn copy(old: &Database, new: &Database, without: &str) -> Result<(), StoreError> {
    let from = old.begin_read()?;
    let names = [
        META.name(),
        PROJECTS.name(),
        CHUNKS.name(),
        RECORDS.name(),
        FEED.name(),
        VECTORS.name(),
        HISTORY.name(),
        COMMITS.name(),
        VERSIONS.name(),
    ];
    // A table that is not known cannot be copied, and must not be lost.
    if let Some(unknown) = from.list_tables()?.find(|table| !names.contains(&table.name())) {
        return Err(StoreError::Failed(format!("the table `{}` is of a newer program", unknown.name())));
    }
    let to = new.begin_write()?;
    copy_table(&from, &to, META)?;
    copy_table(&from, &to, PROJECTS)?;
    copy_table(&from, &to, CHUNKS)?;
    copy_table(&from, &to, RECORDS)?;
    copy_table(&from, &to, FEED)?;
    copy_table(&from, &to, VECTORS)?;
    copy_table(&from, &to, HISTORY)?;
    copy_table(&from, &to, COMMITS)?;
    copy_table(&from, &to, VERSIONS)?;
    to.open_table(META)?.remove(without)?;
    to.commit()?;
    Ok(())
}

fn copy_table<K: Key + 'static, V: Value + 'static>(
    from: &redb::ReadTransaction,
    to: &redb::WriteTransaction,
    table: TableDefinition<'static, K, V>,
) -> Result<(), StoreError> {
    let mut target = to.open_table(table)?;
    for entry in from.open_table(table)?.iter()? {
        let (key, value) = entry?;
        target.insert(key.value(), value.value())?;
    }
    Ok(())
}

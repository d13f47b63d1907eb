//! A store in memory that can be copied and opened again.

use std::io;
use std::sync::{Arc, Mutex};

use redb::{Database, DatabaseError, StorageBackend};
use skerry_sync::{OpenError, Replica};

/// The bytes of a store file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Vec<u8>>>);

impl Disk {
    pub(crate) fn of(bytes: Vec<u8>) -> Disk {
        Disk(Arc::new(Mutex::new(bytes)))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn database(&self) -> Result<Database, DatabaseError> {
        Database::builder().set_cache_size(1 << 20).create_with_backend(self.clone())
    }

    pub(crate) fn replica(&self) -> Result<Replica, OpenError> {
        let disk = self.clone();
        Replica::open_with(Box::new(move || disk.database()))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let bytes = self.0.lock().unwrap();
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        if len > 256 << 20 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.lock().unwrap().resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut bytes = self.0.lock().unwrap();
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(data.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.get_mut(start..end).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(data);
        Ok(())
    }
}

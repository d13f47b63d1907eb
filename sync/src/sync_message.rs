//! Automerge's sync messages from outside: read, and refused where Automerge would believe what nobody should.

use automerge::ChangeHash;
use automerge::sync::Message;

use crate::chunks::Input;
use crate::guard::guarded;

/// Heads, needs and hashes of the last synchronisation that one message may name.
const HASHES_MAX: usize = 65_536;

/// Probes and bits for each entry of a Bloom filter. Automerge writes 7 and 10, and believes whatever it reads: four
/// billion probes are 16 GB of memory for each change that it asks the filter for, and no bits at all a division by zero.
const PROBES_MAX: u64 = 64;

/// Reads a sync message.
///
/// # Errors
/// What is wrong with it, for whoever sent it.
pub(crate) fn read(bytes: &[u8]) -> Result<Message, String> {
    let message = guarded(|| Message::decode(bytes)).map_err(|error| error.to_string())?;
    let message = message.map_err(|error| format!("the sync message cannot be read: {error}"))?;
    let have: usize = message.have.iter().map(|have| have.last_sync.len()).sum();
    if message.heads.len() + message.need.len() + have > HASHES_MAX {
        return Err(format!("the sync message names more than {HASHES_MAX} changes"));
    }
    let sorted = |hashes: &[ChangeHash]| hashes.is_sorted();
    if !sorted(&message.heads) || !message.have.iter().all(|have| sorted(&have.last_sync)) {
        return Err("the sync message names changes out of order".to_owned());
    }
    if message.have.iter().any(|have| !is_sane(&have.bloom.to_bytes())) {
        return Err("the sync message has a Bloom filter that nobody would make".to_owned());
    }
    Ok(message)
}

/// Whether a Bloom filter is one to ask: entries, bits for each, probes, bits.
fn is_sane(filter: &[u8]) -> bool {
    if filter.is_empty() {
        return true;
    }
    let mut rest = Input(filter);
    let mut number = || rest.leb128();
    let (Ok(_entries), Ok(bits), Ok(probes)) = (number(), number(), number()) else { return false };
    (1..=PROBES_MAX).contains(&bits) && (1..=PROBES_MAX).contains(&probes) && !rest.0.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter of one entry with as many probes as the number holds: 16 GB for each change that it would be asked for. And one
    /// without bits: a division by zero. Both came from the fuzz target of exchange bodies.
    #[test]
    fn filters_that_nobody_makes_are_refused() {
        let message = |filter: &[u8]| {
            let mut bytes = vec![0x42, 0, 0, 1, 0, filter.len() as u8];
            bytes.extend_from_slice(filter);
            bytes.push(0);
            read(&bytes)
        };
        assert!(message(&[]).is_ok());
        assert!(message(&[1, 10, 7, 0xff, 0xff]).is_ok());
        for filter in [&[1, 10, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0][..], &[0x21, 0, 7], &[1, 10, 0, 0, 0]] {
            let refused = message(filter).unwrap_err();
            assert!(refused.contains("Bloom filter"), "{filter:?}: {refused}");
        }
    }
}

//! The text of a message.

use super::Mailbox;
use crate::store::{Reader, Trouble};

impl Mailbox {
    /// Begins reading a message, if that takes no waiting.
    pub fn read_at_once(&self, uidvalidity: u32, uid: u32) -> Option<Reader> {
        let state = self.kept.try_lock().ok()?.state()?.clone();
        self.check(&state, uidvalidity).ok()?;
        self.spool.read(&state, &state.message(uid)?, true).ok()?
    }

    /// Begins reading a message; looks for it again where other programs have moved it.
    pub fn read(&self, uidvalidity: u32, uid: u32) -> Result<Reader, Trouble> {
        for _ in 0..ATTEMPTS {
            let state = self.look_under(uidvalidity)?;
            let Some(message) = state.message(uid) else { break };
            if let Some(reader) = self.spool.read(&state, &message, false)? {
                return Ok(reader);
            }
        }
        Err(self.gone())
    }
}

/// Programs that move a message at every moment are not waited for.
const ATTEMPTS: usize = 4;

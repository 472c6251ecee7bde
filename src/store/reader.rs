//! Reading one message without holding it.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use super::Trouble;

/// One message on its way out. Owns no buffer; the folder may be used meanwhile.
pub struct Reader {}

impl Reader {
    /// The least buffer that [`Reader::fill`] takes.
    pub const LEAST: usize = 4096;

    /// Reads on: visible octets into the front of `into` (at least [`Reader::LEAST`] long; 64 KiB is good), line ends as stored,
    /// hidden headers left out. Returns how many; 0 is the end. What is in the page cache comes without leaving this thread.
    pub async fn fill(&mut self, into: &mut [u8]) -> Result<usize, Trouble> {
        let _ = into;
        todo!()
    }

    /// The file and the octets in it that may be sent as they are: CRLF throughout, no line begins with a dot, nothing hidden, CRLF at
    /// the end. To be asked before the first `fill`; what was sent is told by [`Reader::verify`] alone.
    pub fn as_wire(&self) -> Option<(Arc<File>, Range<u64>)> {
        todo!()
    }

    /// After the last octet: whether what was read was that message all the time.
    ///
    /// # Errors
    /// [`Trouble::Changed`]: another program rewrote the mailbox meanwhile. The client must not be told that the message is complete.
    pub async fn verify(&mut self) -> Result<(), Trouble> {
        todo!()
    }
}

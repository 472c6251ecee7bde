//! A compressed conversation: raw deflate in both directions (RFC 4978). Pure.

use std::io;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Both directions. Some 300 KB, most of it for what we say.
pub(super) struct Deflate {
    deflate: Compress,
    inflate: Decompress,
    /// What has come from the client, and has not been inflated.
    arrived: Vec<u8>,
    taken: usize,
}

impl Deflate {
    /// From here on; the client's first octets may have `arrived` already.
    pub fn new(arrived: Vec<u8>) -> Deflate {
        Deflate { deflate: Compress::new(Compression::fast(), false), inflate: Decompress::new(false), arrived, taken: 0 }
    }

    /// `said` as it goes over the wire: the client can read all of it when it has all of that.
    pub fn deflate(&mut self, said: &[u8]) -> io::Result<Vec<u8>> {
        let (mut packed, mut used) = (Vec::with_capacity(said.len() / 2 + ROOM), 0);
        loop {
            let before = self.deflate.total_in();
            self.deflate.compress_vec(&said[used..], &mut packed, FlushCompress::Sync).map_err(io::Error::other)?;
            used += (self.deflate.total_in() - before) as usize;
            // Room that is left says that nothing is kept back.
            if used == said.len() && packed.len() < packed.capacity() {
                return Ok(packed);
            }
            packed.reserve(said.len() - used + ROOM);
        }
    }

    /// Where what comes from the client is to be appended.
    pub fn arriving(&mut self) -> &mut Vec<u8> {
        self.arrived.drain(..self.taken);
        self.taken = 0;
        &mut self.arrived
    }

    /// Appends some of what the client said to `to`; how many octets. 0: more has to arrive. However much a few octets stand for, no
    /// more of it is in memory than is asked for.
    ///
    /// # Errors
    /// The client sends something else, or has ended the stream.
    pub fn inflate(&mut self, to: &mut Vec<u8>) -> io::Result<usize> {
        let (from, before) = (to.len(), (self.inflate.total_in(), self.inflate.total_out()));
        to.resize(from + AT_ONCE, 0);
        let status = self.inflate.decompress(&self.arrived[self.taken..], &mut to[from..], FlushDecompress::None);
        let count = (self.inflate.total_out() - before.1) as usize;
        self.taken += (self.inflate.total_in() - before.0) as usize;
        to.truncate(from + count);
        match status {
            Ok(Status::StreamEnd) if count == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(count),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
}

/// For the marks of a flush.
const ROOM: usize = 64;
const AT_ONCE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inflated(server: &mut Deflate) -> Vec<u8> {
        let mut said = Vec::new();
        while server.inflate(&mut said).unwrap() > 0 {}
        said
    }

    #[test]
    fn a_few_octets_that_stand_for_many_are_inflated_piece_by_piece() {
        let bomb = Deflate::new(Vec::new()).deflate(&vec![b'x'; 10_000_000]).unwrap();
        assert!(bomb.len() < 100_000);
        let mut server = Deflate::new(bomb);
        let mut some = Vec::new();
        assert!(server.inflate(&mut some).unwrap() <= AT_ONCE);
        assert_eq!(some.len() + inflated(&mut server).len(), 10_000_000);
    }

    #[test]
    fn something_else_is_an_error() {
        let mut server = Deflate::new(b"\xff\xffa NOOP\r\n".to_vec());
        assert!(server.inflate(&mut Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn every_reply_can_be_read_at_once_in_any_cut(replies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..3000), 1..6), cut in 1usize..100) {
            let (mut one, mut other) = (Deflate::new(Vec::new()), Deflate::new(Vec::new()));
            for reply in replies {
                let packed = one.deflate(&reply).unwrap();
                let mut said = Vec::new();
                for piece in packed.chunks(cut) {
                    other.arriving().extend_from_slice(piece);
                    said.extend(inflated(&mut other));
                }
                prop_assert_eq!(said, reply);
            }
        }
    }
}

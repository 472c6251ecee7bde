//! Ops and other small things as octets, in the machine's own byte order: the files say which that is.

use std::str;
use std::sync::Arc;

use bytemuck::Pod;

use super::op::{Arrival, Flushed, Keyword, Learnt, Marks, Moved, Op, Seal};
use super::record::{Live, Record, Span};
use super::state::Front;
use crate::os::stamp::Stamp;
use crate::store::message::{Flags, Size, Traits};

/// Something that can be put into octets and taken from them. Taking gives `None` for anything that was not put.
pub trait Code: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(from: &mut Rest<'_>) -> Option<Self>;
}

/// What is still to be taken.
pub struct Rest<'a>(pub &'a [u8]);

impl<'a> Rest<'a> {
    pub fn octets(&mut self, len: usize) -> Option<&'a [u8]> {
        let (octets, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(octets)
    }

    pub fn pod<T: Pod>(&mut self) -> Option<T> {
        self.octets(size_of::<T>()).map(bytemuck::pod_read_unaligned)
    }

    /// All of it is one `T`.
    pub fn only<T: Code>(mut self) -> Option<T> {
        T::take(&mut self).filter(|_| self.0.is_empty())
    }
}

macro_rules! plain {
    ($($plain:ty),*) => {$(
        impl Code for $plain {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(bytemuck::bytes_of(self));
            }

            fn take(from: &mut Rest<'_>) -> Option<Self> {
                from.pod()
            }
        }
    )*};
}

plain!(u8, u16, u32, u64, i64, [u8; 16], [u8; 64], Span, Size, Record);

/// Of several fields, one after the other.
macro_rules! fields {
    ($whole:ident { $($field:ident),* }) => {
        impl Code for $whole {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }

            fn take(from: &mut Rest<'_>) -> Option<Self> {
                Some($whole { $($field: Code::take(from)?),* })
            }
        }
    };
}

fields!(Arrival { live, keywords });
fields!(Marks { uids, remove, add, clear, remove_keywords, add_keywords, dirty });
fields!(Flushed { uid, modseq, letters, fresh, verbatim, name });
fields!(Learnt { uid, size, fingerprint, cache, received, saved, on, off });
fields!(Moved { uid, place, len, from_len, on, off });
fields!(Stamp { dev, ino, size, mtime, ctime });
fields!(Seal { stamp, settled });
fields!(Front { offset, from_len, pseudo, last });

impl Code for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push((*self).into());
    }

    fn take(from: &mut Rest<'_>) -> Option<Self> {
        match from.pod::<u8>()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Code for Flags {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.bits());
    }

    fn take(from: &mut Rest<'_>) -> Option<Self> {
        from.pod().map(Flags::from_bits)
    }
}

impl Code for Traits {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }

    fn take(from: &mut Rest<'_>) -> Option<Self> {
        from.pod().map(Traits)
    }
}

impl<T: Code> Code for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        self.iter().for_each(|some| some.put(out));
    }

    fn take(from: &mut Rest<'_>) -> Option<Self> {
        Some(if bool::take(from)? { Some(T::take(from)?) } else { None })
    }
}

impl<T: Code> Code for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        self.iter().for_each(|item| item.put(out));
    }

    fn take(from: &mut Rest<'_>) -> Option<Self> {
        let count = u32::take(from)? as usize;
        // No item is less than an octet: no more memory than some times what was read.
        if count > from.0.len() {
            return None;
        }
        (0..count).map(|_| T::take(from)).collect()
    }
}

impl<T: Code> Code for [T; 2] {
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|item| item.put(out));
    }

    fn take(from: &mut Rest<'_>) -> Option<Self> {
        Some([T::take(from)?, T::take(from)?])
    }
}

impl Code for Arc<[u8]> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        out.extend_from_slice(self);
    }

    fn take(from: &mut Rest<'_>) -> Option<Self> {
        let len = u32::take(from)?;
        from.octets(len as usize).map(Arc::from)
    }
}

impl Code for Keyword {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn take(from: &mut Rest<'_>) -> Option<Self> {
        let len = u32::take(from)?;
        str::from_utf8(from.octets(len as usize)?).ok().map(Arc::from)
    }
}

impl Code for Live {
    fn put(&self, out: &mut Vec<u8>) {
        let text = self.text.as_deref().unwrap_or_default();
        let name = &text[..text.len().min(self.record.name_len.into())];
        self.record.put(out);
        (name.len() as u16).put(out);
        Arc::<[u8]>::from(text).put(out);
    }

    fn take(from: &mut Rest<'_>) -> Option<Self> {
        let record = Record::take(from)?;
        let name = u16::take(from)?;
        let text = Arc::<[u8]>::take(from)?;
        let (name, uidl) = text.split_at_checked(name.into())?;
        Some(Live::new(record, name, uidl))
    }
}

impl Code for Op {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Op::Append(arrivals) => {
                out.push(1);
                arrivals.put(out);
            }
            Op::Flags(marks) => {
                out.push(2);
                marks.put(out);
            }
            Op::Expunge { uids, doomed } => {
                out.push(3);
                uids.put(out);
                doomed.put(out);
            }
            Op::Flushed(flushed) => {
                out.push(4);
                flushed.put(out);
            }
            Op::Buried(uids) => {
                out.push(5);
                uids.put(out);
            }
            Op::Learnt(learnt) => {
                out.push(6);
                learnt.put(out);
            }
            Op::Moved(moved) => {
                out.push(7);
                moved.put(out);
            }
            Op::Shift { from, by } => {
                out.push(8);
                from.put(out);
                by.put(out);
            }
            Op::Spool { stamps, front, notes } => {
                out.push(9);
                stamps.put(out);
                front.put(out);
                notes.put(out);
            }
            Op::Next(uid) => {
                out.push(10);
                uid.put(out);
            }
            Op::Identity { uidvalidity, uidnext, mailbox } => {
                out.push(11);
                uidvalidity.put(out);
                uidnext.put(out);
                mailbox.put(out);
            }
        }
    }

    fn take(from: &mut Rest<'_>) -> Option<Self> {
        Some(match u8::take(from)? {
            1 => Op::Append(Code::take(from)?),
            2 => Op::Flags(Code::take(from)?),
            3 => Op::Expunge { uids: Code::take(from)?, doomed: Code::take(from)? },
            4 => Op::Flushed(Code::take(from)?),
            5 => Op::Buried(Code::take(from)?),
            6 => Op::Learnt(Code::take(from)?),
            7 => Op::Moved(Code::take(from)?),
            8 => Op::Shift { from: Code::take(from)?, by: Code::take(from)? },
            9 => Op::Spool { stamps: Code::take(from)?, front: Code::take(from)?, notes: Code::take(from)? },
            10 => Op::Next(Code::take(from)?),
            11 => Op::Identity { uidvalidity: Code::take(from)?, uidnext: Code::take(from)?, mailbox: Code::take(from)? },
            _ => return None,
        })
    }
}

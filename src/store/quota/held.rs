//! Room reserved for mail that is on its way: counted with what is there, until it arrives or its process dies.

use std::io;

use super::book::Page;
use super::layout::{HELD, HELD_AT_ONCE, Held};
use super::{Over, Resource, Scope, Usage};
use crate::config::Allowance;
use crate::os::lock::{self, Range};

impl Page<'_> {
    /// Reserves what `wanted` says if it fits, and returns the number of the reservation.
    pub fn reserve(&mut self, wanted: Held, allowance: &Allowance) -> io::Result<Result<(usize, Held), Over>> {
        let holder = self.holder()?;
        let wanted = Held { holder, ..wanted };
        let mut held = self.held()?;
        let mut over = self.over(&wanted, &held, allowance)?;
        if (over.is_some() || held.len() >= HELD) && self.bury(&mut held)? {
            over = self.over(&wanted, &held, allowance)?;
        }
        if let Some(over) = over {
            self.write_unwritten()?;
            return Ok(Err(over));
        }
        // The list is in order: the first number that is not in it is free.
        let number = held.iter().enumerate().find(|(place, (number, _))| place != number).map_or(held.len(), |(place, _)| place);
        if number >= HELD {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.put_held(number, Some(&wanted))?;
        let last = held.last().map_or(0, |(number, _)| number + 1).max(number + 1);
        self.note_last(number, last)?;
        Ok(Ok((number, wanted)))
    }

    /// Gives back a reservation, if it is still there; written with the next header where it is in the first page.
    pub fn release(&mut self, number: usize, held: &Held) -> io::Result<()> {
        match self.held_at(number)? == Some(*held) {
            true => self.put_held(number, None),
            false => Ok(()),
        }
    }

    fn note_last(&mut self, number: usize, last: usize) -> io::Result<()> {
        let high = if last > HELD_AT_ONCE { last as u32 } else { 0 };
        let is_old = std::mem::replace(&mut self.header.high, high) == high;
        if is_old && number >= HELD_AT_ONCE { self.write_unwritten() } else { self.write_header() }
    }

    /// Which limit stands against it, if any: what is there, what others are about to bring, and this, may reach it but not exceed it.
    fn over(&self, wanted: &Held, held: &[(usize, Held)], allowance: &Allowance) -> io::Result<Option<Over>> {
        let sum = |is_counted: &dyn Fn(&Held) -> bool, there: Usage| {
            held.iter().filter(|(_, held)| is_counted(held)).fold(there, |sum, (_, held)| sum.and(held.usage))
        };
        let inbox = allowance.inbox.filter(|_| wanted.is_inbox);
        if inbox.is_some() {
            let there = self.usage(wanted.user, self.header.folder("INBOX"))?;
            let used = sum(&|held| held.user == wanted.user && held.is_inbox, there);
            if let Some(over) = exceeded(Scope::Inbox, used, wanted.usage, inbox, None) {
                return Ok(Some(over));
            }
        }
        if allowance.storage.is_some() || allowance.messages.is_some() {
            let used = sum(&|held| held.user == wanted.user, self.usage(wanted.user, 0)?);
            if let Some(over) = exceeded(Scope::User, used, wanted.usage, allowance.storage, allowance.messages) {
                return Ok(Some(over));
            }
        }
        let used = sum(&|_| true, self.header.total);
        Ok(exceeded(Scope::Domain, used, wanted.usage, allowance.domain_storage, allowance.domain_messages))
    }

    /// The number by which others know that this process lives; what an earlier owner of the number had reserved is given back.
    fn holder(&mut self) -> io::Result<u32> {
        if let Some(holder) = self.own.holder {
            return Ok(holder);
        }
        for holder in 0..HOLDERS {
            if lock::range(self.file, Range::Exclusive, LIVING + u64::from(holder), 1)? {
                self.own.holder = Some(holder);
                let left: Vec<_> = self.held()?.into_iter().filter(|(_, held)| held.holder == holder).collect();
                left.into_iter().try_for_each(|(number, _)| self.put_held(number, None))?;
                return Ok(holder);
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Takes away what dead processes had reserved; tells whether there was any.
    fn bury(&mut self, held: &mut Vec<(usize, Held)>) -> io::Result<bool> {
        let (own, mut dead) = (self.holder()?, Vec::new());
        let mut holders: Vec<u32> = held.iter().map(|(_, held)| held.holder).filter(|&holder| holder != own).collect();
        holders.sort_unstable();
        holders.dedup();
        for holder in holders {
            let place = LIVING + u64::from(holder);
            if lock::range(self.file, Range::Exclusive, place, 1)? {
                lock::range(self.file, Range::Free, place, 1)?;
                dead.push(holder);
            }
        }
        let (gone, left) = held.iter().partition(|(_, held)| dead.contains(&held.holder));
        *held = left;
        let gone: Vec<(usize, Held)> = gone;
        gone.iter().try_for_each(|&(number, _)| self.put_held(number, None))?;
        Ok(!gone.is_empty())
    }
}

fn exceeded(scope: Scope, used: Usage, more: Usage, storage: Option<u64>, messages: Option<u64>) -> Option<Over> {
    let one = |resource, used: u64, more: u64, limit: Option<u64>| {
        let limit = limit.filter(|&limit| more > 0 && used.saturating_add(more) > limit)?;
        Some(Over { scope, resource, used, limit })
    };
    one(Resource::Storage, used.octets, more.octets, storage).or_else(|| one(Resource::Messages, used.messages, more.messages, messages))
}

/// The octets that living processes lock, one each.
const LIVING: u64 = 1 << 61;
const HOLDERS: u32 = 1 << 16;

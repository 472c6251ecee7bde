//! A message on its way: its text and its envelope sender.

use std::fs::File;
use std::sync::Arc;

use aws_lc_rs::digest;

use super::field::{self, Field};
use crate::address::Owner;
use crate::store::{Letter, Store, Trouble};

/// A message on its way: its text and its envelope sender. Clones share the text.
#[derive(Clone)]
pub struct Mail {
    letter: Letter,
    sender: Arc<str>,
    /// Our own trace of it.
    trace: Arc<str>,
    /// Octets of the From_ line that the program before us may have written (behaviour.md §18 trap 48).
    postmark: usize,
    /// The header, as far as it is looked at, behind the From_ line.
    header: Arc<[u8]>,
}

impl Mail {
    /// `letter` from the envelope sender `sender`, which is empty for a bounce. May read the disk.
    ///
    /// # Errors
    /// A large message, kept on the disk, cannot be read.
    pub fn new(letter: Letter, sender: impl Into<Arc<str>>) -> Result<Mail, Trouble> {
        let mut header = letter.beginning(MOST)?;
        let postmark = if is_postmarked(&header) { header.iter().position(|&octet| octet == b'\n').map_or(0, |end| end + 1) } else { 0 };
        header.drain(..postmark);
        let (whole, last) = field::fields(&header).fold((0, 0), |(sum, _), field| (sum + field.lines.len(), field.lines.len()));
        // Where the header goes on behind what was read, its last field is only a part of one.
        let is_cut = whole == header.len() && (postmark + whole) as u64 != letter.len();
        header.truncate(if is_cut { whole - last } else { whole });
        Ok(Mail { letter, sender: sender.into(), trace: "".into(), postmark, header: header.into() })
    }

    /// The same, with `fields` above its header wherever it goes: whole lines that end with LF, as a Received field of ours (RFC 5321 §4.4).
    /// They are no part of what it is: when it comes again, it is the same message whatever they say.
    pub fn with_trace(self, fields: impl Into<Arc<str>>) -> Mail {
        Mail { trace: fields.into(), ..self }
    }

    /// The same from another envelope sender.
    pub fn with_sender(self, sender: impl Into<Arc<str>>) -> Mail {
        Mail { sender: sender.into(), ..self }
    }

    /// The envelope sender; empty for a bounce.
    pub fn sender(&self) -> &str {
        &self.sender
    }

    /// The fields of its header; of a header of more than 256 KiB those at its beginning.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        field::fields(&self.header)
    }

    /// Whether it is copied without touching the disk, or nearly so.
    pub(super) fn is_small(&self) -> bool {
        self.letter.len() <= 512 * 1024
    }

    /// Whether it has been in this mailbox before, and somebody sent it on from there.
    pub fn was_delivered_to(&self, owner: &Owner) -> bool {
        let owner = owner.to_string();
        self.has_come_to(&owner)
    }

    /// Whether `address` has sent it on before.
    pub(super) fn has_come_to(&self, address: &str) -> bool {
        self.fields().any(|field| field.is("Delivered-To") && field.value.eq_ignore_ascii_case(address.as_bytes()))
    }

    /// What tells it from all others, as a name for a file: its header, size and sender. `None` where the header has no part that a server
    /// or the author has made for it alone: a report that comes each night is not yesterday's.
    pub(super) fn identity(&self) -> Option<String> {
        if !self.fields().any(|field| field.is("Received") || field.is("Message-ID")) {
            return None;
        }
        let mut sum = digest::Context::new(&digest::SHA256);
        [self.sender.as_bytes(), b"\0", &self.letter.len().to_le_bytes(), &self.header].iter().for_each(|part| sum.update(part));
        Some(sum.finish().as_ref().iter().map(|octet| format!("{octet:02x}")).collect())
    }

    /// Servers that it has come through (RFC 5321 §6.3).
    pub(super) fn hops(&self) -> usize {
        self.fields().filter(|field| field.is("Received")).count()
    }

    /// The letter that lies in the mailbox of `owner`: with the one Return-Path of RFC 5321 §4.4, which says where bounces go, and with a
    /// mark that it has been there. Blocks.
    ///
    /// # Errors
    /// A large message cannot be read or written.
    pub fn letter_for(&self, owner: &Owner, bounces_to: &str, store: &Store) -> Result<Letter, Trouble> {
        let mut draft = store.draft();
        draft.push(&self.head(&path(bounces_to), &owner.to_string()))?;
        self.letter.copy_into(&mut draft, self.body())?;
        draft.finish()
    }

    /// What a program reads that gets it on behalf of the address `by`, below the lines `above`. Blocks.
    ///
    /// # Errors
    /// A large message cannot be read or written.
    pub(super) fn file_for(&self, by: &str, above: &str, store: &Store) -> Result<File, Trouble> {
        store.file_of(&self.head(above, by), &self.letter, self.body())
    }

    /// The header below the lines `above`, and a mark that it has been at `by`.
    fn head(&self, above: &str, by: &str) -> Vec<u8> {
        let mut head = format!("{above}Delivered-To: {}\n{}", printable(by), self.trace).into_bytes();
        let is_ours = |field: &Field<'_>| field.is("Delivered-To") && field.value.eq_ignore_ascii_case(by.as_bytes());
        let others = self.fields().filter(|field| !field.is("Return-Path") && !is_ours(field));
        others.for_each(|field| head.extend_from_slice(field.lines));
        head
    }

    /// Where what we have not looked at begins.
    fn body(&self) -> u64 {
        (self.postmark + self.header.len()) as u64
    }
}

/// Whether an mbox separator stands before the header; `>From ` is a copy of one that a relay made.
fn is_postmarked(text: &[u8]) -> bool {
    text.starts_with(b"From ") || text.starts_with(b">From ")
}

/// The field that says where bounces go (RFC 5321 §4.4).
pub fn path(bounces_to: &str) -> String {
    format!("Return-Path: <{}>\n", printable(bounces_to))
}

/// A stranger's address for a header field: one line, and the angle brackets are ours.
fn printable(address: &str) -> String {
    address.chars().filter(|letter| !letter.is_control() && !"<>".contains(*letter)).take(LONGEST_PATH).collect()
}

/// So much of a message is looked at for its header, in octets.
const MOST: usize = 256 * 1024;
/// Characters; RFC 5321 §4.5.3.1.3 asks for 256 octets.
const LONGEST_PATH: usize = 1024;

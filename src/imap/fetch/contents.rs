//! Octets of one message in the answer: where they come from, how many there are, and they themselves.

use super::answer::Answering;
use super::facts;
use super::fields::{Fields, Picker};
use super::item::{Content, Form};
use super::lines::{Window, mask};
use super::pour::{Filter, Measured, Pour, cut_off};
use super::section::{Place, Text};
use crate::imap::out::Out;
use crate::message::{Decoder, Encoding, EntryRef, Part};
use crate::store::{Entry, Folder, Reader};
use crate::wire::Lost;

/// Where what is asked for comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source<'c> {
    /// The message has no such section.
    Nowhere,
    /// The store keeps those fields.
    Kept(&'c Fields),
    /// The message, where it is encoded so.
    At(Place, Encoding),
    /// The message, but nobody knows how it is encoded.
    Undecodable,
}

impl Answering<'_> {
    /// Answers for one message with octets of it. If it can't be read, nothing is said of it at all.
    pub(super) async fn contents(&mut self, number: u32, message: &Entry<'_>, kept: EntryRef<'_>) -> Result<(), Lost> {
        let texts = &self.items.texts;
        let is_whole = texts.iter().all(|content| content.section.is_of_message());
        let parts = if is_whole { kept.message().map(|message| vec![message]) } else { kept.parts() };
        let Some(parts) = parts else {
            self.note_gone();
            return Ok(());
        };
        let sources: Vec<Source<'_>> = texts.iter().map(|content| Source::of(content, &parts, kept)).collect();
        if sources.contains(&Source::Undecodable) {
            self.note_unknown_encoding();
            return Ok(());
        }
        let Some(mut reader) = self.reader(message.uid, &sources).await else { return Ok(()) };
        if reader.is_some() {
            self.wire.begin_message()?;
        }
        let facts = self.items.facts.iter().copied().chain(self.news_of(message.uid));
        let mut before = facts::begin(self.wire.output(), number, message, Some(kept), facts);
        for (content, source) in std::iter::zip(texts, sources) {
            let mut out = Out::new(self.wire.output());
            out.raw(before).raw(&content.label).raw(" ");
            before = " ";
            match (source, &mut reader) {
                (Source::Kept(fields), _) => self.kept_fields(fields, kept, content),
                (Source::At(place, encoding), Some(reader)) => self.octets(content, place, encoding, message.uid, reader).await?,
                _ if content.form == Form::DecodedSize => _ = out.raw("0"),
                _ => _ = out.raw("NIL"),
            }
        }
        self.wire.say(b")\r\n");
        match reader {
            Some(reader) => self.end_of_message(reader).await,
            None => Ok(()),
        }
    }

    /// The message, open, if there is something to be read; nothing at all if it can't be.
    async fn reader(&mut self, uid: u32, sources: &[Source<'_>]) -> Option<Option<Reader>> {
        if !sources.iter().any(|source| matches!(source, Source::At(..))) {
            return Some(None);
        }
        match self.folder.read(uid).await {
            Ok(reader) => Some(Some(reader)),
            Err(trouble) => {
                self.note(trouble);
                None
            }
        }
    }

    /// A message that another program changed while it was sent is not one: the client must not take it for complete.
    async fn end_of_message(&mut self, mut reader: Reader) -> Result<(), Lost> {
        let verified = reader.verify().await;
        self.last = Some(reader);
        match verified {
            Ok(()) => {
                self.wire.end_message();
                Ok(())
            }
            Err(trouble) => {
                self.wire.output().clear();
                Err(cut_off(&trouble))
            }
        }
    }

    /// Fields of the header that need not be read again.
    fn kept_fields(&mut self, fields: &Fields, kept: EntryRef<'_>, content: &Content) {
        let (mut picker, mut picked) = (Picker::new(fields), Vec::new());
        picker.push(kept.fields(), &mut picked);
        picker.finish(&mut picked);
        picked.extend_from_slice(b"\r\n");
        mask(&mut picked);
        let wanted = content.window().cut(&picked);
        announce(self.wire.output(), Measured { octets: wanted.len() as u64, has_nul: false });
        self.wire.say(wanted);
    }

    /// What is in `place` of the message, in the form that `content` asks for.
    async fn octets(&mut self, content: &Content, place: Place, encoding: Encoding, uid: u32, reader: &mut Reader) -> Result<(), Lost> {
        let mut pour = Pour { reader, uid, bookmark: self.bookmark };
        let window = content.window();
        let measured = match content.filter(encoding) {
            Filter::Whole => Measured { octets: window.left.min(place.size.saturating_sub(window.skip)), has_nul: false },
            filter => pour.measure(place, filter, window).await?,
        };
        if content.form == Form::DecodedSize {
            Out::new(self.wire.output()).number(measured.octets);
            return Ok(());
        }
        announce(self.wire.output(), measured);
        pour.send(place, content.filter(encoding), Window { left: measured.octets, ..window }, self.wire).await
    }
}

impl<'c> Source<'c> {
    fn of(content: &'c Content, parts: &[Part], kept: EntryRef<'_>) -> Source<'c> {
        if let Text::Fields(fields) = &content.section.text
            && content.section.is_of_message()
            && fields.are_kept()
            && kept.has_short_header()
        {
            return Source::Kept(fields);
        }
        match (content.section.place(parts), content.form, content.section.encoding(parts)) {
            (None, ..) => Source::Nowhere,
            (Some(place), Form::Raw, _) => Source::At(place, Encoding::Identity),
            (Some(_), _, Encoding::Unknown) => Source::Undecodable,
            (Some(place), _, encoding) => Source::At(place, encoding),
        }
    }
}

impl Content {
    /// Which of the octets are wanted.
    fn window(&self) -> Window {
        self.partial.map_or(Window::ALL, |(skip, left)| Window { skip, left })
    }

    /// What becomes of octets that are encoded so.
    fn filter(&self, encoding: Encoding) -> Filter<'_> {
        match (&self.section.text, self.form) {
            (Text::Fields(fields), _) => Filter::Fields(Picker::new(fields)),
            (_, Form::Raw) => Filter::Whole,
            _ => Decoder::new(encoding).map_or(Filter::Whole, Filter::Decoded),
        }
    }
}

/// What stands before octets (RFC 9051 §4.3); no octets are a string.
fn announce(out: &mut Vec<u8>, Measured { octets, has_nul }: Measured) {
    let mut out = Out::new(out);
    match (octets, has_nul) {
        (0, _) => out.raw("\"\""),
        // RFC 3516 §4.2: what has NUL is a literal8.
        (octets, true) => out.raw("~{").number(octets).raw("}\r\n"),
        (octets, false) => out.raw("{").number(octets).raw("}\r\n"),
    };
}

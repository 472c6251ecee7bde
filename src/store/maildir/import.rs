//! What Courier left beside a Maildir is taken over, once: then there is a list of UIDs as Dovecot has it, and that counts.

use std::collections::HashMap;
use std::io;

use super::courier::{self, KeywordList, Sizes};
use super::ledger::{self, Lists};
use super::uidlist;
use super::{Held, scan};
use crate::os::Dir;
use crate::os::stamp::Stamp;
use crate::store::{Trouble, identity};

impl Held<'_> {
    /// What another server left of UIDs, or none at all.
    pub fn first_lists(&self) -> Result<Lists, Trouble> {
        let courier = self.act(DOING, || self.content(UIDS, uidlist::LARGEST))?;
        let mut lists = match courier.as_ref().and_then(|(text, _)| ledger::parse(text, Stamp::default()).ok()) {
            Some(lists) => lists,
            None => scan::empty(identity::uidvalidity(&self.maildir.shared, &self.maildir.account)?),
        };
        self.take_courier_uidls(&mut lists)?;
        lists.header.guid.get_or_insert_with(|| u128::from_be_bytes(identity::mailbox()));
        lists.is_due = true;
        Ok(lists)
    }

    /// POP3 clients know messages by these.
    fn take_courier_uidls(&self, lists: &mut Lists) -> Result<(), Trouble> {
        let sizes = self.act(DOING, || self.content(UIDLS, courier::LARGEST))?;
        for popped in Sizes::parse(sizes.as_ref().map_or(&[], |(text, _)| text)) {
            let line = lists.lines.entry(popped.base.into()).or_default();
            uidlist::push_field(&mut line.fields, uidlist::UIDL, popped.uidl().as_bytes());
            uidlist::push_field(&mut line.fields, uidlist::WIRE_SIZE, popped.size.to_string().as_bytes());
        }
        Ok(())
    }

    /// The keywords of messages, by base. They are noted as such without a letter before this returns, so that they outlive whatever
    /// happens before the files have letters for them.
    pub fn take_courier_keywords(&self) -> Result<HashMap<Box<[u8]>, Vec<String>>, Trouble> {
        let keywords = self.act(DOING, || match self.top.beneath(KEYWORDS) {
            Ok(dir) => courier_keywords(&dir),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashMap::new()),
            Err(error) => Err(error),
        })?;
        if !keywords.is_empty() {
            let mut further = self.further_keywords()?;
            further.extend(keywords.iter().map(|(base, words)| (base.clone(), words.clone())));
            self.write_further(&further)?;
        }
        Ok(keywords)
    }
}

/// What the files in `courierimapkeywords` say.
fn courier_keywords(dir: &Dir) -> io::Result<HashMap<Box<[u8]>, Vec<String>>> {
    let list = dir.content(LIST, courier::LARGEST as u64).or_else(none_if_missing)?;
    let list = KeywordList::parse(&list);
    let mut all: HashMap<Box<[u8]>, Vec<String>> =
        list.messages().map(|(base, words)| (base.into(), words.map(str::to_owned).collect())).collect();
    let files = dir.names(|name, _| name != LIST)?;
    for (base, file) in courier::newest(files.iter().map(|file| file.as_encoded_bytes())) {
        let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(file);
        match dir.content(name, courier::LONGEST as u64) {
            Ok(text) => _ = all.insert(base.into(), courier::keywords(&text)),
            // Courier removes the old ones at any time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(file = %name.display(), %error, "keywords that Courier left can't be read"),
        }
    }
    all.retain(|_, words| !words.is_empty());
    Ok(all)
}

fn none_if_missing(error: io::Error) -> io::Result<Vec<u8>> {
    if error.kind() == io::ErrorKind::NotFound { Ok(Vec::new()) } else { Err(error) }
}

const DOING: &str = "reading what Courier left in";
const UIDS: &str = "courierimapuiddb";
const UIDLS: &str = "courierpop3dsizelist";
const KEYWORDS: &str = "courierimapkeywords";
const LIST: &str = ":list";

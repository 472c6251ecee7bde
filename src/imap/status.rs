//! STATUS (RFC 9051 §6.3.11), with SIZE (RFC 8438), HIGHESTMODSEQ (RFC 7162 §3.1.7), MAILBOXID (RFC 8474 §4.3), APPENDLIMIT (RFC 7889 §4)
//! and DELETED-STORAGE (RFC 9208 §4.1.4).

use super::args::{Args, Bad};
use super::out::Out;
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::Order;
use crate::store::{AnyHome, Flags, Folder, FolderName, Home, Namespace, Status, Trouble};

/// What can be asked of a mailbox without selecting it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    AppendLimit,
    Deleted,
    DeletedStorage,
    HighestModSeq,
    MailboxId,
    Messages,
    Recent,
    Size,
    UidNext,
    UidValidity,
    Unseen,
}

/// How a status is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner<'a> {
    pub items: &'a [Item],
    pub namespace: &'a Namespace,
    pub is_utf8: bool,
    pub append_limit: u64,
}

impl Session<'_> {
    pub(super) async fn status(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        let args = &mut order.args;
        args.space()?;
        let name = args.mailbox(&self.user()?.namespace)?;
        args.space()?;
        let items = items(args)?;
        args.end()?;
        let name = name?;
        // RFC 7162 §3.1.7: whoever asks for it has enabled it.
        if items.contains(&Item::HighestModSeq) {
            self.enable_condstore();
        }
        let (is_utf8, append_limit, wire) = (self.enabled.has_utf8_names(), self.append_limit(), &mut self.wire);
        let user = self.user.as_deref_mut().ok_or(Refusal::Bad("log in first"))?;
        let manner = Manner { items: &items, namespace: &user.namespace, is_utf8, append_limit };
        let status = user.home.status(std::slice::from_ref(&name)).await.pop().unwrap_or(Err(Trouble::NoFolder))?;
        let storage = deleted_storage(&user.home, &name, &items, &status).await?;
        say(&mut Out::new(wire.output()), &name, &status, storage, manner);
        Reply::ok("STATUS completed")
    }
}

/// `(MESSAGES UIDNEXT)`.
pub(super) fn items(args: &mut Args<'_>) -> Result<Vec<Item>, Bad> {
    args.expect(b'(', "list of status items expected")?;
    let mut items = Vec::new();
    loop {
        let word = args.word()?;
        let known = ITEMS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).ok_or(Bad("no such status item"))?;
        if !items.contains(&known.1) {
            items.push(known.1);
        }
        if !args.takes(b' ') {
            break;
        }
    }
    args.expect(b')', "list of status items without an end")?;
    Ok(items)
}

/// Octets of messages that are marked as deleted, if they are asked for: the one item for which a mailbox has to be opened.
pub(super) async fn deleted_storage(home: &AnyHome, name: &FolderName, items: &[Item], status: &Status) -> Result<u64, Trouble> {
    if status.deleted == 0 || !items.contains(&Item::DeletedStorage) {
        return Ok(0);
    }
    let folder = home.open(name).await?;
    let deleted = folder.state().messages().filter(|message| message.flags().contains(Flags::DELETED));
    Ok(deleted.map(|message| message.size.octets().max(message.len)).sum())
}

/// A STATUS response.
pub(super) fn say(out: &mut Out<'_>, name: &FolderName, status: &Status, deleted_storage: u64, manner: Manner<'_>) {
    out.raw("* STATUS ").mailbox(name, manner.namespace, manner.is_utf8).raw(" ");
    let mut before = "(";
    for (name, item) in ITEMS.iter().filter(|(_, item)| manner.items.contains(item)) {
        out.raw(before).raw(name).raw(" ");
        before = " ";
        match item {
            Item::AppendLimit => out.number(manner.append_limit),
            Item::Deleted => out.number(status.deleted),
            Item::DeletedStorage => out.number(deleted_storage),
            Item::HighestModSeq => out.number(status.modseq),
            Item::MailboxId => out.raw("(").shown(status.id).raw(")"),
            Item::Messages => out.number(status.messages),
            Item::Recent => out.number(0u32),
            Item::Size => out.number(status.octets),
            Item::UidNext => out.number(status.uidnext),
            Item::UidValidity => out.number(status.uidvalidity),
            Item::Unseen => out.number(status.unseen),
        };
    }
    out.raw(")").end();
}

static ITEMS: [(&str, Item); 11] = [
    ("MESSAGES", Item::Messages),
    ("RECENT", Item::Recent),
    ("UIDNEXT", Item::UidNext),
    ("UIDVALIDITY", Item::UidValidity),
    ("UNSEEN", Item::Unseen),
    ("DELETED", Item::Deleted),
    ("SIZE", Item::Size),
    ("HIGHESTMODSEQ", Item::HighestModSeq),
    ("MAILBOXID", Item::MailboxId),
    ("APPENDLIMIT", Item::AppendLimit),
    ("DELETED-STORAGE", Item::DeletedStorage),
];

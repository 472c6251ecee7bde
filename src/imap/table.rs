//! The table of commands: what they are called, when they are legal, and what may be told during them (RFC 9051 §6).

use std::future::ready;
use std::pin::Pin;

use super::args::Args;
use super::frame::Announced;
use super::reply::{Refusal, Reply};
use super::session::Session;

/// A command as it was given.
pub(super) struct Order<'t> {
    pub tag: &'t str,
    pub args: Args<'t>,
    /// Its numbers are UIDs.
    pub is_uid: bool,
    /// The message that waits behind the arguments.
    pub message: Option<Announced>,
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub name: &'static str,
    pub command: Command,
    at: At,
    form: Form,
    pub news: Telling,
    /// Without this capability there is no such command; empty for what every server has.
    pub needs: &'static str,
    /// A message is among the arguments.
    pub takes_message: bool,
}

/// In which state a command is legal (RFC 9051 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Any,
    /// Before a login.
    Stranger,
    /// After a login.
    User,
    /// With a selected mailbox.
    Selected,
}

/// Whether there is a form with `UID` before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Uid,
    Both,
}

/// What the client is told of its mailbox at the end of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// Nothing: the mailbox is another one afterwards.
    Nothing,
    /// All but expunges, unless it speaks of UIDs (RFC 9051 §7.5.1).
    NoExpunge,
    /// All.
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Append,
    Authenticate,
    Capability,
    Close,
    Compress,
    Copy,
    Create,
    Delete,
    Enable,
    Examine,
    Expunge,
    Fetch,
    GetQuota,
    GetQuotaRoot,
    Id,
    Idle,
    List,
    Login,
    Logout,
    Lsub,
    Move,
    Namespace,
    Noop,
    Rename,
    Replace,
    Search,
    Select,
    SetQuota,
    Sort,
    StartTls,
    Status,
    Store,
    Subscribe,
    Thread,
    Unauthenticate,
    Unselect,
    Unsubscribe,
}

impl Row {
    /// Whether the command may be given now.
    pub fn check(&self, is_user: bool, has_mailbox: bool) -> Result<(), Refusal> {
        match self.at {
            At::Stranger if is_user => Err(Refusal::Bad("you have logged in already")),
            At::User | At::Selected if !is_user => Err(Refusal::Bad("log in first")),
            At::Selected if !has_mailbox => Err(Refusal::Bad("select a mailbox first")),
            _ => Ok(()),
        }
    }
}

/// The line of a command, by its name in any case.
pub(super) fn find(name: &str, is_uid: bool) -> Option<&'static Row> {
    let fits = |form: Form| form == Form::Both || (form == Form::Uid) == is_uid;
    TABLE.iter().find(|row| row.name.eq_ignore_ascii_case(name) && fits(row.form))
}

impl Session<'_> {
    /// Boxed: a session spends its life waiting, and should not be as large as the largest command.
    pub(super) fn dispatch<'s>(
        &'s mut self,
        command: Command,
        order: Order<'s>,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Refusal>> + Send + 's>> {
        match command {
            Command::Append => Box::pin(self.append(order)),
            Command::Authenticate => Box::pin(self.authenticate(order)),
            Command::Capability => Box::pin(ready(self.capability(order))),
            Command::Close => Box::pin(self.close(order)),
            Command::Compress => Box::pin(self.compress(order)),
            Command::Copy => Box::pin(self.copy(order)),
            Command::Create => Box::pin(self.create(order)),
            Command::Delete => Box::pin(self.delete(order)),
            Command::Enable => Box::pin(ready(self.enable(order))),
            Command::Examine => Box::pin(self.select(order, true)),
            Command::Expunge => Box::pin(self.expunge(order)),
            Command::Fetch => Box::pin(self.fetch(order)),
            Command::GetQuota => Box::pin(self.get_quota(order)),
            Command::GetQuotaRoot => Box::pin(self.get_quota_root(order)),
            Command::Id => Box::pin(ready(self.id(order))),
            Command::Idle => Box::pin(ready(self.idle(order))),
            Command::List => Box::pin(self.list(order)),
            Command::Login => Box::pin(self.login(order)),
            Command::Logout => Box::pin(ready(self.logout(order))),
            Command::Lsub => Box::pin(self.lsub(order)),
            Command::Move => Box::pin(self.relocate(order)),
            Command::Namespace => Box::pin(ready(self.namespace(order))),
            Command::Noop => Box::pin(ready(self.noop(order))),
            Command::Rename => Box::pin(self.rename(order)),
            Command::Replace => Box::pin(self.replace(order)),
            Command::Search => Box::pin(self.search(order)),
            Command::Select => Box::pin(self.select(order, false)),
            Command::SetQuota => Box::pin(ready(self.set_quota())),
            Command::Sort => Box::pin(self.sort(order)),
            Command::StartTls => Box::pin(self.start_tls(order)),
            Command::Status => Box::pin(self.status(order)),
            Command::Store => Box::pin(self.store(order)),
            Command::Subscribe => Box::pin(self.subscribe(order, true)),
            Command::Thread => Box::pin(self.thread(order)),
            Command::Unauthenticate => Box::pin(self.unauthenticate(order)),
            Command::Unselect => Box::pin(self.unselect(order)),
            Command::Unsubscribe => Box::pin(self.subscribe(order, false)),
        }
    }
}

const fn row(name: &'static str, command: Command, at: At, form: Form, news: Telling, needs: &'static str) -> Row {
    Row { name, command, at, form, news, needs, takes_message: matches!(command, Command::Append | Command::Replace) }
}

use Form::{Both, Plain};
use Telling::{All, NoExpunge, Nothing};

static TABLE: [Row; 44] = [
    row("APPEND", Command::Append, At::User, Plain, All, ""),
    row("AUTHENTICATE", Command::Authenticate, At::Stranger, Plain, Nothing, ""),
    row("CAPABILITY", Command::Capability, At::Any, Plain, All, ""),
    row("CHECK", Command::Noop, At::Selected, Plain, All, ""),
    row("CLOSE", Command::Close, At::Selected, Plain, Nothing, ""),
    row("COMPRESS", Command::Compress, At::User, Plain, Nothing, "COMPRESS=DEFLATE"),
    row("COPY", Command::Copy, At::Selected, Both, All, ""),
    row("CREATE", Command::Create, At::User, Plain, All, ""),
    row("DELETE", Command::Delete, At::User, Plain, All, ""),
    row("ENABLE", Command::Enable, At::User, Plain, All, "ENABLE"),
    row("EXAMINE", Command::Examine, At::User, Plain, Nothing, ""),
    row("EXPUNGE", Command::Expunge, At::Selected, Plain, All, ""),
    row("EXPUNGE", Command::Expunge, At::Selected, Form::Uid, All, "UIDPLUS"),
    row("FETCH", Command::Fetch, At::Selected, Plain, NoExpunge, ""),
    row("FETCH", Command::Fetch, At::Selected, Form::Uid, All, ""),
    row("GETQUOTA", Command::GetQuota, At::User, Plain, All, "QUOTA"),
    row("GETQUOTAROOT", Command::GetQuotaRoot, At::User, Plain, All, "QUOTA"),
    row("ID", Command::Id, At::Any, Plain, All, "ID"),
    row("IDLE", Command::Idle, At::User, Plain, All, "IDLE"),
    row("LIST", Command::List, At::User, Plain, All, ""),
    row("LOGIN", Command::Login, At::Stranger, Plain, Nothing, ""),
    row("LOGOUT", Command::Logout, At::Any, Plain, Nothing, ""),
    row("LSUB", Command::Lsub, At::User, Plain, All, ""),
    row("MOVE", Command::Move, At::Selected, Both, All, "MOVE"),
    row("NAMESPACE", Command::Namespace, At::User, Plain, All, "NAMESPACE"),
    row("NOOP", Command::Noop, At::Any, Plain, All, ""),
    row("RENAME", Command::Rename, At::User, Plain, All, ""),
    row("REPLACE", Command::Replace, At::Selected, Both, All, "REPLACE"),
    row("SEARCH", Command::Search, At::Selected, Plain, NoExpunge, ""),
    row("SEARCH", Command::Search, At::Selected, Form::Uid, All, ""),
    row("SELECT", Command::Select, At::User, Plain, Nothing, ""),
    row("SETQUOTA", Command::SetQuota, At::User, Plain, All, "QUOTA"),
    row("SORT", Command::Sort, At::Selected, Plain, NoExpunge, "SORT"),
    row("SORT", Command::Sort, At::Selected, Form::Uid, All, "SORT"),
    row("STARTTLS", Command::StartTls, At::Stranger, Plain, Nothing, ""),
    row("STATUS", Command::Status, At::User, Plain, All, ""),
    row("STORE", Command::Store, At::Selected, Plain, NoExpunge, ""),
    row("STORE", Command::Store, At::Selected, Form::Uid, All, ""),
    row("SUBSCRIBE", Command::Subscribe, At::User, Plain, All, ""),
    row("THREAD", Command::Thread, At::Selected, Plain, NoExpunge, "THREAD"),
    row("THREAD", Command::Thread, At::Selected, Form::Uid, All, "THREAD"),
    row("UNAUTHENTICATE", Command::Unauthenticate, At::User, Plain, Nothing, "UNAUTHENTICATE"),
    row("UNSELECT", Command::Unselect, At::Selected, Plain, Nothing, "UNSELECT"),
    row("UNSUBSCRIBE", Command::Unsubscribe, At::User, Plain, All, ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_in_any_case_and_in_their_forms() {
        assert_eq!(find("noop", false).unwrap().command, Command::Noop);
        assert!(find("noop", true).is_none());
        assert_eq!(find("Store", false).unwrap().news, Telling::NoExpunge);
        assert_eq!(find("Store", true).unwrap().news, Telling::All);
        assert_eq!(find("COPY", true).unwrap().command, Command::Copy);
        assert!(find("FOO", false).is_none());
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(TABLE.is_sorted_by_key(|row| row.name));
    }

    #[test]
    fn states_decide_what_is_legal() {
        let check = |name: &str, is_user, has_mailbox| find(name, false).unwrap().check(is_user, has_mailbox).is_ok();
        assert!(check("LOGIN", false, false) && !check("LOGIN", true, false));
        assert!(check("LIST", true, true) && !check("LIST", false, false));
        assert!(check("CLOSE", true, true) && !check("CLOSE", true, false));
        assert!(check("NOOP", false, false) && check("NOOP", true, true));
    }
}

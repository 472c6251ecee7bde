//! The table of commands: what they are called, when they are legal, and what may be told during them (RFC 9051 §6).

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
    pub(super) async fn dispatch(&mut self, command: Command, order: Order<'_>) -> Result<Reply, Refusal> {
        match command {
            Command::Append => self.append(order).await,
            Command::Authenticate => self.authenticate(order).await,
            Command::Capability => self.capability(order),
            Command::Close => self.close(order).await,
            Command::Compress => self.compress(order).await,
            Command::Copy => self.copy(order).await,
            Command::Create => self.create(order).await,
            Command::Delete => self.delete(order).await,
            Command::Enable => self.enable(order),
            Command::Examine => self.select(order, true).await,
            Command::Expunge => self.expunge(order).await,
            Command::Fetch => self.fetch(order).await,
            Command::GetQuota => self.get_quota(order).await,
            Command::GetQuotaRoot => self.get_quota_root(order).await,
            Command::Id => self.id(order),
            Command::Idle => self.idle(order).await,
            Command::List => self.list(order).await,
            Command::Login => self.login(order).await,
            Command::Logout => self.logout(order),
            Command::Lsub => self.lsub(order).await,
            Command::Move => self.relocate(order).await,
            Command::Namespace => self.namespace(order),
            Command::Noop => self.noop(order),
            Command::Rename => self.rename(order).await,
            Command::Replace => self.replace(order).await,
            Command::Search => self.search(order).await,
            Command::Select => self.select(order, false).await,
            Command::SetQuota => self.set_quota(),
            Command::Sort => self.sort(order).await,
            Command::StartTls => self.start_tls(order).await,
            Command::Status => self.status(order).await,
            Command::Store => self.store(order).await,
            Command::Subscribe => self.subscribe(order, true).await,
            Command::Thread => self.thread(order).await,
            Command::Unauthenticate => self.unauthenticate(order).await,
            Command::Unselect => self.unselect(order).await,
            Command::Unsubscribe => self.subscribe(order, false).await,
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

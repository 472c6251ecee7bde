//! `vmail mailbox` and `vmail quota`: what is typed and what is printed; the deeds are in the room `admin`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::account::print;
use super::progress::Progress;
use super::vmail::Form;
use crate::address::{Domain, Owner};
use crate::admin::{self, Admin, Import, Line, Mailboxes, Mailroom, QuotaChange, QuotaLine, Source, Target};
use crate::config::{Root, SpecialUse, Spool};
use crate::store::Mend;

#[derive(Debug, Subcommand)]
pub(super) enum MailboxCommand {
    /// List a user's folders
    List {
        /// user@domain
        user: Owner,
        #[command(flatten)]
        form: Form,
    },
    /// Show the numbers of folders: UIDVALIDITY, next UID, MODSEQ, MAILBOXID
    Status {
        /// user@domain
        user: Owner,
        /// Only these (default: all)
        folders: Vec<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Make a folder
    Create {
        /// user@domain
        user: Owner,
        /// Its name, as mail programs show it
        folder: String,
        /// What it is for
        #[arg(long, value_enum)]
        special: Option<Special>,
        /// Subscribe it, too
        #[arg(long)]
        subscribe: bool,
    },
    /// Remove a folder and its mail; folders below it stay
    Delete {
        /// user@domain
        user: Owner,
        /// Its name
        folder: String,
    },
    /// Give a folder and all below it another name
    Rename {
        /// user@domain
        user: Owner,
        /// Its name
        folder: String,
        /// The new name
        new: String,
    },
    /// Look for what is wrong: index, lists, files, owners, quota
    Check {
        /// user@domain
        user: Owner,
        /// Only these folders (default: all)
        folders: Vec<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Make the index anew from the files, and correct the quota's figures
    Rebuild {
        /// user@domain
        user: Owner,
        /// Only these folders (default: all)
        folders: Vec<String>,
    },
    /// Write mail to files outside of the store
    Export {
        /// user@domain
        user: Owner,
        /// The file or folder to be made
        target: PathBuf,
        /// Its form
        #[arg(long, value_enum, default_value = "mbox")]
        format: Format,
        /// Only this folder (default: all, each in a file or folder of its own below TARGET)
        #[arg(long)]
        folder: Option<String>,
    },
    /// Make all mail of a user a Maildir, or an mbox with its folders; UIDs, flags and POP3 ids stay. Deliveries wait meanwhile
    Convert {
        /// What it is to be
        #[arg(value_enum)]
        to: Kind,
        /// user@domain
        user: Owner,
    },
    /// Append mail from files: an mbox, a Maildir with its folders, or a tree of .eml and .mbox files
    Import {
        /// user@domain
        user: Owner,
        /// The files or folders
        #[arg(required = true)]
        sources: Vec<PathBuf>,
        /// Their form (default: what they look like)
        #[arg(long, value_enum)]
        format: Option<Format>,
        /// The folder that it goes to, and below (default: INBOX, and folders of the same name)
        #[arg(long)]
        folder: Option<String>,
        /// Leave out so many messages at the beginning: where an interrupted import goes on
        #[arg(long, default_value_t = 0)]
        skip: u64,
        /// Whatever the limits are
        #[arg(long)]
        over_quota: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum QuotaCommand {
    /// Show how much mail there is, and how much there may be
    Show {
        /// user@domain, or a domain
        who: Who,
        #[command(flatten)]
        form: Form,
    },
    /// Set limits: of one user, or those that a domain has for all its users
    Set {
        /// user@domain, or a domain
        who: Who,
        #[command(flatten)]
        limits: Limits,
        /// Of all users together (domains only)
        #[arg(long, value_name = "SIZE")]
        domain_storage: Option<String>,
        /// Messages of all users together (domains only)
        #[arg(long, value_name = "NUMBER")]
        domain_messages: Option<String>,
    },
    /// Count all mail of a domain anew
    Recompute {
        /// Its name
        domain: Domain,
    },
}

/// Limits of users: sizes are KiB, or like 500M or 2G; `unlimited`; `default` takes a setting away
#[derive(Debug, Args)]
pub(super) struct Limits {
    /// Of the INBOX
    #[arg(long, value_name = "SIZE")]
    pub inbox: Option<String>,
    /// Of all mail
    #[arg(long, value_name = "SIZE")]
    pub storage: Option<String>,
    /// Of the number of messages
    #[arg(long, value_name = "NUMBER")]
    pub messages: Option<String>,
}

/// A user or a whole domain.
#[derive(Debug, Clone)]
pub(super) enum Who {
    User(Owner),
    Domain(Domain),
}

impl std::str::FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Who, String> {
        match text.contains('@') {
            true => text.parse().map(Who::User).map_err(|wrong| format!("{wrong}")),
            false => text.parse().map(Who::Domain).map_err(|wrong| format!("{wrong}")),
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// mbox files
    Mbox,
    /// A Maildir, its folders as Maildir++
    Maildir,
    /// A file for each message
    Eml,
}

impl From<Format> for admin::Format {
    fn from(format: Format) -> admin::Format {
        match format {
            Format::Mbox => admin::Format::Mbox,
            Format::Maildir => admin::Format::Maildir,
            Format::Eml => admin::Format::Eml,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// One file for INBOX; folders are files in the home
    Mbox,
    /// A folder with a file for each message
    Maildir,
}

impl From<Kind> for Spool {
    fn from(kind: Kind) -> Spool {
        match kind {
            Kind::Mbox => Spool::Mbox,
            Kind::Maildir => Spool::Maildir,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Special {
    Drafts,
    Sent,
    Trash,
    Junk,
    Archive,
}

impl From<Special> for SpecialUse {
    fn from(special: Special) -> SpecialUse {
        match special {
            Special::Drafts => SpecialUse::Drafts,
            Special::Sent => SpecialUse::Sent,
            Special::Trash => SpecialUse::Trash,
            Special::Junk => SpecialUse::Junk,
            Special::Archive => SpecialUse::Archive,
        }
    }
}

/// `vmail mailbox ...`.
pub(super) fn mailbox(root: &Root, command: MailboxCommand) -> anyhow::Result<ExitCode> {
    let room = Mailroom::open(root)?;
    match command {
        MailboxCommand::List { user, form } => list(&room.account(&user)?, form.json)?,
        MailboxCommand::Status { user, folders, form } => status(&room.account(&user)?, &folders, form.json)?,
        MailboxCommand::Create { user, folder, special, subscribe } => {
            let mailboxes = room.account(&user)?;
            mailboxes.create(&mailboxes.folder(&folder)?, special.map(SpecialUse::from), subscribe)?;
        }
        MailboxCommand::Delete { user, folder } => {
            let mailboxes = room.account(&user)?;
            mailboxes.delete(&mailboxes.folder(&folder)?)?;
        }
        MailboxCommand::Rename { user, folder, new } => {
            let mailboxes = room.account(&user)?;
            mailboxes.rename(&mailboxes.folder(&folder)?, &mailboxes.folder(&new)?)?;
        }
        MailboxCommand::Check { user, folders, form } => return check(&room.account(&user)?, &folders, form.json),
        MailboxCommand::Rebuild { user, folders } => {
            let (mailboxes, mut progress) = (room.account(&user)?, Progress::new("rebuild"));
            let names = chosen(&mailboxes, &folders)?;
            for (done, name) in names.iter().enumerate() {
                progress.told(done as u64, Some(names.len() as u64));
                mailboxes.rebuild(name)?;
            }
        }
        MailboxCommand::Export { user, target, format, folder } => {
            let (mailboxes, mut progress) = (room.account(&user)?, Progress::new("export"));
            let only = folder.map(|name| mailboxes.folder(&name)).transpose()?;
            let target = Target { format: format.into(), path: target };
            let done = mailboxes.export(only.as_ref(), &target, &mut |done, total| progress.told(done, total))?;
            drop(progress);
            println!("{done} messages");
        }
        MailboxCommand::Convert { to, user } => {
            let mut progress = Progress::new("convert");
            let done = room.account(&user)?.convert(to.into(), &mut |done, total| progress.told(done, total))?;
            drop(progress);
            match done {
                Some(messages) => println!("{messages} messages"),
                None => println!("nothing to do"),
            }
        }
        MailboxCommand::Import { user, sources, format, folder, skip, over_quota } => {
            let mailboxes = room.account(&user)?;
            let into = folder.map(|name| mailboxes.folder(&name)).transpose()?;
            let mut import = Import { into, skip, over_quota };
            let mut all = 0;
            for path in sources {
                let mut progress = Progress::new("import");
                let source = Source { path, format: format.map(Into::into) };
                all += mailboxes.import(&source, &import, &mut |done, total| progress.told(done, total))?;
                import.skip = 0;
            }
            println!("{all} messages");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen(mailboxes: &Mailboxes<'_>, folders: &[String]) -> anyhow::Result<Vec<crate::store::FolderName>> {
    match folders.is_empty() {
        true => mailboxes.names(),
        false => folders.iter().map(|name| mailboxes.folder(name)).collect(),
    }
}

fn list(mailboxes: &Mailboxes<'_>, as_json: bool) -> anyhow::Result<()> {
    let row = |line: Line| {
        json!({
            "folder": line.name,
            "messages": line.status.map(|status| status.messages),
            "unseen": line.status.map(|status| status.unseen),
            "octets": line.status.map(|status| status.octets),
            "subscribed": line.listed.subscribed,
            "special": line.listed.special.map(SpecialUse::name),
            "is": if line.listed.exists { "" } else if line.listed.subscribed { "not there" } else { "a level only" },
        })
    };
    print(mailboxes.list()?.into_iter().map(row).collect(), as_json, &["folder", "messages", "octets", "special", "is"]);
    Ok(())
}

fn status(mailboxes: &Mailboxes<'_>, folders: &[String], as_json: bool) -> anyhow::Result<()> {
    let wanted = chosen(mailboxes, folders)?;
    let lines = mailboxes.list()?;
    let mut rows = Vec::new();
    for name in wanted {
        let found = lines.iter().find(|line| line.listed.name == name).and_then(|line| Some((line, line.status?)));
        let Some((line, status)) = found else { anyhow::bail!("{}: there is no such folder", mailboxes.called(&name)) };
        rows.push(json!({
            "folder": line.name,
            "messages": status.messages,
            "unseen": status.unseen,
            "deleted": status.deleted,
            "octets": status.octets,
            "uidvalidity": status.uidvalidity,
            "uidnext": status.uidnext,
            "modseq": status.modseq,
            "id": status.id.to_string(),
        }));
    }
    print(rows, as_json, &["folder", "messages", "unseen", "uidvalidity", "uidnext", "modseq", "id"]);
    Ok(())
}

/// Code 1 if anything is wrong.
fn check(mailboxes: &Mailboxes<'_>, folders: &[String], as_json: bool) -> anyhow::Result<ExitCode> {
    let mut rows = Vec::new();
    for name in chosen(mailboxes, folders)? {
        for odd in mailboxes.check(&name)? {
            rows.push(json!({ "folder": mailboxes.shown(&name), "path": odd.path, "what": odd.what, "mend": mend(mailboxes, odd.mend) }));
        }
    }
    let is_good = rows.is_empty();
    print(rows, as_json, &["folder", "path", "what", "mend"]);
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn mend(mailboxes: &Mailboxes<'_>, mend: Mend) -> String {
    match mend {
        Mend::Rebuild => format!("vmail mailbox rebuild {}", mailboxes.owner()),
        Mend::Recompute => format!("vmail quota recompute {}", mailboxes.owner().domain()),
        Mend::Give => "chown and chmod it".into(),
        Mend::Look => "look at it".into(),
    }
}

/// `vmail quota ...`.
pub(super) fn quota(root: Root, command: QuotaCommand) -> anyhow::Result<()> {
    match command {
        QuotaCommand::Show { who, form } => show(&Mailroom::open(&root)?, &who, form.json)?,
        QuotaCommand::Set { who, limits, domain_storage, domain_messages } => {
            let Limits { inbox, storage, messages } = limits;
            let change = QuotaChange { inbox, storage, messages, domain_storage, domain_messages };
            set(root, &who, &change)?;
        }
        QuotaCommand::Recompute { domain } => {
            let mut progress = Progress::new("recompute");
            let now = Mailroom::open(&root)?.recompute(&domain, &mut |done, total| progress.told(done, total))?;
            drop(progress);
            println!("{domain}: {} messages with {} KiB", now.messages, now.kibibytes());
        }
    }
    Ok(())
}

/// `vmail user quota ...`.
pub(super) fn user_quota(root: Root, user: Owner, limits: Limits) -> anyhow::Result<()> {
    let who = Who::User(user);
    match limits {
        Limits { inbox: None, storage: None, messages: None } => show(&Mailroom::open(&root)?, &who, false),
        Limits { inbox, storage, messages } => set(root, &who, &QuotaChange { inbox, storage, messages, ..QuotaChange::default() }),
    }
}

fn set(root: Root, who: &Who, change: &QuotaChange) -> anyhow::Result<()> {
    match who {
        Who::Domain(domain) => Admin::lock(root)?.set_domain_quota(domain, change),
        Who::User(_) if change.domain_storage.is_some() || change.domain_messages.is_some() => {
            anyhow::bail!("--domain-storage and --domain-messages are for domains")
        }
        Who::User(owner) => Admin::lock(root)?.set_user_quota(owner, change),
    }
}

fn show(room: &Mailroom, who: &Who, as_json: bool) -> anyhow::Result<()> {
    let lines = match who {
        Who::User(owner) => room.quota(owner.domain(), Some(owner.user()))?,
        Who::Domain(domain) => room.quota(domain, None)?,
    };
    let mut rows: Vec<Value> = lines.iter().map(row).collect();
    if let Who::Domain(name) = who {
        let (usage, is_complete) = room.domain_quota(name)?;
        let record = &room.domain(name)?.record.quota;
        rows.push(json!({
            "who": name,
            "messages": usage.messages,
            "messages_limit": limit(Some(record.domain_messages).filter(|&most| most > 0)),
            "kib": usage.kibibytes(),
            "kib_limit": limit(Some(record.domain_storage.octets() / 1024).filter(|&most| most > 0)),
            "note": if is_complete { "" } else { "not all has been counted: vmail quota recompute" },
        }));
    }
    print(rows, as_json, &["who", "messages", "messages_limit", "kib", "kib_limit", "inbox_kib", "inbox_kib_limit", "note"]);
    Ok(())
}

fn row(line: &QuotaLine) -> Value {
    let kib = |octets: Option<u64>| limit(octets.map(|octets| octets / 1024));
    json!({
        "who": line.owner.to_string(),
        "messages": line.all.messages,
        "messages_limit": limit(line.allowance.messages),
        "kib": line.all.kibibytes(),
        "kib_limit": kib(line.allowance.storage),
        "inbox_kib": line.inbox.kibibytes(),
        "inbox_kib_limit": kib(line.allowance.inbox),
    })
}

fn limit(limit: Option<u64>) -> Value {
    limit.map_or_else(|| "unlimited".into(), Value::from)
}

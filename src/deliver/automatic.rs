//! Whether a message may be answered by a machine (RFC 3834 §2, RFC 5230 §4.6; behaviour.md §15.3).

use super::Mail;
use crate::address::Address;

/// Why a message gets no automatic answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It is a bounce, or nobody can tell whom to answer.
    NoSender,
    /// The sender is the one who would answer.
    Own,
    /// The sender is a machine, by its name.
    Role,
    /// It came by a list.
    List,
    /// It was sent by a machine.
    Automatic,
    /// It was sent to many.
    Bulk,
    /// The sender asks for no answer.
    Unwanted,
    /// Somebody takes it for spam.
    Spam,
    /// It does not name the one who would answer.
    NotNamed,
    /// The sender has had an answer lately.
    Answered,
    /// Nobody wants an answer to be sent now.
    Off,
}

/// Which kind of answer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A vacation notice.
    Vacation,
    /// What everybody gets who writes to an address.
    AutoReply,
}

/// Whom to answer `mail`, which came to the addresses `own`.
///
/// # Errors
/// It gets no answer. Whatever is doubtful is none: an answer too few is a pity, one too many is a loop.
pub fn answerable(mail: &Mail, own: &[String], kind: Answer) -> Result<Address, Silence> {
    let sender: Address = mail.sender().parse().map_err(|_| Silence::NoSender)?;
    let text = sender.to_string();
    if own.iter().any(|own| own.eq_ignore_ascii_case(&text)) {
        return Err(Silence::Own);
    }
    match header(mail, kind) {
        _ if is_machine(sender.local()) => Err(Silence::Role),
        Some(silence) => Err(silence),
        None => Ok(sender),
    }
}

/// What the header has against an answer.
fn header(mail: &Mail, kind: Answer) -> Option<Silence> {
    mail.fields().find_map(|field| {
        let value = String::from_utf8_lossy(field.value);
        let first = first_word(&value);
        // Some relays keep the envelope sender only there.
        if field.is("Return-Path") && value.trim() == "<>" {
            return Some(Silence::NoSender);
        }
        if LIST.iter().any(|name| field.is(name)) {
            return Some(Silence::List);
        }
        match () {
            () if field.is("Auto-Submitted") && first != "no" => Some(Silence::Automatic),
            () if field.is("Precedence") && ["junk", "bulk", "list"].contains(&&*first) => Some(Silence::Bulk),
            () if field.is("X-Auto-Response-Suppress") && suppresses(&value, kind) => Some(Silence::Unwanted),
            () if field.is("X-Spam-Flag") && first == "yes" => Some(Silence::Spam),
            () => None,
        }
    })
}

/// The first word of a value, lower case, without comments and what stands behind a semicolon (RFC 3834 §5: `no; x` and `(x) no` are no).
fn first_word(value: &str) -> String {
    let mut depth = 0_usize;
    let mut text = String::new();
    for letter in value.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            letter if depth == 0 => text.push(letter),
            _ => {}
        }
    }
    let word = text.split(|letter: char| letter == ';' || letter == ',' || letter.is_whitespace()).find(|word| !word.is_empty());
    word.unwrap_or_default().to_lowercase()
}

/// As Exchange and Outlook write it: a list of what is not wanted.
fn suppresses(value: &str, kind: Answer) -> bool {
    let unwanted = match kind {
        Answer::Vacation => "oof",
        Answer::AutoReply => "autoreply",
    };
    let mut words = value.split(|letter: char| letter == ',' || letter.is_whitespace()).map(str::to_lowercase);
    words.any(|word| word == "all" || word == unwanted)
}

/// Local parts behind which nobody reads. Only the sender's counts, never the recipient's.
fn is_machine(local: &str) -> bool {
    let local = local.to_lowercase();
    // Extensions do not matter: `bounces+123`.
    let name = local.split(['+', '%']).next().unwrap_or_default();
    MACHINES.contains(&name)
        || name.starts_with("owner-")
        || name.contains("-request")
        || ["-owner", "-relay", "-bounces", "-bounce"].iter().any(|end| name.ends_with(end))
}

const LIST: [&str; 7] = ["List-Id", "List-Owner", "List-Subscribe", "List-Post", "List-Unsubscribe", "List-Help", "List-Archive"];
const MACHINES: [&str; 15] = [
    "postmaster",
    "mailer-daemon",
    "mailer",
    "uucp",
    "listserv",
    "majordomo",
    "mailman",
    "bounce",
    "bounces",
    "noreply",
    "no-reply",
    "no_reply",
    "donotreply",
    "do-not-reply",
    "owner",
];

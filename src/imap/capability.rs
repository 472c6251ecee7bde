//! CAPABILITY (RFC 9051 §6.1.1): exactly what is done, in this state, on this connection.

use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::Order;

impl Session<'_> {
    pub(super) fn capability(&mut self, order: Order<'_>) -> Result<Reply, Refusal> {
        order.args.end()?;
        let capabilities = self.capabilities();
        self.say(&["* CAPABILITY ", &capabilities]);
        Reply::ok("CAPABILITY completed")
    }

    /// All that hold now, with spaces between them.
    pub(super) fn capabilities(&self) -> String {
        let is_user = self.user.is_some();
        let holds = |at: At| match at {
            At::Any => true,
            At::Stranger => !is_user,
            At::User => is_user,
        };
        let mut all = String::with_capacity(512);
        let mut add = |name: &str| {
            if self.offers(name) {
                all.extend([if all.is_empty() { "" } else { " " }, name]);
            }
        };
        CAPABILITIES.iter().filter(|(_, at)| holds(*at)).for_each(|(name, _)| add(name));
        if !is_user {
            if self.visit.offers_tls(&self.wire) {
                add("STARTTLS");
            }
            add(if self.visit.allows_passwords(&self.wire) { "AUTH=PLAIN" } else { "LOGINDISABLED" });
        }
        if is_user && !self.wire.is_compressed() {
            add("COMPRESS=DEFLATE");
        }
        add(&format!("APPENDLIMIT={}", self.append_limit()));
        all
    }

    /// Whether a capability has not been switched off.
    pub(super) fn offers(&self, name: &str) -> bool {
        let parts: &[&str] = if name == "IMAP4rev2" { &PARTS_OF_REV2 } else { &[] };
        self.has_not_disabled(name) && parts.iter().all(|part| self.has_not_disabled(part))
    }

    /// By its name or that before `=`.
    fn has_not_disabled(&self, name: &str) -> bool {
        let domain = self.user.as_ref().map(|user| &user.domain).or_else(|| self.visit.dialled());
        let of_domain = domain.map_or(&[][..], |domain| &domain.record.imap.disable);
        let mut disabled = self.visit.house.machine.imap.disable.iter().chain(of_domain).peekable();
        if disabled.peek().is_none() {
            return true;
        }
        let stem = name.split('=').next().unwrap_or(name);
        !disabled.any(|off| off.eq_ignore_ascii_case(name) || off.eq_ignore_ascii_case(stem))
    }

    /// Octets of the largest message that is taken (RFC 7889).
    pub(super) fn append_limit(&self) -> u64 {
        self.visit.house.machine.imap.append_limit.octets()
    }
}

/// When a capability is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Any,
    Stranger,
    User,
}

/// What RFC 9051 makes part of IMAP4rev2 and has a name of its own: without one of them we don't speak it.
const PARTS_OF_REV2: [&str; 14] = [
    "BINARY",
    "CHILDREN",
    "ENABLE",
    "ESEARCH",
    "IDLE",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "MOVE",
    "NAMESPACE",
    "SASL-IR",
    "SEARCHRES",
    "STATUS=SIZE",
    "UIDPLUS",
    "UNSELECT",
];

static CAPABILITIES: [(&str, At); 40] = [
    ("IMAP4rev1", At::Any),
    ("IMAP4rev2", At::Any),
    // RFC 7888 §5: never both.
    ("LITERAL-", At::Stranger),
    ("LITERAL+", At::User),
    ("SASL-IR", At::Any),
    ("ENABLE", At::Any),
    ("ID", At::Any),
    ("IDLE", At::Any),
    ("BINARY", At::User),
    // RFC 3348, by now a part of RFC 5258.
    ("CHILDREN", At::User),
    ("CONDSTORE", At::User),
    ("CREATE-SPECIAL-USE", At::User),
    ("ESEARCH", At::User),
    ("ESORT", At::User),
    ("I18NLEVEL=1", At::User),
    ("LIST-EXTENDED", At::User),
    ("LIST-STATUS", At::User),
    ("MOVE", At::User),
    ("MULTIAPPEND", At::User),
    ("NAMESPACE", At::User),
    ("OBJECTID", At::User),
    ("PREVIEW", At::User),
    ("QRESYNC", At::User),
    ("QUOTA", At::User),
    ("QUOTA=RES-STORAGE", At::User),
    ("QUOTA=RES-MESSAGE", At::User),
    ("REPLACE", At::User),
    ("SAVEDATE", At::User),
    ("SEARCHRES", At::User),
    ("SORT", At::User),
    ("SORT=DISPLAY", At::User),
    ("SPECIAL-USE", At::User),
    ("STATUS=SIZE", At::User),
    ("THREAD=ORDEREDSUBJECT", At::User),
    ("THREAD=REFERENCES", At::User),
    ("UIDPLUS", At::User),
    ("UNAUTHENTICATE", At::User),
    // RFC 3691.
    ("UNSELECT", At::User),
    // RFC 6855, replaced by RFC 9755.
    ("UTF8=ACCEPT", At::User),
    ("WITHIN", At::User),
];

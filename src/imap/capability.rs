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
        let mut all: Vec<String> = CAPABILITIES.iter().filter(|(_, at)| holds(*at)).map(|(name, _)| (*name).to_owned()).collect();
        if !is_user {
            all.extend(self.visit.offers_tls(&self.wire).then(|| "STARTTLS".to_owned()));
            all.push(if self.visit.allows_passwords(&self.wire) { "AUTH=PLAIN" } else { "LOGINDISABLED" }.to_owned());
        }
        if is_user && !self.wire.is_compressed() {
            all.push("COMPRESS=DEFLATE".to_owned());
        }
        all.push(format!("APPENDLIMIT={}", self.append_limit()));
        all.retain(|name| self.offers(name));
        all.join(" ")
    }

    /// Whether a capability has not been switched off, by its name or that before `=`.
    pub(super) fn offers(&self, name: &str) -> bool {
        let domain = self.user.as_ref().map(|user| &user.domain).or_else(|| self.visit.dialled());
        let of_domain = domain.map(|domain| &domain.record.imap.disable).into_iter().flatten();
        let stem = name.split('=').next().unwrap_or(name);
        let mut disabled = self.visit.house.machine.imap.disable.iter().chain(of_domain);
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

static CAPABILITIES: [(&str, At); 36] = [
    ("IMAP4rev1", At::Any),
    // RFC 7888 §5: never both.
    ("LITERAL-", At::Stranger),
    ("LITERAL+", At::User),
    ("SASL-IR", At::Any),
    ("ENABLE", At::Any),
    ("ID", At::Any),
    ("IDLE", At::Any),
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
    ("QRESYNC", At::User),
    ("QUOTA", At::User),
    ("QUOTA=RES-STORAGE", At::User),
    ("QUOTA=RES-MESSAGE", At::User),
    ("REPLACE", At::User),
    ("SEARCHRES", At::User),
    ("SORT", At::User),
    ("SORT=DISPLAY", At::User),
    ("SPECIAL-USE", At::User),
    ("STATUS=SIZE", At::User),
    ("THREAD=ORDEREDSUBJECT", At::User),
    ("THREAD=REFERENCES", At::User),
    ("UIDPLUS", At::User),
    ("UNAUTHENTICATE", At::User),
    ("UNSELECT", At::User),
    ("UTF8=ACCEPT", At::User),
    ("WITHIN", At::User),
];

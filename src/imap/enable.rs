//! ENABLE (RFC 5161; RFC 7162 §3.2.3, RFC 9755 §3, RFC 9051 §6.3.1).

use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::Order;

impl Session<'_> {
    pub(super) fn enable(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        let mut now: Vec<&'static str> = Vec::new();
        loop {
            order.args.space()?;
            let wanted = order.args.atom()?;
            // RFC 5161 §3.1: what is not known is no error.
            if let Some(known) = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(wanted)).filter(|known| self.offers(known)) {
                now.extend(self.switch_on(known).then_some(*known));
            }
            if order.args.is_at_end() {
                break;
            }
        }
        self.say(&["* ENABLED", if now.is_empty() { "" } else { " " }, &now.join(" ")]);
        Reply::ok("ENABLE completed")
    }

    /// Whether that was new.
    fn switch_on(&mut self, name: &str) -> bool {
        match name {
            "CONDSTORE" => self.enable_condstore(),
            "QRESYNC" => {
                // RFC 7162 §3.2.3: one brings the other.
                self.enable_condstore();
                !std::mem::replace(&mut self.enabled.qresync, true)
            }
            "UTF8=ACCEPT" => !std::mem::replace(&mut self.enabled.utf8, true),
            _ => !std::mem::replace(&mut self.enabled.rev2, true),
        }
    }

    /// A command that enables CONDSTORE: whoever has a mailbox selected is told where it stands (RFC 7162 §3.1). Whether that was new.
    pub(super) fn enable_condstore(&mut self) -> bool {
        let is_new = !std::mem::replace(&mut self.enabled.condstore, true);
        if let (true, Some(selected)) = (is_new, self.user.as_ref().and_then(|user| user.selected.as_ref())) {
            let modseq = selected.view.told().head().modseq;
            self.out().raw("* OK [HIGHESTMODSEQ ").number(modseq).raw("] the last change that was told").end();
        }
        is_new
    }
}

const KNOWN: [&str; 4] = ["CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4rev2"];

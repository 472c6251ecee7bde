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
        let enabled = &mut self.enabled;
        match name {
            "CONDSTORE" => !std::mem::replace(&mut enabled.condstore, true),
            "QRESYNC" => {
                // RFC 7162 §3.2.3: one brings the other.
                enabled.condstore = true;
                !std::mem::replace(&mut enabled.qresync, true)
            }
            "UTF8=ACCEPT" => !std::mem::replace(&mut enabled.utf8, true),
            _ => !std::mem::replace(&mut enabled.rev2, true),
        }
    }
}

const KNOWN: [&str; 4] = ["CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4rev2"];

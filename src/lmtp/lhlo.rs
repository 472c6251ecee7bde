//! LHLO (RFC 2033 §4.1) and what we announce there.

use super::session::Session;

impl Session<'_> {
    /// Begins anew, also in the middle of a message.
    pub(super) fn lhlo(&mut self, client: String) {
        self.give_up();
        let mut lines = vec![self.house.host.clone()];
        lines.extend(EXTENSIONS.map(str::to_owned));
        if self.offers_tls() {
            lines.push("STARTTLS".to_owned());
        }
        lines.push(format!("SIZE {}", self.limit()));
        let last = lines.len() - 1;
        for (at, line) in lines.iter().enumerate() {
            let dash = if at == last { ' ' } else { '-' };
            self.wire.say(format!("250{dash}{line}\r\n").as_bytes());
        }
        self.client = Some(client);
    }
}

/// CHUNKING without BINARYMIME (RFC 3030 §3 allows that): line ends are not kept as they come.
const EXTENSIONS: [&str; 5] = ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING"];

//! The Received field (RFC 5321 §4.4).

use chrono::{DateTime, FixedOffset};

/// How a message came.
pub struct Trace<'a> {
    /// What the client calls itself.
    pub client: &'a str,
    /// The client's address; none on a socket of this machine.
    pub peer: Option<std::net::IpAddr>,
    /// What we are called.
    pub host: &'a str,
    /// Whether it came by TLS.
    pub is_secure: bool,
    /// Whether addresses and headers may be in UTF-8.
    pub is_utf8: bool,
    /// Its name here.
    pub id: &'a str,
    /// Its recipient, where there is one: others' are not told (RFC 5321 §7.2).
    pub only: Option<&'a str>,
    /// When.
    pub date: DateTime<FixedOffset>,
}

impl Trace<'_> {
    /// The field, with LF line ends.
    pub fn field(&self) -> String {
        let peer = self.peer.map(|peer| format!(" ([{}{peer}])", if peer.is_ipv6() { "IPv6:" } else { "" })).unwrap_or_default();
        let only = self.only.map(|only| format!("\n\tfor <{only}>")).unwrap_or_default();
        format!(
            "Received: from {}{peer}\n\tby {} (vmail {}) with {} id {}{only};\n\t{}\n",
            self.client,
            self.host,
            crate::VERSION,
            self.with(),
            self.id,
            self.date.to_rfc2822()
        )
    }

    /// RFC 3848, RFC 6531 §4.3.
    fn with(&self) -> &'static str {
        match (self.is_utf8, self.is_secure) {
            (false, false) => "LMTP",
            (false, true) => "LMTPS",
            (true, false) => "UTF8LMTP",
            (true, true) => "UTF8LMTPS",
        }
    }
}

#[test]
fn the_field_tells_the_way_and_the_only_recipient() {
    let date = "2026-11-23T02:20:39Z".parse().unwrap();
    let trace = Trace {
        client: "mx.x.org",
        peer: Some("::1".parse().unwrap()),
        host: "host.test",
        is_secure: false,
        is_utf8: false,
        id: "1.2",
        only: Some("joe@va.test"),
        date,
    };
    let by = format!("\n\tby host.test (vmail {}) with ", crate::VERSION);
    assert_eq!(
        trace.field(),
        format!("Received: from mx.x.org ([IPv6:::1]){by}LMTP id 1.2\n\tfor <joe@va.test>;\n\tMon, 23 Nov 2026 02:20:39 +0000\n")
    );
    let local = Trace { peer: None, is_secure: true, is_utf8: true, only: None, ..trace };
    assert_eq!(local.field(), format!("Received: from mx.x.org{by}UTF8LMTPS id 1.2;\n\tMon, 23 Nov 2026 02:20:39 +0000\n"));
}

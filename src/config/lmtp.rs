//! `[lmtp]` of vmail.toml: mail that comes from this machine's own mail server (RFC 2033).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Listen, Proto, Root, Seconds};

/// The `[lmtp]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LmtpSettings {
    /// The socket of `vmail serve`, named from `/run/vmail`; `""`: none.
    pub socket: PathBuf,
    /// Who may connect to it, as chmod(1) says it.
    pub mode: FileMode,
    /// The group it belongs to; unset: that of the service user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether `[[listen]]` may name addresses that other machines reach. Who reaches LMTP needs no password to deliver mail.
    pub remote: bool,
    /// Connections at once.
    pub connections: usize,
    /// How long a client may be silent; RFC 5321 §4.5.3.2.7 wants five minutes at least.
    pub idle: Seconds,
    /// Recipients of one message; RFC 5321 §4.5.3.1.8 wants a hundred at least.
    pub recipients: usize,
}

impl Default for LmtpSettings {
    fn default() -> LmtpSettings {
        LmtpSettings {
            socket: "lmtp".into(),
            mode: FileMode(0o660),
            group: None,
            remote: false,
            connections: 100,
            idle: Seconds::whole(300),
            recipients: 1000,
        }
    }
}

impl LmtpSettings {
    /// Where the socket is, if there is to be one.
    pub fn socket(&self, root: &Root) -> Option<PathBuf> {
        (self.socket != Path::new("")).then(|| root.run().join(&self.socket))
    }

    /// What is wrong, if anything.
    pub(super) fn check(&self, listen: &[Listen]) -> Result<(), String> {
        if self.connections == 0 || self.recipients == 0 || self.idle.0.is_zero() {
            return Err("lmtp.connections, lmtp.recipients and lmtp.idle must be more than 0".into());
        }
        let reached = listen.iter().filter(|listen| listen.proto == Proto::Lmtp).flat_map(|listen| &listen.address);
        match reached.into_iter().find(|address| !address.to_canonical().is_loopback() && !self.remote) {
            Some(address) => Err(format!(
                "LMTP on {address}: who reaches it delivers mail without a password; if that is wanted, say lmtp.remote = true"
            )),
            None => Ok(()),
        }
    }
}

/// Rights of a file, written as chmod(1) takes them: `"0660"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMode(pub u32);

impl<'de> Deserialize<'de> for FileMode {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<FileMode, D::Error> {
        let mode = String::deserialize(input).ok().and_then(|text| u32::from_str_radix(&text, 8).ok()).filter(|mode| *mode <= 0o777);
        mode.map(FileMode).ok_or_else(|| serde::de::Error::custom("expected rights as chmod(1) takes them, like \"0660\""))
    }
}

impl Serialize for FileMode {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(&format_args!("{:04o}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Machine;

    fn parse(text: &str) -> Result<Machine, String> {
        Machine::parse(text, Path::new("vmail.toml")).map_err(|fault| fault.to_string())
    }

    #[test]
    fn other_machines_reach_lmtp_only_where_that_is_said() {
        for address in ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1"] {
            let listen = format!("[[listen]]\nproto = \"lmtp\"\naddress = \"{address}\"\n");
            assert!(parse(&listen).unwrap_err().contains("lmtp.remote"), "{address}");
            assert!(parse(&format!("{listen}[lmtp]\nremote = true\n")).is_ok());
        }
        let local = parse("[[listen]]\nproto = \"lmtp\"\naddress = [\"127.0.0.1\", \"::1\", \"127.9.9.9\"]\n").unwrap();
        assert_eq!(local.listen[0].port(), 24);
    }

    #[test]
    fn the_socket_is_in_run_unless_it_is_said_otherwise() {
        let socket = |text: &str| parse(text).unwrap().lmtp.socket(&Root::new("/x"));
        assert_eq!(socket(""), Some("/x/run/vmail/lmtp".into()));
        assert_eq!(socket("lmtp.socket = \"/var/spool/postfix/private/vmail\""), Some("/var/spool/postfix/private/vmail".into()));
        assert_eq!(socket("lmtp.socket = \"\""), None);
    }

    #[test]
    fn rights_are_octal() {
        let machine = parse("lmtp.mode = \"666\"").unwrap();
        assert_eq!(machine.lmtp.mode, FileMode(0o666));
        assert!(machine.to_toml().contains("mode = \"0666\""));
        for wrong in ["\"rw\"", "\"1777\"", "438", "\"\""] {
            assert!(parse(&format!("lmtp.mode = {wrong}")).unwrap_err().contains("chmod"), "{wrong}");
        }
    }
}

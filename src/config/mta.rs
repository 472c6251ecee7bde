//! `[mta]` of vmail.toml: what this machine's own mail server asks `vmail serve`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{FileMode, Seconds};

/// The `[mta]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MtaSettings {
    /// The socket that answers look-ups, in the socketmap protocol of Postfix and sendmail; named from `/run/vmail`, `""`: none.
    pub socketmap: PathBuf,
    /// The socket that speaks Postfix's policy protocol; `""`: none.
    pub policy: PathBuf,
    /// The socket that checks passwords, in Dovecot's authentication protocol; `""`: none.
    pub auth: PathBuf,
    /// Who may connect to them, as chmod(1) says it.
    pub mode: FileMode,
    /// The group they belong to; unset: that of the service user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Connections to all of them at once.
    pub connections: usize,
    /// How long a client may be silent.
    pub idle: Seconds,
}

impl Default for MtaSettings {
    fn default() -> MtaSettings {
        MtaSettings {
            socketmap: "socketmap".into(),
            policy: "policy".into(),
            auth: "auth".into(),
            mode: FileMode(0o660),
            group: None,
            connections: 1000,
            idle: Seconds::whole(600),
        }
    }
}

impl MtaSettings {
    /// What is wrong, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.connections == 0 || self.idle.0.is_zero() {
            return Err("mta.connections and mta.idle must be more than 0".into());
        }
        let named: Vec<&PathBuf> = [&self.socketmap, &self.policy, &self.auth].into_iter().filter(|path| *path != Path::new("")).collect();
        match named.iter().enumerate().find(|(at, path)| named[..*at].contains(path)) {
            Some((_, path)) => Err(format!("[mta]: {:?} cannot be two sockets", path.display())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Machine;

    #[test]
    fn each_socket_is_one_and_may_be_none() {
        let parse = |text: &str| Machine::parse(text, Path::new("vmail.toml")).map_err(|fault| fault.to_string());
        assert!(parse("[mta]\nsocketmap = \"\"\npolicy = \"\"\n").is_ok());
        assert!(parse("[mta]\nsocketmap = \"x\"\npolicy = \"x\"\n").unwrap_err().contains("two sockets"));
        assert!(parse("[mta]\nconnections = 0\n").unwrap_err().contains("mta.connections"));
    }
}

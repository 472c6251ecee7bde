//! virtmaps in the words of other mail servers, for their own tools.

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use super::Virtmaps;

/// A mail server, and how its tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mta {
    /// `virtusertable`, for makemap(8).
    Sendmail,
    /// `virtual(5)`, for postmap(1).
    Postfix,
    /// For `lsearch*@`, or exim_dbmbuild(8) and `dbm*@`.
    Exim,
}

impl Mta {
    /// Writes the table as this server wants it.
    ///
    /// # Errors
    /// `out` fails.
    pub fn write(self, table: &Virtmaps<'_>, out: &mut impl Write) -> io::Result<()> {
        for entry in table.entries() {
            let (key, recipient) = (&*entry.key, entry.recipient);
            match self {
                // A percent sign begins an argument there (behaviour.md §8.3).
                Mta::Sendmail => writeln!(out, "{key}\t{}", recipient.replace('%', "%%"))?,
                Mta::Postfix => writeln!(out, "{key}\t{recipient}")?,
                Mta::Exim if key.starts_with('@') => writeln!(out, "*{key}: {recipient}")?,
                Mta::Exim => writeln!(out, "{key}: {recipient}")?,
            }
        }
        Ok(())
    }

    /// The server's own tool, ready to compile `file`: with makemap to `FILE.db`, with postmap to the type that is its default, with
    /// exim_dbmbuild to `FILE.db`.
    ///
    /// # Errors
    /// `file` cannot be opened.
    pub fn tool(self, file: &Path) -> io::Result<Command> {
        let mut command = Command::new(match self {
            Mta::Sendmail => "makemap",
            Mta::Postfix => "postmap",
            Mta::Exim => "exim_dbmbuild",
        });
        match self {
            Mta::Sendmail => command.arg("hash").arg(file).stdin(std::fs::File::open(file)?),
            Mta::Postfix => command.arg(file),
            Mta::Exim => command.arg(file).arg(file.with_added_extension("db")),
        };
        // Where they are is not in the path of a user who became root by su(1).
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin"));
        Ok(command)
    }
}

//! `vmail maps`: tables of addresses checked, and tried out as `sendmail -bt` does it.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Subcommand, ValueEnum};

use super::virtmaps::tell;
use crate::config::{Machine, Root};
use crate::maps::{self, Kind, Tables};

#[derive(Debug, Subcommand)]
pub(super) enum MapsCommand {
    /// Say what is wrong in a table, line by line; exit 65 where a line does not hold
    Check {
        /// The table; those that stand in its folder (local-host-names, generics-domains) are read, too
        file: PathBuf,
        /// What it is, where its name does not tell
        #[arg(long = "as", value_enum)]
        kind: Option<Table>,
    },
    /// Try addresses out, as sendmail -bt does it; questions come from standard input
    Test {
        /// The folder of virtusertable, genericstable, local-host-names, ... [default: /etc/mail]
        folder: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Table {
    /// What vnewvirtmaps compiles
    Virtmaps,
    /// sendmail's virtual users
    Virtusertable,
    /// sendmail's senders
    Genericstable,
    /// Also sendmail.cw
    LocalHostNames,
    /// Class R
    RelayDomains,
    /// Class G
    GenericsDomains,
    /// aliases(5)
    Aliases,
}

/// `vmail maps ...`.
pub(super) fn run(root: &Root, command: &MapsCommand) -> anyhow::Result<ExitCode> {
    match command {
        MapsCommand::Check { file, kind } => check(root, file, *kind),
        MapsCommand::Test { folder } => test(root, &folder.clone().unwrap_or_else(|| root.mail())),
    }
}

fn check(root: &Root, file: &Path, kind: Option<Table>) -> anyhow::Result<ExitCode> {
    let kind = kind.map(Kind::from).or_else(|| Kind::of(file));
    let kind = kind.with_context(|| format!("{}: its name does not tell what it is; --as does", file.display()))?;
    let octets = maps::read(file).with_context(|| format!("{}: cannot be read", file.display()))?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let remarks = kind.check(&maps::text(&octets), tables(root, folder)?);
    tell(file, &remarks);
    println!("{}: {} lines do not hold, {} warnings", file.display(), remarks.wrong(), remarks.odd());
    Ok(if remarks.wrong() == 0 { ExitCode::SUCCESS } else { ExitCode::from(65) })
}

fn test(root: &Root, folder: &Path) -> anyhow::Result<ExitCode> {
    let tables = tables(root, folder)?;
    warn_of_age(root);
    let mut out = io::stdout().lock();
    write!(out, "{}{}", maps::GREETING, maps::PROMPT)?;
    out.flush()?;
    for line in io::stdin().lock().lines() {
        let Some(answer) = tables.answer(&line.context("standard input")?) else { return Ok(ExitCode::SUCCESS) };
        write!(out, "{answer}{}", maps::PROMPT)?;
        out.flush()?;
    }
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}

fn tables(root: &Root, folder: &Path) -> anyhow::Result<Tables> {
    let host = Machine::load(root)?.host();
    Tables::load(root, folder, &host)
        .map_err(|(path, error)| anyhow::Error::from(error).context(format!("{}: cannot be read", path.display())))
}

/// What is tried out is the compiled table, as the mail server sees it.
fn warn_of_age(root: &Root) {
    let table = root.virtmaps();
    if maps::Database::is_behind(&table) {
        eprintln!("warning: {} is newer than its compiled form; vnewvirtmaps makes it anew", table.display());
    }
}

impl From<Table> for Kind {
    fn from(table: Table) -> Kind {
        match table {
            Table::Virtmaps => Kind::Virtmaps,
            Table::Virtusertable => Kind::Virtusertable,
            Table::Genericstable => Kind::Genericstable,
            Table::LocalHostNames | Table::GenericsDomains => Kind::Domains,
            Table::RelayDomains => Kind::RelayDomains,
            Table::Aliases => Kind::Aliases,
        }
    }
}

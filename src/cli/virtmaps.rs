//! `vnewvirtmaps [FILE]`: makes the compiled form of virtmaps anew (behaviour.md §7.1).

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};

use crate::address::Domain;
use crate::config::{Machine, Root};
use crate::maps::{self, Mta, Remarks, Virtmaps};
use crate::os::atomic;
use crate::vdomain::{Directory, Names};

/// Make the compiled form of virtmaps anew
///
/// Reads FILE and writes FILE.cdb, which replaces the former one at once. Where a line does not hold, says which and why, and leaves the
/// former one as it is.
#[derive(Debug, Parser)]
#[command(name = "vnewvirtmaps", version = crate::VERSION, after_help = EXITS)]
struct Options {
    /// The table [default: /etc/vmail/virtmaps]
    file: Option<PathBuf>,
    /// Write the table as another mail server wants it instead
    #[arg(long, value_enum, value_name = "SERVER")]
    export: Option<Server>,
    /// Where to write it, rather than to standard output
    #[arg(long, value_name = "PATH", requires = "export")]
    to: Option<PathBuf>,
    /// Let the server's own tool (makemap, postmap, exim_dbmbuild) compile what was written
    #[arg(long, requires = "to")]
    compile: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Server {
    /// virtusertable
    Sendmail,
    /// virtual_alias_maps
    Postfix,
    /// dbm*@ or lsearch*@
    Exim,
}

/// The program.
pub fn vnewvirtmaps() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // Best effort: there is nobody else to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(64) } else { ExitCode::SUCCESS };
        }
    };
    super::finish("vnewvirtmaps", run(&super::root_of_environment(), &options))
}

fn run(root: &Root, options: &Options) -> anyhow::Result<ExitCode> {
    let file = options.file.clone().unwrap_or_else(|| root.virtmaps());
    let octets = match maps::read(&file) {
        Ok(octets) => octets,
        Err(error) => return failed(&file, "cannot be read", &error, NO_INPUT),
    };
    let text = maps::text(&octets);
    let (table, remarks) = Virtmaps::parse(&text);
    tell(&file, &remarks);
    if remarks.wrong() > 0 {
        eprintln!("{}: {} lines do not hold: nothing was written", file.display(), remarks.wrong());
        return Ok(ExitCode::from(DATA));
    }
    tell_strangers(root, &file, &table);
    match options.export {
        Some(server) => export(server.into(), &table, options),
        None => compile(&table, &file),
    }
}

fn compile(table: &Virtmaps<'_>, file: &Path) -> anyhow::Result<ExitCode> {
    if let Err(error) = table.compile(file) {
        return failed(&maps::Database::place(file), "cannot be written", &error, CANNOT_CREATE);
    }
    println!("{}: {} lines, {} domains", file.display(), table.entries().len(), table.domains().len());
    Ok(ExitCode::SUCCESS)
}

fn export(server: Mta, table: &Virtmaps<'_>, options: &Options) -> anyhow::Result<ExitCode> {
    let Some(to) = &options.to else {
        let mut out = BufWriter::new(io::stdout().lock());
        server.write(table, &mut out).and_then(|()| out.flush()).context("standard output")?;
        return Ok(ExitCode::SUCCESS);
    };
    let written = atomic::replace_by(to, 0o644, |file| {
        let mut out = BufWriter::new(file);
        server.write(table, &mut out).and_then(|()| out.flush())
    });
    if let Err(error) = written {
        return failed(to, "cannot be written", &error, CANNOT_CREATE);
    }
    if options.compile {
        let mut tool = server.tool(to).with_context(|| format!("{}: cannot be opened", to.display()))?;
        let name = tool.get_program().to_owned();
        let status = tool.status().with_context(|| format!("{}: cannot be started", name.display()))?;
        if !status.success() {
            bail!("{}: {status}", name.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn failed(path: &Path, what: &str, error: &io::Error, code: u8) -> anyhow::Result<ExitCode> {
    eprintln!("vnewvirtmaps: {}: {what}: {error}", path.display());
    Ok(ExitCode::from(code))
}

/// `FILE:LINE: what is wrong; how to mend it`.
pub(super) fn tell(file: &Path, remarks: &Remarks) {
    let mut told = 0;
    for remark in remarks.iter() {
        eprintln!("{}:{}: {remark}", file.display(), remark.line);
        told += 1;
    }
    let all = remarks.wrong() + remarks.odd();
    if told < all {
        eprintln!("{}: and {} remarks more", file.display(), all - told);
    }
}

/// Lines for domains whose mail does not come to this machine (behaviour.md §7.1: they must be on the Cw line).
fn tell_strangers(root: &Root, file: &Path, table: &Virtmaps<'_>) {
    let known = Known::of(root);
    let strangers: Vec<_> = table.domains().into_iter().filter(|(_, domain)| !known.has(domain)).collect();
    for (line, domain) in strangers.iter().take(MAX_STRANGERS) {
        let names = root.mail().join("local-host-names");
        eprintln!(
            "{}:{line}: warning: {domain} is no domain of this machine; vmail domain add, or a line in {}",
            file.display(),
            names.display()
        );
    }
    if strangers.len() > MAX_STRANGERS {
        eprintln!("{}: warning: {} such domains more", file.display(), strangers.len() - MAX_STRANGERS);
    }
}

/// The domains whose mail comes to this machine: ours, its own name, and sendmail's.
struct Known {
    directory: Directory,
    local: HashSet<Domain>,
}

impl Known {
    fn of(root: &Root) -> Known {
        let machine = Machine::load(root).unwrap_or_else(|fault| {
            eprintln!("{fault}");
            Machine::default()
        });
        let names = std::fs::read_to_string(root.mail().join("local-host-names")).unwrap_or_default();
        let local = names.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
        Known { directory: Directory::load(root, Arc::new(machine), None), local }
    }

    fn has(&self, domain: &Domain) -> bool {
        self.directory.by_name(domain).is_some() || self.directory.is_host(domain.as_str()) || self.local.contains(domain)
    }
}

impl From<Server> for Mta {
    fn from(server: Server) -> Mta {
        match server {
            Server::Sendmail => Mta::Sendmail,
            Server::Postfix => Mta::Postfix,
            Server::Exim => Mta::Exim,
        }
    }
}

const EXITS: &str = "Exit codes: 0 written, with warnings perhaps; 64 wrong usage; 65 a line does not hold, nothing was written; 66 FILE cannot \
                     be read; 73 the result cannot be written; 1 the other server's tool failed.";
/// EX_DATAERR, EX_NOINPUT and EX_CANTCREAT of sysexits.h.
const DATA: u8 = 65;
const NO_INPUT: u8 = 66;
const CANNOT_CREATE: u8 = 73;
/// More than anybody reads.
const MAX_STRANGERS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }
}

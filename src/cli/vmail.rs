//! `vmail`: the umbrella program.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::mailbox::{self, Limits, MailboxCommand, QuotaCommand};
use super::maps::{self, MapsCommand};
use super::{account, demo, explain, inetd, setup};
use crate::address::{Domain, Owner, User};
use crate::config::{Machine, Owned, Root};
use crate::serve;

/// Mail for many independent domains on one machine
#[derive(Debug, Parser)]
#[command(name = "vmail", version = crate::VERSION)]
struct Vmail {
    /// Folder below which all of /etc/vmail, /var/spool/vmail, ... are
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve all domains, until SIGTERM; SIGHUP reads the configuration again
    Serve,
    /// Start a complete server with sample domains and mail on 127.0.0.1 to 127.0.0.4
    Demo(demo::Options),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Domains
    #[command(subcommand)]
    Domain(DomainCommand),
    /// Users
    #[command(subcommand)]
    User(UserCommand),
    /// Mail folders of a user
    #[command(subcommand)]
    Mailbox(MailboxCommand),
    /// How much mail users may have
    #[command(subcommand)]
    Quota(QuotaCommand),
    /// Tables of addresses: sendmail's in /etc/mail, and virtmaps
    #[command(subcommand)]
    Maps(MapsCommand),
    /// Tell whose a connection or a login would be, or who gets the mail for an address, and why
    Explain(explain::Options),
    /// Look at domains as their users meet them; the same as checkvdomain
    Check {
        /// The domains
        #[arg(required = true)]
        domains: Vec<String>,
    },
    /// Certificates
    #[command(subcommand)]
    Tls(TlsCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Read vmail.toml, all domain records, user and alias files, and say what is wrong in them
    Check,
    /// Print every setting that holds
    Show,
}

#[derive(Debug, Subcommand)]
pub(super) enum DomainCommand {
    /// Define a domain
    Add {
        /// Its name
        domain: Domain,
        /// An address that is its own (again for more)
        #[arg(long)]
        ip: Vec<IpAddr>,
        /// Another name of it (again for more)
        #[arg(long)]
        alias: Vec<Domain>,
        /// Who owns its accounts' files
        #[arg(long, value_enum, default_value = "vmail")]
        owner: OwnerOfFiles,
    },
    /// List all domains
    List(Form),
    /// Show one domain
    Show {
        /// Its name, or an alias
        domain: Domain,
    },
    /// Give a domain another name beside its own
    Alias {
        /// Its name
        domain: Domain,
        /// The other name
        alias: Domain,
        /// Take the other name away instead
        #[arg(long)]
        remove: bool,
    },
    /// Refuse its users' logins; delivery goes on
    Disable {
        /// Its name
        domain: Domain,
    },
    /// Admit its users' logins again
    Enable {
        /// Its name
        domain: Domain,
    },
    /// Give a domain another name instead of its own; users, mail and homes go with it
    Rename {
        /// Its name
        domain: Domain,
        /// The new name
        new: Domain,
    },
    /// Forget a domain and its users; the mail stays
    Remove {
        /// Its name
        domain: Domain,
        /// Remove the mail and the homes, too
        #[arg(long)]
        purge: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add a user; asks for the password
    Add {
        /// user@domain
        user: Owner,
        /// The full name
        #[arg(long, default_value = "")]
        name: String,
        #[command(flatten)]
        password: Password,
    },
    /// List users
    List {
        /// Of this domain only
        domain: Option<Domain>,
        #[command(flatten)]
        form: Form,
    },
    /// Show one user
    Show {
        /// user@domain
        user: Owner,
    },
    /// Set a password; asks for it
    Passwd {
        /// user@domain
        user: Owner,
        #[command(flatten)]
        password: Password,
    },
    /// Refuse a user's logins; the password stays
    Disable {
        /// user@domain
        user: Owner,
    },
    /// Admit a user's logins again
    Enable {
        /// user@domain
        user: Owner,
    },
    /// Set how much mail a user may have; without options show it
    Quota {
        /// user@domain
        user: Owner,
        #[command(flatten)]
        limits: Limits,
    },
    /// Give a user another name in the same domain; mail and home go with it
    Rename {
        /// user@domain
        user: Owner,
        /// The new name, without a domain
        new: User,
    },
    /// Remove a user; the mail stays
    Remove {
        /// user@domain
        user: Owner,
        /// Remove the mail and the home, too
        #[arg(long)]
        purge: bool,
    },
}

/// Where a password comes from
#[derive(Debug, Args)]
pub(super) struct Password {
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub password_stdin: bool,
}

/// How lists are printed
#[derive(Debug, Args)]
pub(super) struct Form {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum OwnerOfFiles {
    /// The service user
    Vmail,
    /// Each account's own uid
    User,
}

impl From<OwnerOfFiles> for Owned {
    fn from(owner: OwnerOfFiles) -> Owned {
        match owner {
            OwnerOfFiles::Vmail => Owned::Vmail,
            OwnerOfFiles::User => Owned::User,
        }
    }
}

#[derive(Debug, Subcommand)]
enum TlsCommand {
    /// Make a certificate for a start: encrypted, but clients will ask whether to trust it
    SelfSigned {
        /// A name for it (again for more; default: the machine's name and all domains)
        #[arg(long)]
        name: Vec<String>,
    },
}

/// The program.
pub fn vmail() -> ExitCode {
    let vmail = Vmail::parse();
    super::finish("vmail", run(vmail))
}

fn run(vmail: Vmail) -> anyhow::Result<ExitCode> {
    let root = Root::new(std::path::absolute(&vmail.root).context("--root")?);
    match vmail.command {
        Command::Serve => {
            super::start_log("vmail", &root, &Machine::load(&root)?)?;
            serve::run(root, |_| ())?;
        }
        Command::Demo(options) => demo::run(&options)?,
        Command::Config(ConfigCommand::Check) => return setup::check(&root),
        Command::Config(ConfigCommand::Show) => print!("{}", Machine::load(&root)?.to_toml()),
        Command::Domain(command) => account::domain(root, command)?,
        Command::User(command) => account::user(root, command)?,
        Command::Mailbox(command) => return mailbox::mailbox(&root, command),
        Command::Quota(command) => mailbox::quota(root, command)?,
        Command::Maps(command) => return maps::run(&root, &command),
        Command::Explain(options) => explain::run(&root, &options)?,
        Command::Check { domains } => return inetd::check_all(&root, &domains),
        Command::Tls(TlsCommand::SelfSigned { name }) => setup::self_signed(&root, name)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Vmail::command().debug_assert();
    }
}

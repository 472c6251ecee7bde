//! The programs' command lines, and their logs.

mod account;
mod demo;
mod explain;
mod inetd;
pub mod log;
mod mailbox;
mod maps;
mod progress;
mod setup;
mod vdeliver;
mod virtmaps;
mod vmail;

pub use inetd::{checkvdomain, vimapd, vpop3d};
pub use vdeliver::vdeliver;
pub use virtmaps::vnewvirtmaps;
pub use vmail::vmail;

use std::process::ExitCode;

use crate::config::{Fault, Machine, ROOT_VARIABLE, Root};
use crate::os::{process, trust};

/// What `main` does with an outcome: `program: what is wrong` on standard error, and a code of sysexits.h.
fn finish(program: &str, outcome: anyhow::Result<ExitCode>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{program}: {error:#}");
            ExitCode::from(code(&error))
        }
    }
}

fn code(error: &anyhow::Error) -> u8 {
    let kind = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    match kind {
        _ if error.is::<Fault>() => 78,
        Some(std::io::ErrorKind::PermissionDenied) => 77,
        Some(std::io::ErrorKind::NotConnected) => 64,
        _ => 1,
    }
}

/// `VMAIL_ROOT`, unless the program has more rights than who set it.
fn root_of_environment() -> Root {
    match std::env::var_os(ROOT_VARIABLE) {
        Some(folder) if !process::is_set_uid() && !folder.is_empty() => Root::new(folder),
        _ => Root::default(),
    }
}

/// Files of the service's user are trusted whoever asks: what we tell is what the service does.
fn trust_service(machine: &Machine) {
    if let Ok(Some(user)) = nix::unistd::User::from_name(&machine.user) {
        trust::trust_service(user.uid.as_raw());
    }
}

/// Starts the log as `[log]` says.
fn start_log(program: &'static str, root: &Root, machine: &Machine) -> anyhow::Result<()> {
    let settings = log::Settings { syslog: root.dev_log(), ..log::Settings::new(program, &machine.log) };
    Ok(log::start(&settings)?)
}

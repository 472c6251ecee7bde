//! The small programs: `vpop3d` under inetd, and `checkvdomain`.

use std::io::Write;
use std::process::ExitCode;

use crate::address::Domain;
use crate::check;
use crate::config::{Listen, LogTarget, Machine, Root, TlsMode};
use crate::os::process;
use crate::serve;
use crate::vdomain::Directory;

/// `vpop3d [NATIVE [ARGS...]]`: serves POP3 on descriptor 0, or becomes NATIVE where the connection is for the main domain.
pub fn vpop3d() -> ExitCode {
    let root = super::root_of_environment();
    let native: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if native.first().is_some_and(|word| word.starts_with('-')) {
        eprintln!("usage: vpop3d [NATIVE [ARGS...]]\nvpop3d {}: POP3 for virtual domains, under inetd or xinetd", crate::VERSION);
        return ExitCode::from(64);
    }
    let machine = Machine::load(&root);
    let mut log = machine.clone().unwrap_or_default();
    // Under inetd standard error is the client.
    if log.log.to.is_none_or(|to| to == LogTarget::Stderr && process::stderr_is_the_connection()) {
        log.log.to = Some(LogTarget::Syslog);
    }
    let outcome = super::start_log("vpop3d", &root, &log).and_then(|()| {
        let connection = process::inherited_connection()?;
        let tls = tls_of_port(&machine.map_err(anyhow::Error::from)?, connection.local_addr()?.port());
        drop(connection);
        serve::serve_inetd(root, native, tls)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(event = "vpop3d", error = format!("{error:#}"));
            tell_client(&error);
            ExitCode::from(super::code(&error))
        }
    }
}

/// The client waits for a greeting; whoever started this by hand, for a reason.
fn tell_client(error: &anyhow::Error) {
    match process::inherited_connection() {
        // Best effort: there is nobody left to tell of a failure here.
        Ok(mut client) => _ = client.write_all(b"-ERR [SYS/TEMP] the server's configuration is broken, please try later\r\n"),
        Err(_) => eprintln!("vpop3d: {error:#}: it is started by inetd, xinetd or systemd; vmail serve is the daemon"),
    }
}

/// Which port means TLS from the first octet.
fn tls_of_port(machine: &Machine, port: u16) -> TlsMode {
    match machine.listen.iter().find(|listen: &&Listen| listen.port() == port) {
        Some(listen) => listen.tls,
        None if port == 995 => TlsMode::Implicit,
        None => TlsMode::Starttls,
    }
}

/// `checkvdomain DOMAIN...`: exit 0 when all is well, 1 when something is wrong, 64 without arguments.
pub fn checkvdomain() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() || names[0].starts_with('-') {
        eprintln!(
            "usage: checkvdomain DOMAIN...\nLooks at each domain as its users meet it: the addresses of its mail host, their names, the\n\
             connection, and the greeting, which must contain \"Virtual DOMAIN\". Says what is wrong and how to mend it."
        );
        return ExitCode::from(64);
    }
    super::finish("checkvdomain", check_all(&super::root_of_environment(), &names))
}

/// Prints what is found of each domain.
pub(super) fn check_all(root: &Root, names: &[String]) -> anyhow::Result<ExitCode> {
    let machine = std::sync::Arc::new(Machine::load(root)?);
    let port = machine.listen.iter().find(|listen| listen.tls != TlsMode::Implicit).map_or(110, Listen::port);
    let directory = Directory::load(root, machine, None);
    let mut all_good = true;
    for name in names {
        println!("{name}:");
        let findings = match name.parse::<Domain>() {
            Ok(domain) => check::domain(&directory, &domain, port),
            Err(malformed) => {
                println!("WRONG {malformed}");
                all_good = false;
                continue;
            }
        };
        findings.iter().for_each(|finding| println!("{finding}"));
        all_good &= findings.iter().all(|finding| finding.is_good);
    }
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

//! The small programs: `vpop3d` and `vimapd` under inetd, and `checkvdomain`.

use std::io::Write;
use std::process::ExitCode;

use crate::address::Domain;
use crate::check::{self, Door};
use crate::config::{Listen, LogTarget, Machine, Proto, Root, TlsMode};
use crate::os::process;
use crate::serve;
use crate::vdomain::Directory;

/// `vpop3d [NATIVE [ARGS...]]`: serves POP3 on descriptor 0, or becomes NATIVE where the connection is for the main domain.
pub fn vpop3d() -> ExitCode {
    serve_inherited("vpop3d", "POP3", Proto::Pop3)
}

/// `vimapd [NATIVE [ARGS...]]`: the same for IMAP.
pub fn vimapd() -> ExitCode {
    serve_inherited("vimapd", "IMAP", Proto::Imap)
}

fn serve_inherited(program: &'static str, protocol: &str, proto: Proto) -> ExitCode {
    let root = super::root_of_environment();
    let native: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if native.first().is_some_and(|word| word.starts_with('-')) {
        let version = crate::VERSION;
        eprintln!("usage: {program} [NATIVE [ARGS...]]\n{program} {version}: {protocol} for virtual domains, under inetd or xinetd");
        return ExitCode::from(64);
    }
    let machine = Machine::load(&root);
    let mut log = machine.clone().unwrap_or_default();
    // Under inetd standard error is the client.
    if log.log.to.is_none_or(|to| to == LogTarget::Stderr && process::stderr_is_the_connection()) {
        log.log.to = Some(LogTarget::Syslog);
    }
    let outcome = super::start_log(program, &root, &log).and_then(|()| {
        let connection = process::inherited_connection()?;
        let tls = tls_of_port(&machine.map_err(anyhow::Error::from)?, proto, connection.local_addr()?.port());
        drop(connection);
        serve::serve_inetd(root, proto, tls, native)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(event = program, error = format!("{error:#}"));
            tell_client(program, proto, &error);
            ExitCode::from(super::code(&error))
        }
    }
}

/// The client waits for a greeting; whoever started this by hand, for a reason.
fn tell_client(program: &str, proto: Proto, error: &anyhow::Error) {
    let why = "the server's configuration is broken, please try later";
    match process::inherited_connection() {
        // Best effort: there is nobody left to tell of a failure here.
        Ok(mut client) => _ = client.write_all(serve::refusal(proto, why).as_bytes()),
        Err(_) => eprintln!("{program}: {error:#}: it is started by inetd, xinetd or systemd; vmail serve is the daemon"),
    }
}

/// When TLS begins on a port that the super-server has given us for `proto`.
fn tls_of_port(machine: &Machine, proto: Proto, port: u16) -> TlsMode {
    machine.served_at(port).filter(|(served, _)| *served == proto).map_or(TlsMode::Starttls, |(_, tls)| tls)
}

/// `checkvdomain DOMAIN...`: exit 0 when all is well, 1 when something is wrong, 64 without arguments.
pub fn checkvdomain() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() || names[0].starts_with('-') {
        eprintln!(
            "usage: checkvdomain DOMAIN...\nLooks at each domain as its users meet it: the addresses of its mail host, their names, the\n\
             connections, and the greetings, which must contain \"Virtual DOMAIN\". Says what is wrong and how to mend it."
        );
        return ExitCode::from(64);
    }
    super::finish("checkvdomain", check_all(&super::root_of_environment(), &names))
}

/// Prints what is found of each domain.
pub(super) fn check_all(root: &Root, names: &[String]) -> anyhow::Result<ExitCode> {
    let machine = std::sync::Arc::new(Machine::load(root)?);
    let doors = doors(&machine);
    let directory = Directory::load(root, machine, None);
    let mut all_good = true;
    for name in names {
        println!("{name}:");
        let findings = match name.parse::<Domain>() {
            Ok(domain) => check::domain(&directory, &domain, &doors),
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

/// Where greetings are to be heard: where we are told to listen, or at the usual ports, where a machine need not have IMAP.
fn doors(machine: &Machine) -> Vec<Door> {
    let is_configured = !machine.listen.is_empty();
    let listeners = machine.listeners(false).into_iter().filter(|listen| listen.tls != TlsMode::Implicit);
    let door = |listen: Listen| Door { proto: listen.proto, port: listen.port(), must_open: is_configured || listen.proto == Proto::Pop3 };
    listeners.map(door).collect()
}

//! Dovecot's authentication protocol, the server's side for SASL clients such as Postfix's smtpd and Exim: logins for submission pass the
//! same gate as those for POP3 and IMAP.

pub mod line;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::End;
use crate::house::{Call, House, Visit};
use crate::login::{Denied, plain};
use crate::vdomain::password::Secret;
use crate::vdomain::{Answer, Evidence, NamesOf, Resolver, identify};
use crate::wire::{Line, Lost, Wire};
use line::{Command, Known};

/// Answers logins until the client goes.
pub async fn serve(wire: &mut Wire, house: &House, resolver: &Resolver, requests: &mut u64) -> Result<End, Lost> {
    let mut desk = Desk { house, resolver, pending: HashMap::new() };
    let Some(greeting) = greeting() else { return Ok(End::Refused) };
    wire.say(greeting.as_bytes());
    loop {
        let reply = match wire.line().await? {
            Line::Whole(line) => match line::parse(line) {
                Some(Command::Version(major)) if major != MAJOR => return Ok(End::Refused),
                Some(command) => desk.obey(command).await,
                None => return Ok(End::Refused),
            },
            Line::TooLong => return Ok(End::Refused),
        };
        if let Some(reply) = reply {
            *requests += u64::from(!reply.starts_with("CONT"));
            wire.say(reply.as_bytes());
            wire.flush_if_full().await?;
        }
    }
}

/// Who we are and what we can. The cookie, which a login process would show to a master, is random, for nobody has to show it.
fn greeting() -> Option<String> {
    static CONNECTIONS: AtomicU32 = AtomicU32::new(1);
    let mut cookie = [0; 16];
    getrandom::fill(&mut cookie).ok()?;
    let (process, connection) = (std::process::id(), CONNECTIONS.fetch_add(1, Ordering::Relaxed));
    let cookie = u128::from_be_bytes(cookie);
    Some(format!(
        "VERSION\t{MAJOR}\t{MINOR}\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t{process}\nCUID\t{connection}\nCOOKIE\t{cookie:032x}\nDONE\n"
    ))
}

/// A login that waits for more.
struct Pending {
    local: Option<IpAddr>,
    peer: Option<IpAddr>,
    sni: Option<String>,
    is_secure: bool,
    next: Next,
}

/// What it waits for.
enum Next {
    Plain,
    Name,
    Password { name: String },
}

struct Desk<'a> {
    house: &'a House,
    resolver: &'a Resolver,
    pending: HashMap<u32, Pending>,
}

impl Desk<'_> {
    async fn obey(&mut self, command: Command<'_>) -> Option<String> {
        match command {
            Command::Version(_) | Command::Other => None,
            Command::Cancel(id) => {
                self.pending.remove(&id);
                None
            }
            Command::Auth { id, mechanism, known, response } => {
                let next = match mechanism.to_ascii_uppercase().as_str() {
                    "PLAIN" => Next::Plain,
                    "LOGIN" => Next::Name,
                    _ => return Some(fail(id, "reason=no such mechanism")),
                };
                let pending = Pending::of(known, next);
                // Exim says `resp=` where its client has said nothing.
                match response.filter(|response| !response.is_empty()) {
                    Some(response) => Some(self.go_on(id, pending, response).await),
                    None => Some(self.ask(id, pending)),
                }
            }
            Command::Cont { id, response } => match self.pending.remove(&id) {
                Some(pending) => Some(self.go_on(id, pending, response).await),
                None => Some(fail(id, "reason=no such login")),
            },
        }
    }

    /// Lets a login wait for its next response.
    fn ask(&mut self, id: u32, pending: Pending) -> String {
        if self.pending.len() >= MOST_PENDING {
            return fail(id, "temp\treason=too many logins at once");
        }
        // RFC 4616 has no challenge; LOGIN's are those that clients know.
        let challenge = match pending.next {
            Next::Plain => String::new(),
            Next::Name => STANDARD.encode("Username:"),
            Next::Password { .. } => STANDARD.encode("Password:"),
        };
        self.pending.insert(id, pending);
        format!("CONT\t{id}\t{challenge}\n")
    }

    async fn go_on(&mut self, id: u32, pending: Pending, response: &str) -> String {
        let malformed = fail(id, "reason=malformed response");
        match &pending.next {
            Next::Plain => match plain(response.as_bytes()) {
                Ok((name, password)) => self.check(id, &pending, &name, password).await,
                Err(_) => malformed,
            },
            Next::Name => match decoded(response).map(|octets| std::str::from_utf8(&octets).map(str::to_owned)) {
                Some(Ok(name)) if name.len() <= LONGEST_NAME => self.ask(id, Pending { next: Next::Password { name }, ..pending }),
                _ => malformed,
            },
            Next::Password { name } => match decoded(response) {
                Some(password) => self.check(id, &pending, name, password).await,
                None => malformed,
            },
        }
    }

    async fn check(&self, id: u32, pending: &Pending, name: &str, password: Zeroizing<Vec<u8>>) -> String {
        let Some(secret) = Secret::new(password) else { return fail(id, "reason=the password is too long") };
        let local = pending.local.unwrap_or(Ipv4Addr::UNSPECIFIED.into()).to_canonical();
        let peer = pending.peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into()).to_canonical();
        let names = self.names_of(local).await;
        let call = Box::new(Call { local, peer, sni: pending.sni.clone(), names, may_start_tls: false });
        let mut visit = Visit::new(call, self.house, "auth");
        match visit.log_in(name, secret, pending.is_secure).await {
            Ok(account) => {
                tracing::info!(event = "login", proto = "auth", %peer, dialled = %local, user = %account.owner, why = %account.why);
                format!("OK\t{id}\tuser={}\n", account.owner)
            }
            Err(denial) => fail(id, reason(denial.told)),
        }
    }

    /// The names of the dialled address, where they make a difference. Only this machine's addresses are asked for: the client may say
    /// any, and answers are remembered.
    async fn names_of(&self, local: IpAddr) -> Answer {
        let evidence = Evidence { local, names: NamesOf::Unasked, sni: None, login: None };
        let is_wanted = identify(&*self.house.names, &evidence).wants_names() && !local.is_unspecified();
        match is_wanted && UdpSocket::bind((local, 0)).is_ok() {
            true => Box::pin(self.resolver.names(local)).await,
            false => Answer::Off,
        }
    }
}

impl Pending {
    fn of(known: Known<'_>, next: Next) -> Pending {
        let Known { local, peer, sni, is_secure, .. } = known;
        Pending { local, peer, sni: sni.map(str::to_owned), is_secure, next }
    }
}

fn decoded(response: &str) -> Option<Zeroizing<Vec<u8>>> {
    STANDARD.decode(response).ok().map(Zeroizing::new)
}

fn fail(id: u32, why: &str) -> String {
    format!("FAIL\t{id}\t{why}\n")
}

/// What the mail server hears; it may tell its client.
fn reason(told: Denied) -> &'static str {
    match told {
        Denied::Credentials => "reason=wrong name or password",
        Denied::NoDomain => "reason=the name needs a domain, like user@example.org",
        Denied::Locked => "user_disabled\treason=the account is locked",
        Denied::NeedsTls => "reason=TLS has to be started first",
        Denied::Trouble => "temp\treason=try again later",
    }
}

const MAJOR: u32 = 1;
const MINOR: u32 = 2;
/// Postfix and Exim have one.
const MOST_PENDING: usize = 32;
const LONGEST_NAME: usize = 1024;

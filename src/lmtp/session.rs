//! One client's session, from the greeting to the end.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use super::command::{self, Bad, Command};
use super::mail::From;
use super::reply::Reply;
use super::text::Text;
use crate::VERSION;
use crate::config::Machine;
use crate::deliver::{Carrier, Plan};
use crate::maps::Sources;
use crate::vdomain::Names;
use crate::wire::{Counts, Line, Lost, TlsDoor, Wire};

/// What sessions share: the machine as it was configured when they began.
pub struct House {
    /// The settings.
    pub machine: Arc<Machine>,
    /// The machine's own name.
    pub host: String,
    /// The domains.
    pub names: Arc<dyn Names>,
    /// The address maps.
    pub maps: Arc<Sources>,
    /// Who delivers.
    pub carrier: Carrier,
    /// Certificates.
    pub tls: Arc<dyn TlsDoor>,
}

/// One connection, as it came in.
#[derive(Debug, Clone)]
pub struct Call {
    /// The addresses of a TCP connection; none where it came by a socket of this machine.
    pub ends: Option<Ends>,
    /// Whether this listener offers STARTTLS.
    pub may_start_tls: bool,
}

/// The addresses of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// The dialled one.
    pub local: IpAddr,
    /// The client's.
    pub peer: IpAddr,
}

impl Call {
    /// The client for the log.
    pub fn peer(&self) -> String {
        self.ends.map_or_else(|| "local".to_owned(), |ends| ends.peer.to_string())
    }
}

/// How a session ended, with what there is to count.
#[derive(Debug)]
pub struct Report {
    /// How.
    pub end: End,
    /// What the session was doing when it was lost.
    pub doing: &'static str,
    /// What the client called itself.
    pub client: Option<String>,
    /// What was done.
    pub done: Done,
    /// Octets.
    pub counts: Counts,
}

/// How a session ended.
#[derive(Debug)]
pub enum End {
    /// With QUIT.
    Quit,
    /// We had enough of it.
    Refused,
    /// Without a farewell.
    Lost(Lost),
}

/// What was done in a session.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// Messages received.
    pub messages: u64,
    /// Recipients who have got one.
    pub recipients: u64,
    /// Recipients who have not.
    pub refused: u64,
}

/// A message being sent, from MAIL to its end.
pub(super) struct Transaction {
    pub from: From,
    /// Those of RCPT that were accepted, as they were written.
    pub recipients: Vec<String>,
    /// Of each of them.
    pub plans: Vec<Plan>,
    /// Of all plans.
    pub steps: usize,
    /// What has come by BDAT.
    pub text: Option<Text>,
}

impl Transaction {
    pub fn from(from: From) -> Transaction {
        Transaction { from, recipients: Vec::new(), plans: Vec::new(), steps: 0, text: None }
    }

    pub fn sender(&self) -> &str {
        self.from.path.as_str()
    }
}

/// Serves one client.
pub async fn serve(wire: Box<Wire>, call: Box<Call>, house: &House) -> Report {
    let mut session = Box::new(Session {
        wire,
        call,
        house,
        client: None,
        transaction: None,
        is_utf8: false,
        faults: 0,
        doing: "greeting",
        done: Done::default(),
    });
    let end = match session.converse().await {
        Ok(end) => end,
        Err(lost) => {
            session.farewell(&lost);
            End::Lost(lost)
        }
    };
    Box::pin(session.report(end)).await
}

pub(super) struct Session<'a> {
    pub(super) wire: Box<Wire>,
    pub(super) call: Box<Call>,
    pub(super) house: &'a House,
    /// What the client has called itself in LHLO.
    pub(super) client: Option<String>,
    pub(super) transaction: Option<Box<Transaction>>,
    /// The client of the message that is being sent understands UTF-8.
    pub(super) is_utf8: bool,
    /// Lines that were no commands.
    faults: u32,
    /// What is logged of a connection that breaks now.
    pub(super) doing: &'static str,
    pub(super) done: Done,
}

impl Session<'_> {
    async fn converse(&mut self) -> Result<End, Lost> {
        self.wire.say(format!("220 {} LMTP vmail {VERSION} ready\r\n", self.house.host).as_bytes());
        loop {
            match self.command().await? {
                Ok(Command::Lhlo(client)) => self.lhlo(client),
                Ok(Command::Smtp) => self.reply(&Reply::new(500, "5.5.1", "this is LMTP: say LHLO")),
                Ok(Command::Mail(text)) => {
                    let reply = self.mail(&text);
                    self.reply(&reply);
                }
                Ok(Command::Rcpt(text)) => {
                    let reply = self.rcpt(&text);
                    self.reply(&reply);
                }
                Ok(Command::Data) => Box::pin(self.data()).await?,
                Ok(Command::Bdat(chunk)) => Box::pin(self.bdat(chunk)).await?,
                Ok(Command::Rset) => {
                    self.give_up();
                    self.reply(&Reply::new(250, "2.0.0", "forgotten"));
                }
                Ok(Command::Noop) => self.reply(&Reply::new(250, "2.0.0", "still here")),
                Ok(Command::Vrfy) => self.reply(&Reply::new(252, "2.5.0", "RCPT tells whether mail is accepted")),
                Ok(Command::Help) => self.reply(&Reply::new(214, "2.0.0", COMMANDS)),
                Ok(Command::StartTls) => self.start_tls().await?,
                Ok(Command::Quit) => {
                    self.reply(&Reply::new(221, "2.0.0", "goodbye"));
                    return Ok(End::Quit);
                }
                Err(bad) if self.is_too_much(bad) => return Ok(End::Refused),
                Err(_) => {}
            }
            self.wire.flush_if_full().await?;
        }
    }

    /// The next command, or what is wrong with the line.
    async fn command(&mut self) -> Result<Result<Command, Bad>, Lost> {
        self.doing = "reading a command";
        Ok(match self.wire.line().await? {
            Line::Whole(line) => command::parse(line),
            Line::TooLong => Err(Bad::TooLong),
        })
    }

    /// Says what is wrong. Who says nothing right, or goes on with a message where we hear commands, is heard no longer.
    fn is_too_much(&mut self, bad: Bad) -> bool {
        self.faults += 1;
        let reply = match bad {
            Bad::Unknown => Reply::new(500, "5.5.1", format!("no such command; there are {COMMANDS}")),
            Bad::Usage(usage) => Reply::syntax(format!("expected {usage}")),
            Bad::NotText => Reply::new(501, "5.5.2", "a line is UTF-8 text without NUL"),
            Bad::TooLong => Reply::new(500, "5.5.2", "the line is too long"),
            Bad::NoSize => Reply::syntax("expected BDAT octets [LAST]; what comes behind it can't be told from commands"),
        };
        self.reply(&reply);
        if bad == Bad::NoSize {
            return true;
        }
        if self.faults >= MOST_FAULTS {
            self.reply(&Reply::new(421, "4.7.0", "too many lines that are no commands"));
        }
        self.faults >= MOST_FAULTS
    }

    /// The message that may come now.
    pub(super) fn ready(&mut self) -> Result<&mut Transaction, Reply> {
        match &mut self.transaction {
            None => Err(Reply::out_of_turn("say MAIL first")),
            // RFC 2033 §4.2: an error, though MAIL was understood.
            Some(transaction) if transaction.plans.is_empty() => Err(Reply::out_of_turn("no recipient was accepted")),
            Some(transaction) => Ok(transaction),
        }
    }

    /// An empty message.
    pub(super) fn text(&self) -> Text {
        Text::new(self.house.carrier.store().draft(), self.limit())
    }

    /// Octets of the largest message.
    pub(super) fn limit(&self) -> u64 {
        self.house.machine.delivery.message_limit.octets()
    }

    /// There is no message any more.
    pub(super) fn give_up(&mut self) {
        self.transaction = None;
        self.is_utf8 = false;
        self.wire.be_engaged(false);
    }

    /// Says so; in ASCII, unless the client has asked for more (RFC 6531 §3.7.4.2).
    pub(super) fn reply(&mut self, reply: &Reply) {
        let line = reply.to_string();
        let line: Cow<'_, str> =
            if self.is_utf8 || line.is_ascii() { line.into() } else { line.replace(|letter: char| !letter.is_ascii(), "?").into() };
        self.wire.say(line.as_bytes());
    }

    /// The connection can't go on: the message has no end that is worth waiting for.
    pub(super) fn cut_off(&mut self, text: &Text) -> Lost {
        let reply = text.fault().map_or_else(|| Reply::too_big(self.limit()), |fault| fault.reply(""));
        self.reply(&reply);
        Lost::Io(std::io::Error::other("the message was many times larger than messages may be"))
    }

    /// The last words to a client who did not say any.
    fn farewell(&mut self, lost: &Lost) {
        match lost {
            Lost::Stopping => self.reply(&Reply::new(421, "4.3.2", "the server is being stopped, please come back later")),
            Lost::Idle => self.reply(&Reply::new(421, "4.4.2", "silent for too long")),
            Lost::Closed | Lost::Io(_) => {}
        }
    }

    async fn report(self, end: End) -> Report {
        let is_agreed = matches!(end, End::Quit);
        Report {
            end,
            doing: self.doing,
            client: self.client,
            done: self.done,
            counts: if is_agreed { self.wire.close().await } else { self.wire.close_politely().await },
        }
    }
}

const COMMANDS: &str = "LHLO, MAIL, RCPT, DATA, BDAT, RSET, NOOP, VRFY, HELP, STARTTLS, QUIT";
/// A mail server makes none at all.
const MOST_FAULTS: u32 = 20;

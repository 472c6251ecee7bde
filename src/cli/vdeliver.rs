//! `vdeliver`: the program that sendmail, Postfix and Exim give mail for virtual domains to (behaviour.md §4.1, §4.2).

use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;

use crate::address::{Address, Domain};
use crate::admin;
use crate::config::{LogTarget, Machine, Root};
use crate::deliver::{Carrier, Fate, Leaf, Mail, Outcome, Plan, Refusal, plan};
use crate::maps::Sources;
use crate::os::privilege::{self, Needs};
use crate::os::trust;
use crate::store::{Letter, Places, Store, Trouble};
use crate::vdomain::Compiled;

/// Deliver the message on standard input
///
/// Brings it into the mailboxes of its recipients, and wherever else aliases and fallbacks lead, past a running server. Says nothing where
/// all is well; what it says else a sender may read.
#[derive(Debug, Parser)]
#[command(name = "vdeliver", version = crate::VERSION, after_help = EXITS)]
struct Options {
    /// The envelope sender; empty or <> for a bounce [default: what the message's Return-Path says]
    #[arg(short = 'f', value_name = "SENDER", allow_hyphen_values = true)]
    from: Option<String>,
    /// The domain of recipients without one
    #[arg(short = 'd', value_name = "DOMAIN")]
    domain: Option<String>,
    /// Whom the message is for: user, or user@domain
    #[arg(required = true, value_name = "RECIPIENT")]
    to: Vec<String>,
}

/// The program.
pub fn vdeliver() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // Best effort: there is nobody else to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(64) } else { ExitCode::SUCCESS };
        }
    };
    let root = super::root_of_environment();
    let machine = Machine::load(&root);
    start_log(&root, machine.as_ref().ok());
    let outcomes = match machine {
        Ok(machine) => deliver(&root, Arc::new(machine), &options),
        Err(fault) => Err(anyhow::Error::from(fault)),
    };
    let outcomes = outcomes.unwrap_or_else(|error| {
        tracing::error!(event = "vdeliver", error = format!("{error:#}"));
        vec![Outcome::Broken; options.to.len()]
    });
    ExitCode::from(tell(&options.to, &outcomes))
}

/// What goes to standard error the sender of a bounce reads: the log does not.
fn start_log(root: &Root, machine: Option<&Machine>) {
    let mut machine = machine.cloned().unwrap_or_default();
    if machine.log.to.is_none_or(|to| to == LogTarget::Stderr) && !io::stderr().is_terminal() {
        machine.log.to = Some(LogTarget::Syslog);
    }
    // Mail matters more than words about it.
    let _ = super::start_log("vdeliver", root, &machine);
}

/// Says what became of the message, and gives the exit code: that of the recipient it is worst for, since all of them are one to the MTA.
fn tell(to: &[String], outcomes: &[Outcome]) -> u8 {
    let mut out = io::stdout().lock();
    for (to, outcome) in to.iter().zip(outcomes).filter(|(_, outcome)| outcome.fate() != Fate::Done) {
        let reply = outcome.reply();
        let to: String = to.chars().map(|letter| if letter.is_control() { '?' } else { letter }).take(LONGEST_SHOWN).collect();
        // Postfix takes the status from the beginning of the line. Whoever does not listen sees the exit code.
        let _ = writeln!(out, "{} <{to}>: {}", reply.status, reply.text);
    }
    let worst = outcomes.iter().cloned().reduce(|worst, other| if other.fate() > worst.fate() { other } else { worst });
    worst.unwrap_or(Outcome::Broken).reply().exit
}

fn deliver(root: &Root, machine: Arc<Machine>, options: &Options) -> anyhow::Result<Vec<Outcome>> {
    let places = Places::below(root, &machine);
    let service = service(&machine)?;
    if let Some((uid, gid)) = service {
        places.own(uid, gid)?;
        trust::trust_service(uid);
    }
    let carrier = Carrier::new(Store::new(places), &machine);
    let Some(letter) = received(carrier.store(), machine.delivery.message_limit.octets())? else {
        return Ok(vec![Outcome::TooLarge; options.to.len()]);
    };
    let mail = mail(letter, options.from.as_deref())?;
    let (names, maps) = (Compiled::open(root, machine.clone()), Sources::of(root, &machine.delivery));
    let planned = |to: &String| address(to, options.domain.as_deref()).map(|to| plan(&names, &maps, &to, mail.sender()));
    let (sure, kept) = split(options.to.iter().map(planned).collect());
    make_maildrops(&machine, &sure);
    if let Some((uid, gid)) = service {
        privilege::become_service(uid, gid, Needs { other_users: true, root_files: true })?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let carried = runtime.block_on(async {
        let carried = carrier.carry(&sure, &mail).await;
        // The mail is in its place: should the MTA be slow to take an answer, this is no reason to be given the mail again.
        let _ = tokio::time::timeout(ANSWERING, carrier.answer(&sure, &mail, &carried)).await;
        carried
    });
    let mut carried = carried.outcomes.into_iter();
    Ok(kept.into_iter().map(|known| known.or_else(|| carried.next()).unwrap_or(Outcome::Broken)).collect())
}

/// The plans, and for each recipient the outcome where there is none.
fn split(plans: Vec<Result<Plan, Outcome>>) -> (Vec<Plan>, Vec<Option<Outcome>>) {
    let kept = plans.iter().map(|plan| plan.as_ref().err().cloned()).collect();
    (plans.into_iter().flatten().collect(), kept)
}

/// Whom root becomes, keeping the right to act as the owners of mail; others stay who they are.
fn service(machine: &Machine) -> anyhow::Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let user = nix::unistd::User::from_name(&machine.user)?;
    if user.is_none() {
        tracing::warn!(event = "no-user", user = machine.user, "there is no such user: vdeliver stays root");
    }
    Ok(user.map(|user| (user.uid.as_raw(), user.gid.as_raw())))
}

/// Makes the maildrops that only root can make. Where that fails, the delivery will tell.
fn make_maildrops(machine: &Machine, plans: &[Plan]) {
    for (_, leaf) in plans.iter().flat_map(Plan::leaves) {
        let Leaf::Mailbox(mailbox) = leaf else { continue };
        if let Err(error) = admin::make_first(machine, &mailbox.domain, &mailbox.user, &mailbox.account) {
            tracing::warn!(event = "no-maildrop", user = %mailbox.owner(), %error);
        }
    }
}

/// The message; `None` where it has more than `most` octets.
fn received(store: &Store, most: u64) -> Result<Option<Letter>, anyhow::Error> {
    let (mut draft, mut input, mut piece) = (store.draft(), io::stdin().lock(), vec![0; 64 * 1024]);
    loop {
        match input.read(&mut piece) {
            Ok(0) => return Ok(Some(draft.finish()?)),
            Ok(some) => draft.push(&piece[..some])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        if draft.len() > most {
            // The MTA would take a closed pipe for a crash.
            io::copy(&mut input, &mut io::sink())?;
            return Ok(None);
        }
    }
}

/// The message and its sender: of a bounce nobody, however the MTA says that (behaviour.md §18 trap 47).
fn mail(letter: Letter, from: Option<&str>) -> Result<Mail, Trouble> {
    let sender = |from: &str| {
        let bare = from.trim().trim_start_matches('<').trim_end_matches('>');
        if bare.eq_ignore_ascii_case("MAILER-DAEMON") { String::new() } else { bare.to_owned() }
    };
    let mail = Mail::new(letter, from.map(sender).unwrap_or_default())?;
    if from.is_some() {
        return Ok(mail);
    }
    let path = mail.fields().find(|field| field.is("Return-Path")).map(|field| String::from_utf8_lossy(field.value).into_owned());
    Ok(mail.with_sender(sender(&path.unwrap_or_default())))
}

/// Whom `to` means.
fn address(to: &str, domain: Option<&str>) -> Result<Address, Outcome> {
    let nobody = Outcome::Refused(Refusal::Nobody);
    match (to.contains('@'), domain) {
        (true, _) => to.parse().map_err(|_| nobody),
        (false, Some(domain)) => {
            let domain: Domain = domain.parse().map_err(|_| Outcome::Refused(Refusal::NotOurs))?;
            Address::new(to, domain).map_err(|_| nobody)
        }
        (false, None) => Err(nobody),
    }
}

const LONGEST_SHOWN: usize = 320;
/// How long the MTA may take for the answers of machines.
const ANSWERING: Duration = Duration::from_secs(30);
const EXITS: &str = "Exit codes: 0 delivered; 67 no such user; 68 not our domain; 69, 70, 73 refused; 75 to come again; 64 wrong use";

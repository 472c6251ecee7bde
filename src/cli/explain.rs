//! `vmail explain`: what the server decides of a connection or of mail, with each step.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;

use crate::address::Address;
use crate::config::{Machine, Root};
use crate::deliver::{self, Verdict};
use crate::maps::Sources;
use crate::vdomain::{Answer, Decision, Directory, Evidence, Login, NamesOf, Resolver, Whose, identify};

/// Tell whose a connection or a login would be, or who gets the mail for an address, and why
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The address that the client dials
    #[arg(long, required_unless_present = "rcpt")]
    local: Option<IpAddr>,
    /// The server name that it asks for in TLS
    #[arg(long)]
    sni: Option<String>,
    /// The name that it logs in with
    #[arg(long)]
    login: Option<String>,
    /// The address that mail is for
    #[arg(long, conflicts_with_all = ["local", "sni", "login"])]
    rcpt: Option<Address>,
    /// The sender of that mail; none for a bounce
    #[arg(long, requires = "rcpt", default_value = "", hide_default_value = true)]
    from: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(root: &Root, options: &Options) -> anyhow::Result<()> {
    let machine = Arc::new(Machine::load(root)?);
    super::trust_service(&machine);
    let directory = Directory::load(root, machine.clone(), None);
    match (&options.rcpt, options.local) {
        (Some(rcpt), _) => delivery(&directory, &Sources::of(root, &machine.delivery), rcpt, options),
        (None, Some(local)) => connection(&machine, &directory, local, options),
        (None, None) => Ok(()),
    }
}

fn delivery(directory: &Directory, maps: &Sources, rcpt: &Address, options: &Options) -> anyhow::Result<()> {
    let plan = deliver::plan(directory, maps, rcpt, &options.from);
    match options.json {
        true => println!("{}", plan.to_json()),
        false => println!("{plan}"),
    }
    match plan.verdict() {
        Verdict::Deliver => Ok(()),
        verdict => bail!("{verdict}"),
    }
}

fn connection(machine: &Machine, directory: &Directory, local: IpAddr, options: &Options) -> anyhow::Result<()> {
    let login = match &options.login {
        None => None,
        Some(text) => Some(Login::parse(text, &machine.login.separators)?),
    };
    let evidence = Evidence { local, names: NamesOf::Unasked, sni: options.sni.as_deref(), login: login.as_ref() };
    let names = names(machine, directory, &evidence)?;
    let decision = identify(directory, &Evidence { names: names.evidence(), ..evidence });
    match options.json {
        true => println!("{}", json(&decision, directory)),
        false => print(local, &decision, directory),
    }
    if let Whose::Refused(refusal) = decision.whose {
        bail!("refused: {refusal:?}");
    }
    Ok(())
}

/// The name service is asked where the server would ask it: for the connection, before any login.
fn names(machine: &Machine, directory: &Directory, evidence: &Evidence<'_>) -> anyhow::Result<Answer> {
    if !identify(directory, &Evidence { login: None, sni: None, ..*evidence }).wants_names() {
        return Ok(Answer::Off);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(Resolver::new(machine).names(evidence.local));
    runtime.shutdown_background();
    Ok(answer)
}

fn print(local: IpAddr, decision: &Decision, directory: &Directory) {
    println!("dialled {local}");
    decision.steps.iter().for_each(|step| println!("  {step}"));
    println!("=> {} ({})", whose(decision, directory), decision.why);
}

fn whose(decision: &Decision, directory: &Directory) -> String {
    match &decision.whose {
        Whose::Domain(domain) => domain.name.to_string(),
        Whose::Shared => format!("shared: {} greets, and the login has to name the domain", directory.host),
        Whose::Main => "the main domain".into(),
        Whose::Refused(refusal) => format!("refused: {refusal:?}"),
    }
}

fn json(decision: &Decision, directory: &Directory) -> serde_json::Value {
    let (kind, domain) = match &decision.whose {
        Whose::Domain(domain) => ("domain", Some(domain.name.to_string())),
        Whose::Shared => ("shared", None),
        Whose::Main => ("main", None),
        Whose::Refused(_) => ("refused", None),
    };
    serde_json::json!({
        "whose": kind,
        "domain": domain,
        "why": decision.why.to_string(),
        "host": directory.host,
        "steps": decision.steps.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

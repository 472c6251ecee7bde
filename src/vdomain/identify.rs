//! From what is known of a connection to the domain it is for (design.md §3). Pure: the same evidence gives the same decision,
//! for every protocol, for `vmail explain` and for `checkvdomain`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Login, VirtualDomain};
use crate::address::Domain;
use crate::config::AddressKind;

/// What is known of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The dialled address: the local end of the connection.
    pub local: IpAddr,
    /// The names of that address, as far as they were asked for.
    pub names: NamesOf<'a>,
    /// The server name of the TLS handshake.
    pub sni: Option<&'a str>,
    /// The name that the client logs in with.
    pub login: Option<&'a Login>,
}

/// What the name service said of the dialled address.
#[derive(Debug, Clone, Copy)]
pub enum NamesOf<'a> {
    /// It was not asked.
    Unasked,
    /// It is not to be asked (`reverse.lookup = "off"`).
    Off,
    /// These names, canonical first; none at all is an answer, too.
    Known(&'a [String]),
    /// No answer.
    Unanswered,
}

/// The names and addresses of all domains: what `identify` looks things up in.
pub trait Names: Send + Sync {
    /// The domain of that name, primary or alias.
    fn by_name(&self, name: &Domain) -> Option<Arc<VirtualDomain>>;
    /// The domain whose record lists that address.
    fn by_address(&self, address: IpAddr) -> Option<Arc<VirtualDomain>>;
    /// What `vmail.toml` declares that address to be.
    fn declared(&self, address: IpAddr) -> Option<AddressKind>;
    /// The machine's own name.
    fn host(&self) -> &str;
    /// Whether `name` is the machine's own, so that `joe@name` is a user of the main domain.
    fn is_host(&self, name: &str) -> bool;
    /// All domains. Where they are not in memory, their records are read.
    fn all(&self) -> Vec<Arc<VirtualDomain>>;
}

/// Whose the connection is, why, and how that was found.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Whose it is.
    pub whose: Whose,
    /// What decided.
    pub why: Why,
    /// Each thing looked at, in order, for `vmail explain`.
    pub steps: Vec<Step>,
}

impl Decision {
    /// Whether the names of the dialled address, not asked for yet, could change this.
    pub fn wants_names(&self) -> bool {
        self.why == Why::Undecided
    }
}

/// Whose a connection is.
#[derive(Debug, Clone)]
pub enum Whose {
    /// A virtual domain's.
    Domain(Arc<VirtualDomain>),
    /// Not known before a login that names the domain.
    Shared,
    /// The main domain's.
    Main,
    /// Nobody's: it is refused.
    Refused(Refusal),
}

impl PartialEq for Whose {
    fn eq(&self, other: &Whose) -> bool {
        match (self, other) {
            (Whose::Domain(one), Whose::Domain(two)) => one.name == two.name,
            (Whose::Shared, Whose::Shared) | (Whose::Main, Whose::Main) => true,
            (Whose::Refused(one), Whose::Refused(two)) => one == two,
            _ => false,
        }
    }
}

/// Why a connection or a login belongs to nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The login names a domain that nobody defined.
    UnknownDomain(String),
    /// The address is shared, and the login names no domain.
    NoDomain,
    /// The address belongs to a domain that refuses other domains' users (`strict_ip`).
    Strict(Domain),
    /// The address is declared to be a domain's, and no domain was found for it.
    Unclaimed,
}

/// Which evidence decided: the `why` of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The domain of the login name.
    Login,
    /// The TLS server name.
    Sni,
    /// The `ip` line of a domain record.
    IpTable,
    /// The `[address]` section of `vmail.toml`.
    Declared,
    /// A name of the dialled address.
    ReverseName,
    /// Nothing: the main domain gets what is left.
    Default,
    /// Nothing so far; the names of the address have not been asked for.
    Undecided,
}

impl fmt::Display for Why {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Why::Login => "login",
            Why::Sni => "sni",
            Why::IpTable => "ip-table",
            Why::Declared => "declared",
            Why::ReverseName => "reverse-name",
            Why::Default => "default",
            Why::Undecided => "undecided",
        })
    }
}

/// One thing that was looked at, and what it showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The login's domain, and the primary name of the domain that has it.
    Login(String, Option<Domain>),
    /// The login's domain is the machine's own name.
    LoginOfHost(String),
    /// The login names no domain.
    BareLogin,
    /// The TLS server name, and the domain it is of.
    Sni(String, Option<Domain>),
    /// The table of addresses.
    IpTable(IpAddr, Option<Domain>),
    /// The `[address]` section.
    Declared(IpAddr, AddressKind),
    /// A name of the address, and the domain it is of.
    Name(String, Option<Domain>),
    /// A name of the address is a domain itself: it should be a host of it (behaviour.md §2.4, trap 4).
    NameIsDomain(Domain),
    /// The address has no names.
    Nameless(IpAddr),
    /// The name service did not answer in time.
    Unanswered(IpAddr),
    /// Names are not asked for.
    NamesOff,
    /// The address's domain refuses others' users.
    Strict(Domain),
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Login(name, Some(domain)) => write!(out, "login domain {name:?} is {domain}"),
            Step::Login(name, None) => write!(out, "login domain {name:?} is not defined here"),
            Step::LoginOfHost(name) => write!(out, "login domain {name:?} is this machine's own name"),
            Step::BareLogin => write!(out, "the login names no domain"),
            Step::Sni(name, Some(domain)) => write!(out, "TLS server name {name:?} is of {domain}"),
            Step::Sni(name, None) => write!(out, "TLS server name {name:?} is of no domain here"),
            Step::IpTable(address, Some(domain)) => write!(out, "address {address} stands in the record of {domain}"),
            Step::IpTable(address, None) => write!(out, "address {address} stands in no domain record"),
            Step::Declared(address, kind) => write!(out, "vmail.toml declares {address} as {}", format!("{kind:?}").to_lowercase()),
            Step::Name(name, Some(domain)) => write!(out, "name {name:?} of the address is of {domain}"),
            Step::Name(name, None) => write!(out, "name {name:?} of the address is of no domain here"),
            Step::NameIsDomain(domain) => {
                write!(out, "the name is the domain {domain} itself: let the reverse name be a host of it, like mail.{domain}")
            }
            Step::Nameless(address) => write!(out, "address {address} has no name"),
            Step::Unanswered(address) => write!(out, "the name service gave no answer for {address} in time"),
            Step::NamesOff => write!(out, "names of addresses are not asked for (reverse.lookup = \"off\")"),
            Step::Strict(domain) => write!(out, "{domain} refuses other domains' users on its addresses (strict_ip)"),
        }
    }
}

/// Whose a connection is, from what is known of it; the strongest evidence wins.
pub fn identify(names: &dyn Names, evidence: &Evidence<'_>) -> Decision {
    let mut steps = Vec::new();
    let (whose, why) = match evidence.login {
        Some(login) => of_login(names, login, evidence, &mut steps),
        None => of_connection(names, evidence, &mut steps),
    };
    Decision { whose, why, steps }
}

fn of_login(names: &dyn Names, login: &Login, evidence: &Evidence<'_>, steps: &mut Vec<Step>) -> (Whose, Why) {
    let Some(named) = &login.domain else {
        steps.push(Step::BareLogin);
        return match of_connection(names, evidence, steps) {
            (Whose::Shared, why) => (Whose::Refused(Refusal::NoDomain), why),
            decided => decided,
        };
    };
    let found = of_name(names, named);
    steps.push(Step::Login(named.clone(), found.as_ref().map(|domain| domain.name.clone())));
    let whose = match found {
        Some(domain) => Whose::Domain(domain),
        None if names.is_host(named) => {
            steps.push(Step::LoginOfHost(named.clone()));
            Whose::Main
        }
        // Never stripped and tried again: the same user name may be somebody else's (behaviour.md trap 10).
        None => return (Whose::Refused(Refusal::UnknownDomain(named.clone())), Why::Login),
    };
    (unless_strict(names, evidence, whose, steps), Why::Login)
}

/// `strict_ip`: on the addresses of such a domain nobody else is served, whatever the login or the server name says.
fn unless_strict(names: &dyn Names, evidence: &Evidence<'_>, whose: Whose, steps: &mut Vec<Step>) -> Whose {
    match of_address(names, evidence, &mut Vec::new()).0 {
        Whose::Domain(dialled) if dialled.record.strict_ip && Whose::Domain(dialled.clone()) != whose => {
            steps.push(Step::Strict(dialled.name.clone()));
            Whose::Refused(Refusal::Strict(dialled.name.clone()))
        }
        _ => whose,
    }
}

fn of_connection(names: &dyn Names, evidence: &Evidence<'_>, steps: &mut Vec<Step>) -> (Whose, Why) {
    if let Some(sni) = evidence.sni {
        let found = of_name(names, sni);
        steps.push(Step::Sni(sni.to_owned(), found.as_ref().map(|domain| domain.name.clone())));
        if let Some(domain) = found {
            return (unless_strict(names, evidence, Whose::Domain(domain), steps), Why::Sni);
        }
    }
    of_address(names, evidence, steps)
}

fn of_address(names: &dyn Names, evidence: &Evidence<'_>, steps: &mut Vec<Step>) -> (Whose, Why) {
    let local = evidence.local.to_canonical();
    let listed = names.by_address(local);
    steps.push(Step::IpTable(local, listed.as_ref().map(|domain| domain.name.clone())));
    if let Some(domain) = listed {
        return (Whose::Domain(domain), Why::IpTable);
    }
    let declared = names.declared(local);
    steps.extend(declared.map(|kind| Step::Declared(local, kind)));
    match declared {
        Some(AddressKind::Shared) => (Whose::Shared, Why::Declared),
        Some(AddressKind::Main) => (Whose::Main, Why::Declared),
        Some(AddressKind::Domain) => of_address_names(names, evidence, steps, Whose::Refused(Refusal::Unclaimed)),
        None => of_address_names(names, evidence, steps, Whose::Main),
    }
}

fn of_address_names(names: &dyn Names, evidence: &Evidence<'_>, steps: &mut Vec<Step>, otherwise: Whose) -> (Whose, Why) {
    let known = match evidence.names {
        NamesOf::Known(known) => known,
        NamesOf::Unasked => return (otherwise, Why::Undecided),
        NamesOf::Off => {
            steps.push(Step::NamesOff);
            return (otherwise, Why::Default);
        }
        NamesOf::Unanswered => {
            steps.push(Step::Unanswered(evidence.local));
            return (otherwise, Why::Default);
        }
    };
    if known.is_empty() {
        steps.push(Step::Nameless(evidence.local));
    }
    for name in known {
        let found = of_name(names, name);
        steps.push(Step::Name(name.clone(), found.as_ref().map(|domain| domain.name.clone())));
        if let Some(domain) = found {
            if name.trim_end_matches('.').eq_ignore_ascii_case(domain.name.as_str()) {
                steps.push(Step::NameIsDomain(domain.name.clone()));
            }
            return (Whose::Domain(domain), Why::ReverseName);
        }
    }
    (otherwise, Why::Default)
}

/// The domain that `name` is, or else is a host of: one label stripped, the exact name first (behaviour.md trap 9).
fn of_name(names: &dyn Names, name: &str) -> Option<Arc<VirtualDomain>> {
    let name: Domain = name.parse().ok()?;
    names.by_name(&name).or_else(|| names.by_name(&name.parent()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vdomain::Directory;

    fn directory() -> Directory {
        Directory::for_tests(
            "host = \"mail.example.net\"\n[address]\n\"192.0.2.1\" = \"main\"\n\"192.0.2.4\" = \"shared\"\n\"192.0.2.5\" = \"domain\"\n",
            &[
                ("va.foo.com", "ip = [\"192.0.2.2\", \"2001:db8::2\"]\nalias = [\"va.net\"]\n"),
                ("vb.foo.com", "ip = [\"192.0.2.3\"]\nstrict_ip = true\n"),
                ("foo.com", ""),
            ],
        )
    }

    fn decide(local: &str, names: NamesOf<'_>, sni: Option<&str>, login: Option<&str>) -> (String, Why) {
        let login = login.map(|text| Login::parse(text, "@%").unwrap());
        let decision = identify(&directory(), &Evidence { local: local.parse().unwrap(), names, sni, login: login.as_ref() });
        let whose = match decision.whose {
            Whose::Domain(domain) => domain.name.to_string(),
            other => format!("{other:?}"),
        };
        (whose, decision.why)
    }

    fn is(whose: &str, why: Why) -> (String, Why) {
        (whose.to_owned(), why)
    }

    #[test]
    fn the_address_decides_in_every_spelling() {
        assert_eq!(decide("192.0.2.2", NamesOf::Unasked, None, None), is("va.foo.com", Why::IpTable));
        assert_eq!(decide("::ffff:192.0.2.2", NamesOf::Unasked, None, None), is("va.foo.com", Why::IpTable));
        assert_eq!(decide("2001:db8:0::2", NamesOf::Unasked, None, Some("joe")), is("va.foo.com", Why::IpTable));
    }

    #[test]
    fn the_login_beats_the_server_name_beats_the_address() {
        assert_eq!(decide("192.0.2.9", NamesOf::Off, Some("foo.com"), Some("joe@va.net")), is("va.foo.com", Why::Login));
        assert_eq!(decide("192.0.2.2", NamesOf::Off, Some("mail.vb.foo.com"), Some("joe")), is("vb.foo.com", Why::Sni));
        assert_eq!(decide("192.0.2.2", NamesOf::Off, Some("elsewhere.org"), None), is("va.foo.com", Why::IpTable));
    }

    #[test]
    fn the_exact_domain_beats_the_host_of_a_domain() {
        assert_eq!(decide("192.0.2.4", NamesOf::Off, None, Some("joe@va.foo.com")), is("va.foo.com", Why::Login));
        assert_eq!(decide("192.0.2.4", NamesOf::Off, None, Some("joe@mailhost.va.foo.com")), is("va.foo.com", Why::Login));
        assert_eq!(decide("192.0.2.4", NamesOf::Off, None, Some("joe@mail.foo.com")), is("foo.com", Why::Login));
    }

    #[test]
    fn a_login_of_an_unknown_domain_is_refused_everywhere() {
        for text in ["joe@nowhere.org", "joe@", "joe@com", "joe@a.b.c.va.foo.com", "joe@../va.foo.com"] {
            assert!(decide("192.0.2.2", NamesOf::Off, None, Some(text)).0.contains("UnknownDomain"), "{text}");
        }
    }

    #[test]
    fn a_shared_address_needs_a_domain_in_the_login() {
        assert_eq!(decide("192.0.2.4", NamesOf::Off, None, None), is("Shared", Why::Declared));
        assert_eq!(decide("192.0.2.4", NamesOf::Off, None, Some("joe")), is("Refused(NoDomain)", Why::Declared));
    }

    #[test]
    fn a_strict_domain_refuses_others_on_its_addresses_and_nowhere_else() {
        assert!(decide("192.0.2.3", NamesOf::Off, None, Some("joe@va.foo.com")).0.contains("Strict"));
        assert!(decide("192.0.2.3", NamesOf::Off, Some("mail.va.foo.com"), Some("joe@va.foo.com")).0.contains("Strict"));
        assert!(decide("192.0.2.3", NamesOf::Off, Some("mail.va.foo.com"), Some("joe")).0.contains("Strict"));
        assert_eq!(decide("192.0.2.3", NamesOf::Off, Some("mail.vb.foo.com"), Some("joe")), is("vb.foo.com", Why::Sni));
        assert_eq!(decide("192.0.2.3", NamesOf::Off, None, Some("joe@vb.foo.com")), is("vb.foo.com", Why::Login));
        assert_eq!(decide("192.0.2.2", NamesOf::Off, None, Some("joe@vb.foo.com")), is("vb.foo.com", Why::Login));
    }

    #[test]
    fn names_decide_only_where_the_table_does_not() {
        let names = ["MailHost.VA.foo.com.".to_owned()];
        assert_eq!(decide("192.0.2.9", NamesOf::Known(&names), None, None), is("va.foo.com", Why::ReverseName));
        assert_eq!(decide("192.0.2.3", NamesOf::Known(&names), None, None), is("vb.foo.com", Why::IpTable));
        assert_eq!(decide("192.0.2.1", NamesOf::Known(&names), None, None), is("Main", Why::Declared));
        assert_eq!(decide("192.0.2.5", NamesOf::Known(&names), None, None), is("va.foo.com", Why::ReverseName));
    }

    #[test]
    fn every_name_is_tried_and_single_labels_lead_nowhere() {
        let names = ["localhost".to_owned(), "bad..name".to_owned(), "x.elsewhere.org".to_owned(), "mail.va.net".to_owned()];
        assert_eq!(decide("192.0.2.9", NamesOf::Known(&names), None, None), is("va.foo.com", Why::ReverseName));
        assert_eq!(decide("192.0.2.9", NamesOf::Known(&names[..3]), None, None), is("Main", Why::Default));
        assert_eq!(decide("192.0.2.9", NamesOf::Unanswered, None, None), is("Main", Why::Default));
        assert_eq!(decide("192.0.2.9", NamesOf::Unasked, None, None), is("Main", Why::Undecided));
        assert_eq!(decide("192.0.2.5", NamesOf::Off, None, None), is("Refused(Unclaimed)", Why::Default));
    }

    #[test]
    fn the_machines_own_name_means_the_main_domain() {
        assert_eq!(decide("192.0.2.1", NamesOf::Off, None, Some("joe@mail.example.net")), is("Main", Why::Login));
    }

    #[test]
    fn a_reverse_name_that_is_the_domain_itself_is_diagnosed() {
        let names = ["vb.foo.com".to_owned()];
        let evidence = Evidence { local: "192.0.2.9".parse().unwrap(), names: NamesOf::Known(&names), sni: None, login: None };
        assert!(identify(&directory(), &evidence).steps.contains(&Step::NameIsDomain("vb.foo.com".parse().unwrap())));
    }
}

//! What the planner still has to look at.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Command, Leaf, Place, Reply};
use crate::address::{Address, Domain, User};
use crate::maps::{Means, Said};
use crate::vdomain::VirtualDomain;
use crate::vdomain::aliases::Target;

/// Something to be looked at, and how it came up: the step that it will be.
pub struct Task {
    pub parent: Option<usize>,
    pub place: Option<Place>,
    pub bounces_to: Option<String>,
    pub ask: Ask,
}

/// What is to be looked at.
pub enum Ask {
    /// An address of any domain.
    Address(Address),
    /// An address that the address maps are not asked for.
    Mapped(Address),
    /// A name of a domain of ours.
    Name(Name),
    /// A user of a domain of ours, with no more aliasing.
    User(Name),
    /// Nothing more: somebody or something gets the message.
    Leaf(Leaf),
    /// A list in a file; its names are those of the domain of the name that led here.
    List(Name, PathBuf),
    /// What a line of an address map has a sender told, and the line's value.
    Told(String, Reply),
    /// What nobody can understand.
    Unclear(String),
}

impl Ask {
    /// An address as an administrator has written it. One that cannot be of ours is the MTA's to judge.
    pub fn written(text: &str) -> Ask {
        match text.parse() {
            Ok(address) => Ask::Address(address),
            Err(_) => Ask::Leaf(Leaf::Forward { to: text.to_owned() }),
        }
    }

    /// Where a line of an address map leads; its names are those of the machine `host`.
    pub fn said(said: Said, host: &str) -> Ask {
        match said.means {
            Means::Local(name) => Ask::mapped(format!("{name}@{host}"), false),
            Means::Address { to, again } => Ask::mapped(to, again),
            Means::Error(told) => Ask::Told(said.value, Reply::of_map(told)),
            Means::Wrong(what) => Ask::Unclear(what),
        }
    }

    fn mapped(to: String, again: bool) -> Ask {
        match to.parse() {
            Ok(address) if again => Ask::Address(address),
            Ok(address) => Ask::Mapped(address),
            // As an address literal: the MTA's to judge.
            Err(_) if to.rsplit_once('@').is_none_or(|(_, host)| host.parse::<Domain>().is_err()) => Ask::Leaf(Leaf::Forward { to }),
            Err(error) => Ask::Unclear(error.to_string()),
        }
    }

    /// The address of `local` at `domain`.
    pub fn address(local: &str, domain: &Domain) -> Ask {
        Address::new(local, domain.clone()).map_or_else(|error| Ask::Unclear(error.to_string()), Ask::Address)
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ask::Address(address) | Ask::Mapped(address) => address.fmt(out),
            Ask::Name(name) => name.address.fmt(out),
            Ask::User(name) => write!(out, "\\{}", name.address),
            Ask::Leaf(Leaf::Forward { to }) => out.write_str(to),
            Ask::Leaf(Leaf::Program { command, .. }) => command.fmt(out),
            Ask::Leaf(Leaf::File { path, .. } | Leaf::Reply { text: path, .. }) => path.display().fmt(out),
            Ask::Leaf(leaf) => leaf.fmt(out),
            Ask::List(_, path) => write!(out, ":include:{}", path.display()),
            Ask::Told(what, _) | Ask::Unclear(what) => out.write_str(what),
        }
    }
}

/// A name of a domain of ours.
#[derive(Clone)]
pub struct Name {
    pub domain: Arc<VirtualDomain>,
    /// The name, at the domain's primary name.
    address: Address,
    /// The domain as the sender wrote it.
    pub addressed: Domain,
}

impl Name {
    /// The name that `address` is in `domain`, whose alias its domain may be.
    pub fn of(domain: Arc<VirtualDomain>, address: Address) -> Name {
        let addressed = address.domain().clone();
        Name { address: address.at(domain.name.clone()), domain, addressed }
    }

    /// The local part as written.
    pub fn local(&self) -> &str {
        self.address.local()
    }

    /// What stands before and after the first `+`, where the domain cares for that.
    pub fn plus(&self) -> Option<(&str, &str)> {
        let parts = self.local().split_once('+').filter(|(base, _)| !base.is_empty());
        parts.filter(|_| self.domain.record.delivery.plus_addressing)
    }

    /// Another name of the same domain.
    pub fn beside(&self, local: &str) -> Ask {
        self.sibling(local).map_or_else(Ask::Unclear, Ask::Name)
    }

    fn sibling(&self, local: &str) -> Result<Name, String> {
        let address = Address::new(local, self.domain.name.clone()).map_err(|error| error.to_string())?;
        Ok(Name { address, ..self.clone() })
    }

    /// What an alias of this domain names.
    pub fn target(&self, target: &Target) -> Ask {
        let domain = self.domain.clone();
        match target {
            Target::Name(local) => self.beside(local),
            Target::Address(text) => Ask::written(text),
            Target::User(local) => self.sibling(local).map_or_else(Ask::Unclear, Ask::User),
            Target::File(path) => Ask::Leaf(Leaf::File { domain, path: path.clone() }),
            Target::Program(line) => Ask::Leaf(Leaf::Program { domain, command: Command::Line(line.clone()) }),
            Target::Include(path) => Ask::List(self.clone(), path.clone()),
            Target::Broken(shown) => Ask::Unclear(shown.clone()),
        }
    }

    /// A program of the domain's fallback.
    pub fn program(&self, words: Vec<String>) -> Ask {
        Ask::Leaf(Leaf::Program { domain: self.domain.clone(), command: Command::Words(words) })
    }

    /// The auto-responder of this name, or of what stands before the `+`. Names that are unsafe in a path have none.
    pub fn reply(&self) -> Option<Leaf> {
        let names = [Some(self.local()), self.plus().map(|(base, _)| base)];
        names.into_iter().flatten().find_map(|name| {
            let name: User = name.parse().ok()?;
            let text = self.domain.auto_reply(&name);
            text.is_file().then(|| Leaf::Reply { domain: self.domain.clone(), name, text })
        })
    }
}

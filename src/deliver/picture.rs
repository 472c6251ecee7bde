//! A plan for people to read, and for programs.

use std::fmt;

use super::{Found, Leaf, Place, Plan, Step, Verdict, Way};

impl fmt::Display for Plan {
    /// One line for each step, below and to the right of the one that led to it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            write!(out, "{:indent$}{}", "", step.subject, indent = 2 * step.depth)?;
            if let Some(place) = &step.place {
                write!(out, " ({place})")?;
            }
            writeln!(out, ": {}", step.found)?;
        }
        write!(out, "=> {}", self.verdict())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "{}:{line}, {}", self.file.display(), self.key),
            None => write!(out, "{}, {}", self.file.display(), self.key),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Leads(way) => way.fmt(out),
            Found::Leaf(leaf) => leaf.fmt(out),
            Found::Double => out.write_str("is in the plan already"),
            Found::Refused(why) => write!(out, "refused: {why}"),
            Found::Waits(what) => write!(out, "waits for an administrator: {what}"),
            Found::TooMuch => out.write_str("too many addresses"),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Way::DomainAlias => "another name of the domain",
            Way::Map => "address map",
            Way::Alias => "alias",
            Way::Include => "list",
            Way::FullName => "full name of a user",
            Way::Fallback => "nobody's name: fallback",
            Way::ReplyAlone => "only an auto-responder",
            Way::Postmaster => "nobody here: the machine's postmaster",
        })
    }
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Deliver => out.write_str("delivered"),
            Verdict::Later(what) => write!(out, "later: {what}"),
            Verdict::NotNow(why) => write!(out, "later: {why}"),
            Verdict::Never(why) => write!(out, "refused: {why}"),
        }
    }
}

impl Plan {
    /// The same as JSON: the verdict, and the steps in their order, each with its parent's number.
    pub fn to_json(&self) -> serde_json::Value {
        let verdict = match self.verdict() {
            Verdict::Deliver => "delivered",
            Verdict::Later(_) | Verdict::NotNow(_) => "later",
            Verdict::Never(_) => "refused",
        };
        let steps: Vec<_> = self.steps.iter().map(step).collect();
        serde_json::json!({ "verdict": verdict, "text": self.verdict().to_string(), "steps": steps })
    }
}

fn step(step: &Step) -> serde_json::Value {
    let place = step.place.as_ref();
    let (found, detail) = match &step.found {
        Found::Leads(_) => ("leads", None),
        Found::Leaf(Leaf::Mailbox(mailbox)) => ("mailbox", mailbox.detail.as_deref()),
        Found::Leaf(Leaf::Forward { .. }) => ("forward", None),
        Found::Leaf(Leaf::Program { .. }) => ("program", None),
        Found::Leaf(Leaf::File { .. }) => ("file", None),
        Found::Leaf(Leaf::Reply { .. }) => ("reply", None),
        Found::Double => ("double", None),
        Found::Refused(_) => ("refused", None),
        Found::Waits(_) => ("waits", None),
        Found::TooMuch => ("too-much", None),
    };
    serde_json::json!({
        "subject": step.subject,
        "parent": step.parent,
        "file": place.map(|place| place.file.display().to_string()),
        "line": place.and_then(|place| place.line),
        "key": place.map(|place| &*place.key),
        "bounces_to": step.bounces_to,
        "found": found,
        "detail": detail,
        "text": step.found.to_string(),
    })
}

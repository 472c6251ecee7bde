//! Asking the name service for the names of dialled addresses: remembered, and never for longer than the deadline.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::NamesOf;
use crate::config::{Machine, ReverseLookup};

/// What the name service said.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It is not to be asked.
    Off,
    /// These names.
    Names(Arc<[String]>),
    /// Nothing, in time.
    Unanswered,
}

impl Answer {
    /// As evidence.
    pub fn evidence(&self) -> NamesOf<'_> {
        match self {
            Answer::Off => NamesOf::Off,
            Answer::Names(names) => NamesOf::Known(names),
            Answer::Unanswered => NamesOf::Unanswered,
        }
    }
}

/// Asks, and remembers.
#[derive(Debug)]
pub struct Resolver {
    lookup: ReverseLookup,
    deadline: Duration,
    /// There are only as many as the machine has addresses, so that what is remembered is bounded by that.
    known: Mutex<HashMap<IpAddr, Slot>>,
}

/// What is known of one address. Whoever asks holds it, so that all others who want the same answer wait for that one question.
type Slot = Arc<tokio::sync::Mutex<Option<Known>>>;

#[derive(Debug)]
struct Known {
    answer: Answer,
    until: Instant,
}

impl Resolver {
    /// As `[reverse]` says.
    pub fn new(machine: &Machine) -> Resolver {
        Resolver { lookup: machine.reverse.lookup, deadline: machine.reverse.deadline.0, known: Mutex::default() }
    }

    /// The names of `local`, an address of this machine, from memory or from the name service; the answer comes within the deadline.
    pub async fn names(&self, local: IpAddr) -> Answer {
        if self.lookup == ReverseLookup::Off {
            return Answer::Off;
        }
        let slot = self.known.lock().unwrap_or_else(PoisonError::into_inner).entry(local).or_default().clone();
        let mut known = slot.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.until > Instant::now()) {
            return known.answer.clone();
        }
        let answer = self.ask(local).await;
        let lasts = match &answer {
            Answer::Names(names) if !names.is_empty() => FOUND_LASTS,
            _ => NOTHING_LASTS,
        };
        *known = Some(Known { answer: answer.clone(), until: Instant::now() + lasts });
        answer
    }

    async fn ask(&self, local: IpAddr) -> Answer {
        let asked = tokio::task::spawn_blocking(move || crate::os::names::of_address(local));
        match tokio::time::timeout(self.deadline, asked).await {
            Ok(Ok(Ok(names))) => Answer::Names(names.into()),
            Ok(Ok(Err(error))) if error.kind() == io::ErrorKind::NotFound => Answer::Names(Arc::from([])),
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => Answer::Unanswered,
        }
    }
}

const FOUND_LASTS: Duration = Duration::from_secs(300);
/// Long enough that a silent name service does not hold up every greeting, short enough that a mended one is noticed.
const NOTHING_LASTS: Duration = Duration::from_secs(30);

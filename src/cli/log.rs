//! Logs: each tracing event becomes one line, one write, wherever it goes.
//!
//! An event has a name and fields, `tracing::info!(event = "session", id, proto = "pop3")`, or a message with fields where it speaks
//! to an administrator, `tracing::error!(path, "cannot read the certificate")`. The same field names everywhere: `proto peer dialled sni
//! domain why user id cmd uid bytes ms outcome doing`; never a secret, never a message's text.
//! Whatever strangers put into a value, the line stays one line: control characters and those that turn text around are escaped.

mod datagram;
mod line;

use std::cell::Cell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::config::{Level, Log, LogFormat, LogTarget};
use datagram::Datagram;
use line::{Frame, Line};

/// How and where a program logs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is logged, in which shape, and where it goes: the `[log]` section.
    pub log: Log,
    /// The program's name in syslog and journal.
    pub program: &'static str,
    /// The syslog daemon's socket.
    pub syslog: PathBuf,
    /// journald's socket of its native protocol.
    pub journal: PathBuf,
}

impl Settings {
    /// The sockets of this machine.
    pub fn new(program: &'static str, log: &Log) -> Settings {
        Settings { log: log.clone(), program, syslog: SYSLOG.into(), journal: JOURNAL.into() }
    }
}

/// Starts the log of the whole process; to be called once.
///
/// A syslog daemon or journal that is away is no error: lines are dropped until it is back, and then counted in a line of their own.
///
/// # Errors
/// `AlreadyExists` where a log has been started before, and what socket(2) may say.
pub fn start(settings: &Settings) -> io::Result<()> {
    let level = match settings.log.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    match settings.log.to.unwrap_or_else(|| default_target(std::env::var("JOURNAL_STREAM").ok())) {
        LogTarget::Stderr => install(level, Lines { frame: Frame::Stamped, format: settings.log.format, sink: io::stderr() }),
        LogTarget::Syslog => install(level, datagrams(Frame::Syslog(settings.program), settings.log.format, &settings.syslog)?),
        LogTarget::Journald => install(level, datagrams(Frame::Journal(settings.program), LogFormat::Human, &settings.journal)?),
    }
}

fn install<S: Sink>(level: LevelFilter, lines: Lines<S>) -> io::Result<()> {
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(level).with(lines))
        .map_err(|error| io::Error::new(io::ErrorKind::AlreadyExists, error))
}

fn datagrams(frame: Frame, format: LogFormat, path: &Path) -> io::Result<Lines<Datagram>> {
    Ok(Lines { frame, format, sink: Datagram::to(path)? })
}

/// systemd.exec(5): where `JOURNAL_STREAM` names the file behind standard error, the journal reads what we write there, and we
/// can as well tell it the fields.
fn default_target(journal_stream: Option<String>) -> LogTarget {
    match (journal_stream, rustix::fs::fstat(io::stderr())) {
        (Some(stream), Ok(stderr)) if stream == format!("{}:{}", stderr.st_dev, stderr.st_ino) => LogTarget::Journald,
        _ => LogTarget::Stderr,
    }
}

/// Where whole lines go.
trait Sink: Send + Sync + 'static {
    /// Takes one line at once, or loses it. Returns how many lines were lost before this one, each loss told once.
    fn put(&self, line: &[u8]) -> u64;
}

impl Sink for io::Stderr {
    fn put(&self, line: &[u8]) -> u64 {
        // Standard error is where we would complain.
        let _ = self.lock().write_all(line);
        0
    }
}

/// The layer that makes lines of events.
struct Lines<S> {
    frame: Frame,
    format: LogFormat,
    sink: S,
}

impl<S: Sink, R: Subscriber> Layer<R> for Lines<S> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, R>) {
        // Taken, not borrowed: a value that logs while it is shown finds an empty buffer of its own.
        let mut line = LINE.try_with(Cell::take).unwrap_or_default();
        let level = *event.metadata().level();
        let lost = self.sink.put(line.compose(self.format, self.frame, level, |fields| event.record(fields)));
        if lost > 0 {
            self.sink.put(line.compose(self.format, self.frame, tracing::Level::WARN, |fields| fields.lost(lost)));
        }
        let _ = LINE.try_with(|kept| kept.set(line));
    }
}

thread_local! {
    /// Each thread's buffers: a session's line costs no allocation.
    static LINE: Cell<Line> = const { Cell::new(Line::new()) };
}

const SYSLOG: &str = "/dev/log";
const JOURNAL: &str = "/run/systemd/journal/socket";

#[cfg(test)]
mod tests;

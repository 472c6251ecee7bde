//! One event as one line: for eyes, as logfmt or as JSON, in the frame that its destination wants.

use std::error::Error;
use std::fmt::{self, Debug, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Local, Utc};
use tracing::Level;
use tracing::field::{Field, Visit};

use crate::config::LogFormat;

/// What stands around an event's own text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// Time and level before, a line end behind.
    Stamped,
    /// RFC 3164 §4.1: priority, time, program and process. The daemon adds its own line end.
    Syslog(&'static str),
    /// systemd's native protocol: the line as MESSAGE, and each field once more under its own name.
    Journal(&'static str),
}

/// Buffers of one line.
pub(super) struct Line {
    whole: String,
    fields: Fields,
    clock: Clock,
}

/// The local time as text, which is the same for all lines of a second.
struct Clock {
    second: u64,
    shown: String,
}

impl Clock {
    fn put(&mut self, line: &mut String) -> fmt::Result {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.shown.is_empty() || self.second != now.as_secs() {
            let time: DateTime<Local> = (UNIX_EPOCH + Duration::from_secs(now.as_secs())).into();
            self.second = now.as_secs();
            self.shown.clear();
            time.format("%Y-%m-%d %H:%M:%S").write_to(&mut self.shown)?;
        }
        write!(line, "{}.{:03}", self.shown, now.subsec_millis())
    }
}

impl Default for Line {
    fn default() -> Line {
        Line::new()
    }
}

impl Line {
    pub(super) const fn new() -> Line {
        Line { whole: String::new(), fields: Fields::new(), clock: Clock { second: 0, shown: String::new() } }
    }

    /// The octets of an event whose fields `record` tells.
    pub(super) fn compose(&mut self, format: LogFormat, frame: Frame, level: Level, record: impl FnOnce(&mut Fields)) -> &[u8] {
        self.whole.clear();
        self.fields.start(format, frame);
        record(&mut self.fields);
        match frame {
            Frame::Stamped => self.stamped(format, level),
            Frame::Syslog(program) => self.syslog(format, level, program),
            Frame::Journal(program) => self.journal(level, program),
        }
        .expect("a String takes all text");
        self.whole.as_bytes()
    }

    fn stamped(&mut self, format: LogFormat, level: Level) -> fmt::Result {
        match format {
            LogFormat::Human => {
                self.clock.put(&mut self.whole)?;
                write!(self.whole, " {level:<5} ")?;
            }
            LogFormat::Logfmt => {
                self.whole.push_str("time=");
                put_rfc3339(&mut self.whole)?;
                write!(self.whole, " level={} ", word(level))?;
            }
            LogFormat::Json => {
                self.whole.push_str("{\"time\":\"");
                put_rfc3339(&mut self.whole)?;
                write!(self.whole, "\",\"level\":\"{}\",", word(level))?;
            }
        }
        self.body(format);
        self.whole.write_str(if format == LogFormat::Json { "}\n" } else { "\n" })
    }

    fn syslog(&mut self, format: LogFormat, level: Level, program: &str) -> fmt::Result {
        write!(self.whole, "<{}>", FACILITY_MAIL * 8 + severity(level))?;
        Local::now().format("%b %e %H:%M:%S").write_to(&mut self.whole)?;
        write!(self.whole, " {program}[{}]: ", std::process::id())?;
        self.whole.push_str(if format == LogFormat::Json { "{" } else { "" });
        self.body(format);
        self.whole.write_str(if format == LogFormat::Json { "}" } else { "" })
    }

    fn journal(&mut self, level: Level, program: &str) -> fmt::Result {
        write!(self.whole, "PRIORITY={}\nSYSLOG_FACILITY={FACILITY_MAIL}\nSYSLOG_IDENTIFIER={program}\nMESSAGE=", severity(level))?;
        self.body(LogFormat::Human);
        self.whole.push('\n');
        self.whole.push_str(self.fields.journal.as_deref().unwrap_or_default());
        Ok(())
    }

    /// The event's name or message, and the fields.
    fn body(&mut self, format: LogFormat) {
        let separator = if format == LogFormat::Json { ',' } else { ' ' };
        let (head, tail) = (&self.fields.head, &self.fields.tail);
        self.whole.push_str(head);
        if !head.is_empty() && !tail.is_empty() {
            self.whole.push(separator);
        }
        self.whole.push_str(tail);
    }
}

/// The fields of one event as text: first what names it, then the others in the order of the code.
pub(super) struct Fields {
    format: LogFormat,
    /// The event's name, its message, or both.
    head: String,
    tail: String,
    /// The fields once more, as journald takes them, where it is the destination.
    journal: Option<String>,
    /// A value on its way through Debug or Display.
    scratch: String,
}

impl Fields {
    const fn new() -> Fields {
        Fields { format: LogFormat::Human, head: String::new(), tail: String::new(), journal: None, scratch: String::new() }
    }

    fn start(&mut self, format: LogFormat, frame: Frame) {
        self.format = format;
        self.head.clear();
        self.tail.clear();
        self.journal = matches!(frame, Frame::Journal(_)).then(|| self.journal.take().unwrap_or_default());
        self.journal.iter_mut().for_each(String::clear);
    }

    /// The event that tells of lines that never arrived.
    pub(super) fn lost(&mut self, lines: u64) {
        self.put("event", "log-lost", true);
        self.put("lines", itoa::Buffer::new().format(lines), false);
    }

    fn put(&mut self, name: &str, value: &str, is_text: bool) {
        let value = head_of(value);
        let is_head = matches!(name, "event" | "message");
        let out = if is_head { &mut self.head } else { &mut self.tail };
        match self.format {
            LogFormat::Human if is_head => put_head(out, value),
            LogFormat::Human | LogFormat::Logfmt => put_logfmt(out, key(name), value),
            LogFormat::Json => put_json(out, key(name), value, is_text),
        }
        if let Some(journal) = self.journal.as_mut().filter(|_| name != "message") {
            journal.push_str("VMAIL_");
            journal.extend(name.chars().map(|letter| letter.to_ascii_uppercase()));
            journal.push('=');
            escape(journal, value);
            journal.push('\n');
        }
    }

    fn put_shown(&mut self, name: &str, value: fmt::Arguments<'_>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        // A value whose Display fails shows what it could.
        let _ = scratch.write_fmt(value);
        self.put(name, &scratch, true);
        self.scratch = scratch;
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value, true);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), itoa::Buffer::new().format(value), false);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), itoa::Buffer::new().format(value), false);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), if value { "true" } else { "false" }, false);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put_shown(field.name(), format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put_shown(field.name(), format_args!("{value:?}"));
    }
}

fn put_head(out: &mut String, value: &str) {
    out.push_str(if out.is_empty() { "" } else { ": " });
    escape(out, value);
}

fn put_logfmt(out: &mut String, name: &str, value: &str) {
    out.push_str(if out.is_empty() { "" } else { " " });
    out.push_str(name);
    out.push('=');
    match needs_quotes(value) {
        true => quote(out, value),
        false => out.push_str(value),
    }
}

fn put_json(out: &mut String, name: &str, value: &str, is_text: bool) {
    out.push_str(if out.is_empty() { "" } else { "," });
    quote(out, name);
    out.push(':');
    match is_text {
        true => quote(out, value),
        false => out.push_str(value),
    }
}

/// tracing's name of a free text, in a word of logs.
fn key(name: &str) -> &str {
    if name == "message" { "msg" } else { name }
}

/// logfmt: a value stands bare unless a reader would lose its place.
fn needs_quotes(value: &str) -> bool {
    value.is_empty() || value.contains(|letter: char| letter.is_whitespace() || matches!(letter, '=' | '"' | '\\') || is_unsafe(letter))
}

/// In quotes; the escapes are those of JSON (RFC 8259 §7), which logfmt's readers know too.
fn quote(out: &mut String, value: &str) {
    out.push('"');
    for piece in value.split_inclusive(['"', '\\']) {
        match piece.strip_suffix(['"', '\\']) {
            Some(before) => {
                escape(out, before);
                out.push('\\');
                out.push_str(&piece[before.len()..]);
            }
            None => escape(out, piece),
        }
    }
    out.push('"');
}

/// Makes of control characters and of those that turn text around what a terminal shows harmlessly.
fn escape(out: &mut String, value: &str) {
    let mut start = 0;
    for (at, letter) in value.char_indices().filter(|&(_, letter)| is_unsafe(letter)) {
        out.push_str(&value[start..at]);
        start = at + letter.len_utf8();
        match letter {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // All of them are of the first plane.
            letter => write!(out, "\\u{:04x}", u32::from(letter)).expect("a String takes all text"),
        }
    }
    out.push_str(&value[start..]);
}

/// C0, DEL and C1; line ends of Unicode; marks, embeddings, overrides and isolates of direction (UAX #9); the invisible mark of order.
fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The head of a value that is too long for a line: a stranger must not fill the disk by one command.
fn head_of(value: &str) -> &str {
    &value[..value.floor_char_boundary(MAX_VALUE)]
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// RFC 5424 §6.2.1.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// UTC, to the millisecond (RFC 3339 §5.6). Not through Display, which allocates.
fn put_rfc3339(out: &mut String) -> fmt::Result {
    Utc::now().format("%Y-%m-%dT%H:%M:%S%.3fZ").write_to(out)
}

/// RFC 5424 §6.2.1.
const FACILITY_MAIL: u8 = 2;
/// Octets of one value.
const MAX_VALUE: usize = 2048;

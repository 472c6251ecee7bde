//! The text of a transcript, understood.

/// A transcript: what the house is like, and what is said.
#[derive(Debug, Default)]
pub struct Script {
    pub machine: String,
    pub record: String,
    pub shadow: Option<String>,
    pub peer: Option<String>,
    pub has_certificate: bool,
    pub claimed: Option<String>,
    pub excluded: Vec<String>,
    pub logs_in: bool,
    pub sessions: Vec<Session>,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    pub local: String,
    /// What is delivered before it.
    pub mail: Vec<Vec<u8>>,
    /// What happens, with the line of the transcript that says so.
    pub steps: Vec<(usize, Step)>,
}

/// What happens next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Client(Vec<u8>),
    Server(Vec<u8>),
    ServerCloses,
    HangUp,
}

impl Script {
    /// Reads a transcript; a mistake in one is a mistake in a test.
    pub fn parse(text: &str) -> Script {
        let mut script = Script { sessions: vec![Session::at("")], ..Script::default() };
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let (what, value) = line.split_once(':').unwrap_or_else(|| panic!("line {}: {line:?}", at + 1));
            let value = value.strip_prefix(' ').unwrap_or(value);
            script.take(at + 1, what, value);
        }
        script
    }

    fn take(&mut self, at: usize, what: &str, value: &str) {
        let session = self.sessions.last_mut().expect("there is always one");
        match what {
            "M" => session.mail.push(octets(value)),
            "C" => session.steps.push((at, Step::Client([&octets(value)[..], b"\r\n"].concat()))),
            "B" => session.steps.push((at, Step::Client([&octets(value)[..], b"\n"].concat()))),
            "S" => {
                let said = value.replace("{version}", vmail::VERSION);
                session.steps.push((at, Step::Server([&octets(&said)[..], b"\r\n"].concat())));
            }
            "E" => session.steps.push((at, Step::ServerCloses)),
            "H" => session.steps.push((at, Step::HangUp)),
            "N" if session.steps.is_empty() => session.local = Session::at(value).local,
            "N" => self.sessions.push(Session::at(value)),
            "machine" => self.machine += &format!("{value}\n"),
            "record" => self.record += &format!("{value}\n"),
            "shadow" => self.shadow = Some(value.to_owned()),
            "peer" => self.peer = Some(value.to_owned()),
            "certificate" => self.has_certificate = true,
            "claimed" => self.claimed = Some(value.to_owned()),
            "not" => self.excluded.push(value.to_owned()),
            "login" => self.logs_in = true,
            _ => panic!("line {at}: {what:?} is no directive"),
        }
    }
}

impl Session {
    fn at(local: &str) -> Session {
        let local = if local.is_empty() { "192.0.2.2" } else { local };
        Session { local: local.to_owned(), mail: Vec::new(), steps: Vec::new() }
    }
}

/// The octets that a value stands for.
pub fn octets(value: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = value;
    while let Some((plain, escape)) = rest.split_once('\\') {
        octets.extend_from_slice(plain.as_bytes());
        let (letter, tail) = escape.split_at(1);
        rest = match letter {
            "n" => push(&mut octets, b"\n", tail),
            "r" => push(&mut octets, b"\r", tail),
            "0" => push(&mut octets, b"\0", tail),
            "\\" => push(&mut octets, b"\\", tail),
            "x" => push(&mut octets, &[u8::from_str_radix(&tail[..2], 16).unwrap()], &tail[2..]),
            "[" => {
                let (inside, tail) = tail.split_once(']').unwrap();
                let (text, times) = inside.rsplit_once('*').unwrap();
                push(&mut octets, text.repeat(times.parse().unwrap()).as_bytes(), tail)
            }
            _ => panic!("{value:?}: no such escape"),
        };
    }
    octets.extend_from_slice(rest.as_bytes());
    octets
}

fn push<'a>(octets: &mut Vec<u8>, more: &[u8], tail: &'a str) -> &'a str {
    octets.extend_from_slice(more);
    tail
}

#[test]
fn escapes_stand_for_octets() {
    assert_eq!(octets("a\\r\\n\\x80\\[xy*3]\\\\n\\0"), b"a\r\n\x80xyxyxy\\n\0");
}

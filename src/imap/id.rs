//! ID (RFC 2971): who is talking.

use super::args::Args;
use super::reply::{Refusal, Reply};
use super::session::Session;
use super::table::Order;
use crate::VERSION;

impl Session<'_> {
    pub(super) fn id(&mut self, mut order: Order<'_>) -> Result<Reply, Refusal> {
        self.done.client = said_of_itself(&mut order.args)?;
        self.say(&["* ID (\"name\" \"vmail\" \"version\" \"", VERSION, "\")"]);
        Reply::ok("ID completed")
    }
}

/// The client's name and version, for the log.
fn said_of_itself(args: &mut Args<'_>) -> Result<Option<String>, Refusal> {
    args.space()?;
    if args.is_word("NIL") {
        args.end()?;
        return Ok(None);
    }
    args.expect(b'(', "list of fields expected")?;
    let (mut name, mut version, mut fields) = (None, None, 0);
    while !args.takes(b')') {
        if fields > 0 {
            args.space()?;
        }
        fields += 1;
        // RFC 2971 §3.3.
        if fields > 30 {
            return Err(Refusal::Bad("at most 30 fields"));
        }
        let field = args.string()?;
        args.space()?;
        let value = args.nstring()?.map(|value| String::from_utf8_lossy(&value).chars().take(LONGEST).collect::<String>());
        match field.to_ascii_lowercase().as_slice() {
            b"name" => name = value,
            b"version" => version = value,
            _ => {}
        }
    }
    args.end()?;
    Ok(name.map(|name| version.map_or(name.clone(), |version| format!("{name} {version}"))))
}

/// Letters of a value that are logged.
const LONGEST: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_read() {
        let id = |text: &str| said_of_itself(&mut Args::new(text.as_bytes(), false)).ok().flatten();
        assert_eq!(id(" (\"name\" \"sodr\" \"version\" \"19.34\" \"vendor\" \"Pink Floyd\")").as_deref(), Some("sodr 19.34"));
        assert_eq!(id(" (\"Name\" \"Mutt\" \"os\" NIL)").as_deref(), Some("Mutt"));
        assert_eq!(id(" NIL"), None);
        assert_eq!(id(" ()"), None);
        assert!(said_of_itself(&mut Args::new(b" (\"name\")", false)).is_err());
    }
}

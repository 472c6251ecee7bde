//! Aliases as text that reads back as the same.

use std::fmt::{self, Display, Formatter, Write};

use super::{Aliases, Target};

impl Display for Aliases {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (name, alias) in self.iter() {
            quoted_if_odd(out, name)?;
            let mut comma = ": ";
            for target in &alias.targets {
                write!(out, "{comma}{target}")?;
                comma = ", ";
            }
            out.write_char('\n')?;
        }
        Ok(())
    }
}

impl Display for Target {
    /// As an alias file has it; [`Target::Broken`] as it is shown in a log.
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            // In quotes, a backslash at the beginning would make a user of it.
            Target::Name(name) if name.starts_with(['\\', '"']) => {
                out.write_char('<')?;
                quoted(out, name)?;
                out.write_char('>')
            }
            Target::Name(name) => quoted_if_odd(out, name),
            // Without brackets, these would be a program and a file.
            Target::Address(address) if address.starts_with(['|', '/']) => write!(out, "<{address}>"),
            Target::Address(address) => out.write_str(address),
            Target::User(user) => write!(out, "\\{user}"),
            Target::File(path) => quoted_if_odd(out, &path.to_string_lossy()),
            Target::Program(command) => quoted(out, &format!("|{command}")),
            Target::Include(path) if is_even(&path.to_string_lossy()) => write!(out, ":include:{}", path.display()),
            Target::Include(path) => quoted(out, &format!(":include:{}", path.display())),
            Target::Broken(shown) => out.write_str(shown),
        }
    }
}

fn quoted_if_odd(out: &mut Formatter<'_>, text: &str) -> fmt::Result {
    if is_even(text) { out.write_str(text) } else { quoted(out, text) }
}

/// Whether nothing in it could mean anything.
fn is_even(text: &str) -> bool {
    text.chars().all(|letter| letter.is_alphanumeric() || "/.-_+=*&'~$!^{}".contains(letter))
}

fn quoted(out: &mut Formatter<'_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            out.write_char('\\')?;
        }
        out.write_char(letter)?;
    }
    out.write_char('"')
}

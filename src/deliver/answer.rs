//! The text of an automatic answer: what an administrator or a user has written, with the header that RFC 3834 §3.1 asks for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, FixedOffset};

use super::Mail;
use super::field::{self, Field};
use crate::address::Address;

/// What an answer says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Letterhead<'a> {
    /// Who answers, where the text does not say so itself.
    pub from: &'a Address,
    /// Who is answered: the envelope sender, and nobody whom the message names (RFC 3834 §4).
    pub to: &'a Address,
    /// What it is: `auto-replied`, or with a comment.
    pub submitted: &'a str,
    /// When.
    pub date: DateTime<FixedOffset>,
    /// Its Message-ID, with angle brackets.
    pub id: &'a str,
}

/// The answer to `mail` with the text `text`, a message with a header of its own; lines end with LF. A text without a header is all body.
pub fn compose(text: &[u8], head: &Letterhead<'_>, mail: &Mail) -> Vec<u8> {
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n");
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let fields: Vec<Field<'_>> = own_fields(text.as_bytes());
    let header: usize = fields.iter().map(|field| field.lines.len()).sum();
    let has = |name: &str| fields.iter().any(|field| field.is(name));

    let mut answer = String::new();
    let mut add = |name: &str, value: &str| answer.push_str(&format!("{name}: {value}\n"));
    add("Auto-Submitted", head.submitted);
    add("Precedence", "bulk");
    add("To", &head.to.to_string());
    add("Date", &head.date.to_rfc2822());
    add("Message-ID", head.id);
    if !has("From") {
        add("From", &head.from.to_string());
    }
    if let Some(id) = message_id(mail) {
        add("In-Reply-To", &id);
        add("References", &references(mail, &id));
    }
    if !has("Subject") {
        add("Subject", &format!("Auto: {}", subject(mail)));
    }
    if !has("Content-Type") && !text.is_ascii() {
        let mime = [("MIME-Version", "1.0"), ("Content-Type", "text/plain; charset=UTF-8"), ("Content-Transfer-Encoding", "8bit")];
        mime.iter().filter(|(name, _)| !has(name)).for_each(|(name, value)| add(name, value));
    }
    for field in fields.iter().filter(|field| !OURS.iter().any(|name| field.is(name))) {
        match field.is("Subject") && !field.lines.is_ascii() {
            true => answer.push_str(&format!("Subject: {}\n", encoded(&String::from_utf8_lossy(field.value)))),
            false => answer.push_str(&String::from_utf8_lossy(field.lines)),
        }
    }
    let body = text[header..].strip_prefix('\n').unwrap_or(&text[header..]);
    let line_end = if answer.ends_with('\n') { "" } else { "\n" };
    format!("{answer}{line_end}\n{body}").into_bytes()
}

/// The fields of a text, none where its first line is no field.
fn own_fields(text: &[u8]) -> Vec<Field<'_>> {
    let fields: Vec<_> = field::fields(text).collect();
    match fields.iter().all(Field::has_a_name) {
        true => fields,
        false => Vec::new(),
    }
}

/// The Message-ID of what is answered, if it is one: a stranger's text goes into our header.
fn message_id(mail: &Mail) -> Option<String> {
    let field = mail.fields().find(|field| field.is("Message-ID"))?;
    let value = std::str::from_utf8(field.value).ok()?.trim();
    is_id(value).then(|| value.to_owned())
}

fn is_id(text: &str) -> bool {
    let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    inner.is_some_and(|inner| {
        (1..LONGEST_ID).contains(&inner.len()) && inner.bytes().all(|octet| octet.is_ascii_graphic() && !b"<>".contains(&octet))
    })
}

/// RFC 5322 §3.6.4; of a long thread its beginning and what is answered.
fn references(mail: &Mail, id: &str) -> String {
    let value = mail.fields().find(|field| field.is("References")).map(|field| String::from_utf8_lossy(field.value).into_owned());
    let value = value.unwrap_or_default();
    let ids = value.split_ascii_whitespace().filter(|word| is_id(word)).take(MOST_IDS);
    ids.chain([id]).collect::<Vec<_>>().join("\n ")
}

/// The subject of what is answered, in one line.
fn subject(mail: &Mail) -> String {
    let field = mail.fields().find(|field| field.is("Subject"));
    let value = field.map(|field| String::from_utf8_lossy(field.value).into_owned()).unwrap_or_default();
    let line: String = value.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|letter| !letter.is_control()).collect();
    match line.chars().take(LONGEST_SUBJECT).collect::<String>() {
        line if line.is_empty() => "your message".to_owned(),
        line if line.is_ascii() => line,
        line => encoded(&line),
    }
}

/// A text as encoded words (RFC 2047 §2), none longer than 75 octets, none with a part of a character.
fn encoded(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut words = vec![String::new()];
    for letter in line.chars() {
        if words.last().is_some_and(|word| word.len() + letter.len_utf8() > 45) {
            words.push(String::new());
        }
        words.last_mut().expect("there is one from the start").push(letter);
    }
    words.iter().map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word))).collect::<Vec<_>>().join("\n ")
}

/// What a text has to say of these is ours to say; copies to others were a way to make us send mail anywhere.
const OURS: [&str; 14] = [
    "Auto-Submitted",
    "Precedence",
    "To",
    "Cc",
    "Bcc",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Return-Path",
    "Delivered-To",
    "Received",
    "X-Vacation-Begin",
    "X-Vacation-End",
];
/// Octets: a line of a header has no more than 998 (RFC 5322 §2.1.1).
const LONGEST_ID: usize = 900;
const MOST_IDS: usize = 20;
const LONGEST_SUBJECT: usize = 200;

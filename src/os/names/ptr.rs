//! All PTR records of an address: gethostbyaddr(3) gives only the first (glibc 2.36 of Debian 12).

use std::ffi::{CString, c_char, c_int, c_uchar};
use std::net::IpAddr;

#[expect(unsafe_code)]
unsafe extern "C" {
    // In glibc itself since 2.34; the libc crate does not declare it.
    fn res_query(name: *const c_char, class: c_int, kind: c_int, answer: *mut c_uchar, length: c_int) -> c_int;
}

/// The names in the PTR records of `address`, in the order of the answer; none where the name service gives none.
/// Blocks as gethostbyaddr(3) does.
#[expect(unsafe_code)]
pub fn of_address(address: IpAddr) -> Vec<String> {
    let Ok(question) = CString::new(question(address)) else { return Vec::new() };
    let mut answer = vec![0; ROOM];
    // SAFETY: a C string, and a buffer of the length that stands beside it.
    let length = unsafe { res_query(question.as_ptr(), IN.into(), PTR.into(), answer.as_mut_ptr(), ROOM as c_int) };
    let Ok(length) = usize::try_from(length) else { return Vec::new() };
    names(&answer[..length.min(ROOM)])
}

fn question(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let digits = address.octets().into_iter().rev().map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4));
            digits.collect::<String>() + "ip6.arpa"
        }
    }
}

/// The names of a DNS message's PTR records (RFC 1035 §4.1); what is cut off or nonsense ends the list.
fn names(message: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let count = |at| number(message, at).unwrap_or(0);
    let mut at = Some(12);
    for _ in 0..count(4) {
        at = at.and_then(|at| Some(behind_name(message, at)? + 4));
    }
    for _ in 0..count(6) {
        let Some(data) = at.and_then(|at| Some(behind_name(message, at)? + 10)) else { break };
        let (Some(kind), Some(length)) = (number(message, data - 10), number(message, data - 2)) else { break };
        if kind == PTR {
            names.extend(name(message, data));
        }
        at = Some(data + usize::from(length));
    }
    names
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?))
}

fn behind_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
}

fn name(message: &[u8], mut at: usize) -> Option<String> {
    let mut name = String::new();
    // A name has 127 labels at most; pointers that go round in circles end here, too.
    for _ in 0..255 {
        match *message.get(at)? {
            0 => return (!name.is_empty()).then_some(name),
            length @ 1..=63 => {
                let label = message.get(at + 1..at + 1 + usize::from(length))?;
                let label = std::str::from_utf8(label).ok().filter(|label| label.bytes().all(|octet| octet.is_ascii_graphic()))?;
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(label);
                at += 1 + usize::from(length);
            }
            192.. => at = usize::from(number(message, at)? & 0x3fff),
            _ => return None,
        }
    }
    None
}

const IN: u16 = 1;
const PTR: u16 = 12;
/// The longest DNS message.
const ROOM: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"\x12\x34\x81\x80\0\x01\0\x03\0\0\0\0\x0212\x012\x010\x03192\x07in-addr\x04arpa\0\0\x0c\0\x01\
        \xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x02\xc0\x0c\
        \xc0\x0c\0\x0c\0\x01\0\0\0\x3c\0\x0d\x03pop\x02va\x04test\0\
        \xc0\x0c\0\x0c\0\x01\0\0\0\x3c\0\x07\x04MAIL\xc0\x47";

    #[test]
    fn every_ptr_record_gives_its_name() {
        assert_eq!(names(ANSWER), ["pop.va.test", "MAIL.va.test"]);
    }

    #[test]
    fn what_is_cut_off_or_nonsense_ends_the_list() {
        for end in 0..ANSWER.len() {
            assert!(names(&ANSWER[..end]).len() < 2);
        }
        for at in 0..ANSWER.len() {
            for octet in [0, 12, 63, 64, 192, 255] {
                let mut answer = ANSWER.to_vec();
                answer[at] = octet;
                names(&answer);
            }
        }
    }

    #[test]
    fn addresses_are_asked_for_backwards() {
        assert_eq!(question("::ffff:192.0.2.12".parse().unwrap()), "12.2.0.192.in-addr.arpa");
        assert!(question("2001:db8::10".parse().unwrap()).starts_with("0.1.0.0.0."));
        assert!(question("2001:db8::10".parse().unwrap()).ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"));
    }
}

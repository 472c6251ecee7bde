//! Addresses as sendmail cuts them into tokens, and how its test mode shows them.

/// The tokens with a blank between any two (behaviour.md §13.1): operators and delimiters stand alone, a quoted string is one.
pub(super) fn spaced(text: &str) -> String {
    let mut tokens: Vec<&str> = Vec::new();
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' => quoted(rest),
            _ if is_separator(first) => first.len_utf8(),
            _ => rest.find(|letter: char| is_separator(letter) || letter.is_whitespace() || letter == '"').unwrap_or(rest.len()),
        };
        tokens.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    tokens.join(" ")
}

/// How long the quoted string is that `text` begins with.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    let closing = text.char_indices().skip(1).find(|(_, letter)| {
        let closes = *letter == '"' && !escaped;
        escaped = *letter == '\\' && !escaped;
        closes
    });
    closing.map_or(text.len(), |(at, _)| at + 1)
}

/// Each place of `mark` outside quotes.
pub(super) fn places(text: &str, mark: char) -> Vec<usize> {
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        if letter == '"' {
            at += quoted(&text[at..]);
            continue;
        }
        if letter == mark {
            places.push(at);
        }
        at += letter.len_utf8();
    }
    places
}

/// OperatorChars of every sendmail.cf, and what always separates.
fn is_separator(letter: char) -> bool {
    ".:%@!^/[]+()<>,;".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_of_sendmail() {
        assert_eq!(spaced("some<@othercompany.com.>"), "some < @ othercompany . com . >");
        assert_eq!(spaced("a+b@[192.0.2.1]"), "a + b @ [ 192 . 0 . 2 . 1 ]");
        assert_eq!(spaced("|x a&b#c  d"), "|x a&b#c d");
        assert_eq!(spaced("\"a b\"@x \"c\\\"d\"e \"open"), "\"a b\" @ x \"c\\\"d\" e \"open");
        assert_eq!(spaced(" "), "");
    }

    #[test]
    fn what_stands_in_quotes_is_no_mark() {
        assert_eq!(places("\"a@b\"@c@d", '@'), [5, 7]);
        assert_eq!(places("\"a@b", '@'), [0; 0]);
    }
}

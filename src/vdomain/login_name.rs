//! The name a client logs in with: `joe`, `joe@va.foo.com`, `joe@mailhost.va.foo.com`, `joe%va.foo.com`.

use crate::address::{Malformed, User};

/// A login name, cut into user and domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user, folded and safe.
    pub user: User,
    /// What stood behind the separator; it may be no domain at all.
    pub domain: Option<String>,
}

impl Login {
    /// Cuts `text` at the last place of the first of `separators` that occurs in it (behaviour.md §2.6, trap 12).
    ///
    /// # Errors
    /// The user part is no user name.
    pub fn parse(text: &str, separators: &str) -> Result<Login, Malformed> {
        // People type blanks behind their names (behaviour.md §17).
        let text = text.trim_end_matches([' ', '\t']);
        let cut = separators.chars().find_map(|separator| text.rsplit_once(separator));
        let (user, domain) = match cut {
            Some((user, domain)) => (user, Some(domain.to_owned())),
            None => (text, None),
        };
        Ok(Login { user: user.parse()?, domain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> (String, Option<String>) {
        let login = Login::parse(text, "@%").unwrap();
        (login.user.to_string(), login.domain)
    }

    #[test]
    fn the_domain_stands_behind_the_last_separator() {
        assert_eq!(cut("Joe"), ("joe".into(), None));
        assert_eq!(cut("joe@Va.Foo.com "), ("joe".into(), Some("Va.Foo.com".into())));
        assert_eq!(cut("joe%va.foo.com"), ("joe".into(), Some("va.foo.com".into())));
        assert_eq!(cut("joe@"), ("joe".into(), Some(String::new())));
    }

    #[test]
    fn a_user_part_that_is_no_name_is_refused() {
        for text in ["", "@va.test", "../joe@va.test", "a@b@va.test", "joe\0@va.test"] {
            assert!(Login::parse(text, "@%").is_err(), "{text:?}");
        }
    }
}

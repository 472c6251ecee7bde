//! What SEARCH and SORT tell of what they found: RETURN and its answers (RFC 9051 §6.4.4, RFC 4731, RFC 5182, RFC 5267 §3).

use super::find::Hit;
use crate::imap::args::{Args, Bad};
use crate::imap::out::Out;
use crate::store::Uids;

/// Result options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Returns {
    pub min: bool,
    pub max: bool,
    pub all: bool,
    pub count: bool,
    pub save: bool,
}

impl Returns {
    /// `RETURN (MIN MAX ALL COUNT SAVE)` and the space behind it, if it is there; without an option it is ALL (RFC 4731 §3.1).
    pub fn read(args: &mut Args<'_>) -> Result<Option<Returns>, Bad> {
        if !args.is_word("RETURN") {
            return Ok(None);
        }
        args.space()?;
        args.expect(b'(', "result options expected, in parentheses")?;
        let mut returns = Returns::default();
        while !args.takes(b')') {
            match args.word()?.to_ascii_uppercase().as_str() {
                "MIN" => returns.min = true,
                "MAX" => returns.max = true,
                "ALL" => returns.all = true,
                "COUNT" => returns.count = true,
                "SAVE" => returns.save = true,
                _ => return Err(Bad("there is no such result option")),
            }
            if args.peek() != Some(b')') {
                args.space()?;
            }
        }
        args.space()?;
        if returns == Returns::default() {
            returns.all = true;
        }
        Ok(Some(returns))
    }

    /// Whether the client is told anything at all.
    pub fn tells(self) -> bool {
        self.min || self.max || self.all || self.count
    }

    /// Of `hits`, those that are told or saved: not all if MIN and MAX are all that is wanted (RFC 5182 §2.4).
    pub fn of(self, hits: &[Hit]) -> Vec<Hit> {
        let is_all = self.all || self.count || !(self.min || self.max);
        let mut some = Vec::new();
        match is_all {
            true => some.extend(hits),
            false => {
                some.extend(hits.first().filter(|_| self.min));
                some.extend(hits.last().filter(|_| self.max));
            }
        }
        some
    }
}

/// How an answer is to look.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    pub tag: &'a str,
    /// UIDs instead of sequence numbers.
    pub is_uid: bool,
    /// The client asked for MODSEQ, and is told the highest of what was found (RFC 7162 §3.1.5, §3.1.10).
    pub has_modseq: bool,
}

impl Form<'_> {
    fn id(&self, hit: &Hit) -> u32 {
        if self.is_uid { hit.uid } else { hit.number }
    }

    /// `* SEARCH 2 84 882`, or the same with another word.
    pub fn list(&self, word: &str, hits: &[Hit], out: &mut Vec<u8>) {
        let mut out = Out::new(out);
        out.raw("* ").raw(word);
        hits.iter().for_each(|hit| _ = out.raw(" ").number(self.id(hit)));
        if let Some(modseq) = self.modseq(hits) {
            out.raw(" (MODSEQ ").number(modseq).raw(")");
        }
        out.end();
    }

    /// `* ESEARCH (TAG "A1") UID COUNT 17 ALL 4:18,21,28`. The order of `hits` is that of the answer; what is first is MIN.
    pub fn extended(&self, returns: Returns, hits: &[Hit], out: &mut Vec<u8>) {
        let mut out = Out::new(out);
        out.raw("* ESEARCH (TAG ").quoted(self.tag).raw(")");
        if self.is_uid {
            out.raw(" UID");
        }
        if let (true, Some(first)) = (returns.min, hits.first()) {
            out.raw(" MIN ").number(self.id(first));
        }
        if let (true, Some(last)) = (returns.max, hits.last()) {
            out.raw(" MAX ").number(self.id(last));
        }
        if returns.count {
            out.raw(" COUNT ").number(hits.len() as u64);
        }
        if returns.all && !hits.is_empty() {
            out.raw(" ALL ");
            self.ranges(hits, &mut out);
        }
        if let Some(modseq) = self.modseq(&returns.of(hits)) {
            out.raw(" MODSEQ ").number(modseq);
        }
        out.end();
    }

    /// In their order: what is sorted must stay so (RFC 5267 §3.1), and only what ascends one by one is a range.
    fn ranges(&self, hits: &[Hit], out: &mut Out<'_>) {
        for (nth, run) in hits.chunk_by(|one, next| self.id(one).checked_add(1) == Some(self.id(next))).enumerate() {
            out.raw(if nth == 0 { "" } else { "," }).number(self.id(&run[0]));
            if let [_, .., last] = run {
                out.raw(":").number(self.id(last));
            }
        }
    }

    fn modseq(&self, hits: &[Hit]) -> Option<u64> {
        hits.iter().map(|hit| hit.modseq).max().filter(|_| self.has_modseq)
    }
}

/// What `$` is from now on.
pub fn saved(hits: &[Hit]) -> Uids {
    let mut uids: Vec<u32> = hits.iter().map(|hit| hit.uid).collect();
    uids.sort_unstable();
    uids.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(uids: &[u32]) -> Vec<Hit> {
        uids.iter().map(|uid| Hit { number: uid / 10, uid: *uid, modseq: u64::from(*uid) + 1_000, received: 0 }).collect()
    }

    fn told(returns: &str, uids: &[u32], is_uid: bool, has_modseq: bool) -> String {
        let mut out = Vec::new();
        let returns = Returns::read(&mut Args::new(format!("RETURN ({returns}) ").as_bytes(), false)).unwrap().unwrap();
        Form { tag: "A1", is_uid, has_modseq }.extended(returns, &hits(uids), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn answers_are_those_of_the_rfc() {
        let mut out = Vec::new();
        Form { tag: "a", is_uid: false, has_modseq: true }.list("SEARCH", &hits(&[20, 50]), &mut out);
        Form { tag: "a", is_uid: true, has_modseq: true }.list("SEARCH", &[], &mut out);
        assert_eq!(out, b"* SEARCH 2 5 (MODSEQ 1050)\r\n* SEARCH\r\n");
        assert_eq!(told("MIN COUNT", &[20, 50], false, false), "* ESEARCH (TAG \"A1\") MIN 2 COUNT 2\r\n");
        assert_eq!(told("", &[20, 21, 22, 50], true, false), "* ESEARCH (TAG \"A1\") UID ALL 20:22,50\r\n");
        assert_eq!(told("all MAX", &[50, 20, 10], true, false), "* ESEARCH (TAG \"A1\") UID MAX 10 ALL 50,20,10\r\n");
        assert_eq!(told("MIN ALL COUNT", &[], true, true), "* ESEARCH (TAG \"A1\") UID COUNT 0\r\n");
        assert_eq!(told("MIN", &[20, 50], true, true), "* ESEARCH (TAG \"A1\") UID MIN 20 MODSEQ 1020\r\n");
        assert_eq!(told("MIN MAX", &[20, 30, 25], true, true), "* ESEARCH (TAG \"A1\") UID MIN 20 MAX 25 MODSEQ 1025\r\n");
    }

    #[test]
    fn what_is_saved_is_what_is_told() {
        let of = |returns: Returns| saved(&returns.of(&hits(&[20, 30, 50]))).iter().collect::<Vec<_>>();
        let save = Returns { save: true, ..Returns::default() };
        assert_eq!(of(save), [20, 30, 50]);
        assert_eq!(of(Returns { min: true, ..save }), [20]);
        assert_eq!(of(Returns { min: true, max: true, ..save }), [20, 50]);
        assert_eq!(of(Returns { min: true, count: true, ..save }), [20, 30, 50]);
        assert!(!save.tells());
    }
}

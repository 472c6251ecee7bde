//! SEARCH from its text to its answer, over mail in memory.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::config::Fsync;
use crate::store::{Flags, FolderName, Home, Incoming, Letter, MemoryFolder, MemoryHome, Places};

/// Mail in memory, and a client that knows it.
pub struct Site {
    pub folder: MemoryFolder,
    pub view: View,
    home: MemoryHome,
    places: Places,
    _root: TempDir,
}

impl Site {
    /// The messages, received on 1 January 1970 and each day after.
    pub async fn new(messages: &[&str]) -> Site {
        let root = tempfile::tempdir().unwrap();
        let (home, places) = (MemoryHome::new(), Places::inside(root.path(), Fsync::Never));
        let folder = home.open(&FolderName::inbox()).await.unwrap();
        let mut site = Site { view: View::new(folder.state().clone()), folder, home, places, _root: root };
        for (day, message) in messages.iter().enumerate() {
            site.append(message, Flags::NONE, &[], day as u32 * 86_400).await;
        }
        site.told().await;
        site
    }

    pub async fn append(&mut self, message: &str, flags: Flags, keywords: &[&str], received: u32) {
        let incoming = Incoming {
            flags,
            keywords: keywords.iter().map(|word| (*word).to_owned()).collect(),
            received: Some(received),
            saved: Some(received + 10 * 86_400),
            ..Incoming::new(Letter::of(message.as_bytes(), &self.places).unwrap())
        };
        self.home.append(&FolderName::inbox(), &[incoming]).await.unwrap();
    }

    /// Another session's folder on the same mailbox.
    pub async fn elsewhere(&self) -> MemoryFolder {
        self.home.open(&FolderName::inbox()).await.unwrap()
    }

    /// The client hears of everything.
    pub async fn told(&mut self) {
        self.folder.refresh().await.unwrap();
        self.view.news(self.folder.state(), true);
    }

    pub async fn answer(&mut self, command: &str, asking: Asking<'_>) -> Result<String, Refused> {
        let mut out = Vec::new();
        Search::read(Args::new(command.as_bytes(), false), &asking, &self.view)?
            .run(&asking, &mut self.folder, &mut self.view, &mut out)
            .await?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// The numbers that `SEARCH keys` gives.
    async fn search(&mut self, keys: &str) -> String {
        let answer = self.answer(&format!(" {keys}"), PLAIN).await.unwrap_or_else(|refused| panic!("{keys}: {refused:?}"));
        answer.trim_end().strip_prefix("* SEARCH").unwrap().trim_start().to_owned()
    }
}

pub const PLAIN: Asking<'_> = Asking { tag: "a", is_uid: false, is_rev2: false, is_utf8: false };

async fn mixed() -> Site {
    let mut site = Site::new(&[]).await;
    let first = "From: Ann <ann@x.example>\r\nTo: bob@y.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from here\r\n\
        Date: Fri, 21 Nov 1997 23:55:06 -0600\r\nReceived: from relay\r\nX-Odd: yes, odd\r\n\r\nplain body, needle\r\nin two lines\r\n";
    let second = "From: Bob <bob@y.example>\nSubject: Re: lunch\nDate: Sat, 22 Nov 1997 01:00:00 +0000\nContent-Type: text/html\n\
        Content-Transfer-Encoding: quoted-printable\n\n<p>Hello <b>W=\n=C3=B6</b>rld</p><style>hidden</style>";
    let third = "Subject: none\n\n";
    site.append(first, Flags::SEEN.with(Flags::OLD), &["$Work", "Later"], 100).await;
    site.append(second, Flags::FLAGGED, &[], 5 * 86_400 + 7).await;
    site.append(third, Flags::DELETED.with(Flags::ANSWERED), &["later"], 9 * 86_400).await;
    site.told().await;
    site
}

#[tokio::test]
async fn every_key_finds_what_it_says() {
    let mut site = mixed().await;
    let email = crate::imap::objectid::EmailId(site.folder.state().message(2).unwrap().content().unwrap());
    let kept = site.folder.cached(&[1].into_iter().collect()).await.unwrap();
    let thread = crate::imap::objectid::ThreadId(crate::message::EntryRef::decode(kept.walk().of(1).unwrap()).unwrap().thread());
    let (email, thread) = (format!("EMAILID {email}"), format!("THREADID {thread}"));
    let cases = [
        ("ALL", "1 2 3"),
        ("SEEN", "1"),
        ("UNSEEN", "2 3"),
        ("ANSWERED DELETED", "3"),
        ("UNANSWERED UNDELETED UNFLAGGED UNDRAFT", "1"),
        ("DRAFT", ""),
        ("RECENT", ""),
        ("NEW", ""),
        ("OLD", "1 2 3"),
        ("KEYWORD later", "1 3"),
        ("UNKEYWORD $work", "2 3"),
        ("2:*", "2 3"),
        ("4:9", ""),
        ("UID 1,3", "1 3"),
        ("UID 9:*", "3"),
        ("NOT 2", "1 3"),
        ("OR 1 (UID 3 DELETED)", "1 3"),
        ("OR OR 1 2 NOT ALL", "1 2"),
        ("BEFORE 6-Jan-1970", "1"),
        ("ON 6-Jan-1970", "2"),
        ("SINCE \"6-Jan-1970\"", "2 3"),
        ("SAVEDBEFORE 12-Jan-1970", "1"),
        ("SAVEDON 16-Jan-1970", "2"),
        ("SAVEDSINCE 16-Jan-1970", "2 3"),
        ("SAVEDATESUPPORTED", "1 2 3"),
        ("SENTON 21-Nov-1997", "1"),
        ("SENTBEFORE 22-Nov-1997", "1"),
        ("SENTSINCE 22-Nov-1997", "2"),
        ("OLDER 1000", "1 2 3"),
        ("YOUNGER 1000", ""),
        ("LARGER 100", "1 2"),
        ("SMALLER 100", "3"),
        ("LARGER 9223372036854775807", ""),
        (&email, "2"),
        (&thread, "1"),
        ("EMAILID nonsense", ""),
        ("FROM ANN", "1"),
        ("FROM example", "1 2"),
        ("TO bob", "1"),
        ("CC bob", ""),
        ("BCC \"\"", ""),
        ("SUBJECT \"grüße\"", "1"),
        ("SUBJECT \"GRU\u{308}ßE FROM\"", "1"),
        ("CHARSET iso-8859-1 SUBJECT lunch", "2"),
        ("HEADER Subject \"\"", "1 2 3"),
        ("HEADER received relay", "1"),
        ("HEADER X-ODD \"\"", "1"),
        ("HEADER x-odd no", ""),
        ("HEADER none \"\"", ""),
        ("BODY needle", "1"),
        ("BODY {10}\r\nNEEDLE\r\nin", "1"),
        ("BODY \"wörld\"", "2"),
        ("BODY \"hello wörld\"", "2"),
        ("BODY hidden", ""),
        ("BODY lunch", ""),
        ("TEXT lunch", "2"),
        ("TEXT \"x-odd: YES\"", "1"),
        ("TEXT \"\"", "1 2 3"),
        ("OR BODY needle SUBJECT none", "1 3"),
        ("NOT BODY needle", "2 3"),
        ("OR (BODY needle BODY nothing) (NOT TEXT bob SUBJECT none)", "3"),
    ];
    for (keys, expected) in cases {
        assert_eq!(site.search(keys).await, expected, "{keys}");
    }
}

#[tokio::test]
async fn answers_take_the_form_that_was_asked_for() {
    let mut site = mixed().await;
    let uid = Asking { tag: "A282", is_uid: true, ..PLAIN };
    assert_eq!(site.answer(" UNSEEN", uid).await.unwrap(), "* SEARCH 2 3\r\n");
    assert_eq!(site.answer(" UNSEEN", Asking { is_rev2: true, ..uid }).await.unwrap(), "* ESEARCH (TAG \"A282\") UID ALL 2:3\r\n");
    assert_eq!(site.answer(" RETURN (MIN COUNT) ALL", PLAIN).await.unwrap(), "* ESEARCH (TAG \"a\") MIN 1 COUNT 3\r\n");
    assert_eq!(site.answer(" RETURN () DRAFT", PLAIN).await.unwrap(), "* ESEARCH (TAG \"a\")\r\n");
    let modseq = site.folder.state().message(3).unwrap().modseq;
    assert!(site.answer(" MODSEQ \"/flags/\\\\seen\" all 1 UID 1", PLAIN).await.unwrap().starts_with("* SEARCH 1 (MODSEQ "));
    assert_eq!(site.answer(" MODSEQ 1", PLAIN).await.unwrap(), format!("* SEARCH 1 2 3 (MODSEQ {modseq})\r\n"));
}

#[tokio::test]
async fn what_is_saved_is_searched_again() {
    let mut site = mixed().await;
    assert_eq!(site.answer(" RETURN (SAVE) UNSEEN", PLAIN).await.unwrap(), "");
    assert_eq!(site.search("$ ANSWERED").await, "3");
    assert_eq!(site.answer(" RETURN (SAVE MIN) UID $", PLAIN).await.unwrap(), "* ESEARCH (TAG \"a\") MIN 2\r\n");
    assert_eq!(site.search("$").await, "2");
    // What was wrong from the beginning changes nothing (RFC 5182 §2.1).
    assert!(site.answer(" RETURN (SAVE) FOO", PLAIN).await.is_err());
    assert_eq!(site.search("$").await, "2");
}

#[tokio::test]
async fn commands_that_are_none_are_refused() {
    let mut site = mixed().await;
    let bad = [
        "",
        " ",
        " FOO",
        " NOT",
        " OR 1",
        " (1",
        " 1)",
        " ()",
        " SUBJECT",
        " SINCE yesterday",
        " OLDER 0",
        " ALL ",
        " UID",
        " 0",
        " LARGER -1",
        " RETURN (FOO) ALL",
        " RETURN (MIN)",
        " RETURN MIN ALL",
        " CHARSET utf-8",
        " CHARSET utf-8 BODY {1}\r\n\u{fffd}",
        " MODSEQ \"/flags/x\" 1",
        " KEYWORD",
        " EMAILID",
        " HEADER x",
        " 1,,2",
        " ALL  ALL",
    ];
    for command in bad {
        let refused = site.answer(command, PLAIN).await;
        assert!(matches!(refused, Err(Refused::Bad(_))), "{command:?}: {refused:?}");
    }
    assert!(matches!(site.answer(" CHARSET klingon ALL", PLAIN).await, Err(Refused::Charset)));
    let utf8 = Asking { is_utf8: true, ..PLAIN };
    assert!(matches!(site.answer(" CHARSET iso-8859-1 ALL", utf8).await, Err(Refused::Bad(_))));
}

#[tokio::test]
async fn depth_and_number_of_keys_have_an_end() {
    let mut site = mixed().await;
    let refused = |answer| matches!(answer, Err(Refused::Limit(_)));
    assert!(refused(site.answer(&format!(" {}ALL", "NOT ".repeat(1_000)), PLAIN).await));
    assert!(refused(site.answer(&format!(" {}1", "(".repeat(100_000)), PLAIN).await));
    assert!(refused(site.answer(&format!(" {}1 1{}", "OR 1 (1 ".repeat(100), ")".repeat(100)), PLAIN).await));
    assert!(refused(site.answer(&" ALL".repeat(3_000), PLAIN).await));
    assert!(refused(site.answer(&format!(" BODY \"{}\"", "x".repeat(5_000)), PLAIN).await));
    assert!(refused(site.answer(&" BODY x".repeat(200), PLAIN).await));
    // As clients write a long list of addresses.
    assert_eq!(site.search(&format!("{}FROM bob", "OR FROM nobody ".repeat(900))).await, "2");
    assert_eq!(site.search(&format!("{}SEEN FROM nobody{}", "OR ".repeat(900), " SEEN".repeat(899))).await, "1");
    assert_eq!(site.search(&format!("{}1{}", "(".repeat(1_500), ")".repeat(1_500))).await, "1");
}

#[tokio::test]
async fn messages_that_the_client_does_not_know_are_not_found() {
    let mut site = mixed().await;
    site.append("Subject: new\n\nneedle", Flags::NONE, &[], 1).await;
    site.folder.refresh().await.unwrap();
    assert_eq!(site.search("ALL").await, "1 2 3");
    assert_eq!(site.search("BODY needle").await, "1");
    site.told().await;
    assert_eq!(site.search("BODY needle").await, "1 4");
}

#[tokio::test]
async fn long_headers_and_many_messages_are_searched_to_their_end() {
    let to: String = (0..4_000).map(|nth| format!("\tuser{nth}@example.org,\n")).collect();
    let mut site = Site::new(&[&format!("To: a@b,\n{to}\tlast@c\nSubject: long\n\nbody")]).await;
    for nth in 0..300 {
        site.append(&format!("Subject: number {nth}\n\nbody {nth}\n"), Flags::NONE, &[], nth).await;
    }
    site.told().await;
    assert_eq!(site.search("TO user3999@").await, "1");
    assert_eq!(site.search("TO last@c").await, "1");
    assert_eq!(site.search("SUBJECT \"number 299\"").await, "301");
    assert_eq!(site.search("BODY \"body 25\"").await, "27 252 253 254 255 256 257 258 259 260 261");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Exact, wherever the text is cut into pieces.
    #[test]
    fn a_text_is_found_where_it_is(at in 65_000usize..66_000, len in 1usize..40) {
        let needle = "n".repeat(len);
        let body = format!("Subject: x\n\n{}é{needle}{}", "-".repeat(at), "-".repeat(1_000));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut site = Site::new(&[&body]).await;
            assert_eq!(site.search(&format!("BODY \"é{needle}-\"")).await, "1");
            assert_eq!(site.search(&format!("BODY n{needle}")).await, "");
        });
    }

    #[test]
    fn no_command_makes_it_fall(words in proptest::collection::vec(0usize..20, 0..40)) {
        const WORDS: [&str; 20] = [
            " ", "(", ")", "OR", "NOT", "ALL", "1:*", "$", "UID", "SUBJECT", "x", "\"", "{1}\r\n", "RETURN", "CHARSET", "utf-8", "HEADER", "SINCE",
            "1-Jan-2000", "MODSEQ",
        ];
        let command: String = words.into_iter().map(|word| WORDS[word]).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut site = Site::new(&["Subject: x\n\ny"]).await;
            _ = site.answer(&command, PLAIN).await;
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Of a message alone there is no table of gists.
    #[test]
    fn what_gists_tell_is_what_each_message_tells(
        letters in proptest::collection::vec(("(|Subject: |Cc: |TO: |to: )[a-dB ]{0,6}", "(|From: |X: )(a|=\\?utf-8\\?q\\?=C3=A4\\?=|ab\r?\n c|\u{e4}A)"), 2..6),
        words in proptest::collection::vec((0usize..5, "(|a|ab|b c|\u{c4}|ba|d)"), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let letters: Vec<String> = letters.iter().map(|(one, other)| format!("{one}\n{other}\n\nab")).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        let name = |(at, word): &(usize, String)| format!("{} \"{word}\"", ["SUBJECT", "FROM", "TO", "CC", "HEADER X"][*at]);
        let keys: Vec<String> = words.iter().map(name).collect();
        let keys = [keys.join(" "), format!("OR NOT {} BODY ab SEEN", keys[0])];
        runtime.block_on(async {
            let mut all = Site::new(&letters).await;
            for keys in &keys {
                let mut expected = Vec::new();
                for (number, letter) in (1..).zip(&letters) {
                    let mut alone = Site::new(&[letter]).await;
                    expected.extend((alone.search(keys).await == "1").then(|| u32::to_string(&number)));
                }
                assert_eq!(all.search(keys).await, expected.join(" "), "{keys} {letters:?}");
            }
        });
    }
}

//! Headers of mail on its way: whatever a stranger writes, the fields add up to the header, and an answer, if there is one, goes to the
//! envelope sender, says that a machine wrote it, and has no line of the stranger's making.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use vmail::config::Fsync;
use vmail::deliver::{Answer, Letterhead, Mail, answerable, compose};
use vmail::store::{Letter, Places};

fuzz_target!(|data: &[u8]| {
    // The sender, the administrator's text, and the message: divided by NULs.
    let mut parts = data.splitn(3, |&octet| octet == 0);
    let (Some(sender), Some(text), Some(message)) = (parts.next(), parts.next(), parts.next()) else { return };
    let sender = String::from_utf8_lossy(sender).into_owned();
    let places = Places::inside(std::path::Path::new("/nonexistent"), Fsync::Never);
    let Ok(mail) = Letter::of(message, &places).and_then(|letter| Mail::new(letter, sender.as_str())) else { return };
    assert!(mail.fields().map(|field| field.lines.len()).sum::<usize>() <= message.len());
    for kind in [Answer::Vacation, Answer::AutoReply] {
        let Ok(to) = answerable(&mail, &["joe@va.test".to_owned()], kind) else { continue };
        assert!(!to.to_string().eq_ignore_ascii_case("joe@va.test"));
        let from = "joe@va.test".parse().unwrap();
        let head =
            Letterhead { from: &from, to: &to, submitted: "auto-replied", date: DateTime::UNIX_EPOCH.fixed_offset(), id: "<1@va.test>" };
        let told = String::from_utf8(compose(text, &head, &mail)).unwrap();
        let header = told.split("\n\n").next().unwrap();
        assert!(told.starts_with("Auto-Submitted: auto-replied\n"));
        for once in ["Auto-Submitted:", "To:", "Message-ID:"] {
            let lines = header.lines().filter(|line| line.get(..once.len()).is_some_and(|name| name.eq_ignore_ascii_case(once)));
            assert_eq!(lines.count(), 1, "{once} in {header}");
        }
        // With no text of the administrator's, each line is ours: nothing of the message makes one.
        if text.is_empty() {
            let ours = [
                "Auto-Submitted: ",
                "Precedence: ",
                "To: ",
                "Date: ",
                "Message-ID: ",
                "From: ",
                "In-Reply-To: ",
                "References: ",
                "Subject: ",
                " ",
            ];
            assert!(header.lines().all(|line| ours.iter().any(|name| line.starts_with(name))), "{header}");
        }
    }
});

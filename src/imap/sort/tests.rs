//! SORT from its text to its answer, over mail in memory.

use super::*;
use crate::imap::search::tests::{PLAIN, Site};

async fn answer(site: &mut Site, command: &str, asking: Asking<'_>) -> Result<String, Refused> {
    let mut out = Vec::new();
    let sort = Sort::read(Args::new(command.as_bytes(), false), &asking, &site.view)?;
    sort.run(&asking, &mut site.folder, &mut site.view, &mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

async fn sorted(site: &mut Site, keys: &str) -> String {
    let answer = answer(site, &format!(" ({keys}) UTF-8 ALL"), PLAIN).await.unwrap();
    answer.trim_end().strip_prefix("* SORT").unwrap().trim_start().to_owned()
}

async fn mixed() -> Site {
    Site::new(&[
        "From: Zoë <a@x>\nTo: z@x\nSubject: beta\nDate: Fri, 21 Nov 1997 09:00:00 +0200\n\n",
        "From: =?utf-8?q?=C3=84nne?= <b@x>\nCc: a@x\nSubject: Re: Alpha\nDate: Fri, 21 Nov 1997 08:00:00 +0000\n\nlonger body",
        "From: c@x\nTo: \"B. B.\" <b@x>, a@x\nCC: b@x\nSubject: [list] BETA (fwd)\nDate: Thu, 20 Nov 1997 08:00:00 +0000\n\nx",
        "To: friends: z@x;\n\n",
    ])
    .await
}

#[tokio::test]
async fn keys_are_those_of_the_rfcs() {
    let mut site = mixed().await;
    let cases = [
        ("ARRIVAL", "1 2 3 4"),
        ("REVERSE ARRIVAL", "4 3 2 1"),
        // The fourth has no date: it was sent when it was received, in 1970.
        ("DATE", "4 3 1 2"),
        ("reverse date", "2 1 3 4"),
        ("SIZE", "4 1 3 2"),
        ("SUBJECT", "4 2 1 3"),
        ("SUBJECT DATE", "4 2 3 1"),
        ("SUBJECT REVERSE ARRIVAL", "4 2 3 1"),
        // Gists have no sizes.
        ("SUBJECT DATE SIZE", "4 2 3 1"),
        ("REVERSE DATE SIZE", "2 1 3 4"),
        ("REVERSE SUBJECT", "1 3 2 4"),
        ("FROM", "4 1 2 3"),
        ("TO", "2 3 4 1"),
        ("CC", "1 4 2 3"),
        ("DISPLAYFROM", "4 2 3 1"),
        ("DISPLAYTO", "2 3 4 1"),
    ];
    for (keys, expected) in cases {
        assert_eq!(sorted(&mut site, keys).await, expected, "{keys}");
    }
}

#[tokio::test]
async fn answers_take_the_form_that_was_asked_for() {
    let mut site = mixed().await;
    let uid = Asking { is_uid: true, ..PLAIN };
    assert_eq!(answer(&mut site, " (SUBJECT) US-ASCII 2:3", uid).await.unwrap(), "* SORT 2 3\r\n");
    assert_eq!(answer(&mut site, " (SUBJECT) US-ASCII DRAFT", uid).await.unwrap(), "* SORT\r\n");
    let all = answer(&mut site, " RETURN (MIN MAX ALL COUNT) (REVERSE DATE) UTF-8 ALL", uid).await.unwrap();
    assert_eq!(all, "* ESEARCH (TAG \"a\") UID MIN 2 MAX 4 COUNT 4 ALL 2,1,3:4\r\n");
    assert_eq!(answer(&mut site, " RETURN (SAVE MIN) (REVERSE DATE) UTF-8 ALL", uid).await.unwrap(), "* ESEARCH (TAG \"a\") UID MIN 2\r\n");
    assert_eq!(answer(&mut site, " (DATE) UTF-8 $", uid).await.unwrap(), "* SORT 2\r\n");
    let modseq = site.folder.state().message(3).unwrap().modseq;
    assert_eq!(answer(&mut site, " (DATE) UTF-8 MODSEQ 1 3", uid).await.unwrap(), format!("* SORT 3 (MODSEQ {modseq})\r\n"));
}

#[tokio::test]
async fn commands_that_are_none_are_refused() {
    let mut site = mixed().await;
    let many = format!(" ({}DATE) UTF-8 ALL", "DATE ".repeat(100));
    for command in ["", " ()", " (DATE) ALL", " (FOO) UTF-8 ALL", " (REVERSE) UTF-8 ALL", " DATE UTF-8 ALL", " (DATE) UTF-8", &many] {
        assert!(answer(&mut site, command, PLAIN).await.is_err(), "{command:?}");
    }
    assert!(matches!(answer(&mut site, " (DATE) klingon ALL", PLAIN).await, Err(Refused::Charset)));
}

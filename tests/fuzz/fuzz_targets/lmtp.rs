//! LMTP: no input panics, the cut of the input makes no difference, and each line that is said is a reply.
//!
//! joe and ann of va.test have a full mailbox each, and the list all@va.test, which takes everything: what they get is refused when it is
//! there, so that nothing grows.
#![no_main]

use std::cell::OnceCell;
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use vmail::config::Root;
use vmail::lmtp::{self, Call, House, command, mail, rcpt};
use vmail::serve::{Mode, Server};
use vmail::wire::{Plain, Wire};

fuzz_target!(|input: &[u8]| {
    for line in input.split(|&octet| octet == b'\n') {
        _ = command::parse(line);
        let text = String::from_utf8_lossy(line);
        _ = mail::parse(&text);
        if let Ok(path) = rcpt::parse(&text, true) {
            // What is understood is understood again.
            let again = rcpt::parse(&format!("TO:<{}>", path.as_str()), true).expect("it was a path");
            assert_eq!((again.as_str(), again.local()), (path.as_str(), path.local()));
        }
    }
    let whole = said(input, usize::MAX);
    assert_eq!(said(input, 7), whole);
    for line in whole.lines() {
        let (code, rest) = line.split_at_checked(3).expect("every line has a code");
        assert!(code.bytes().all(|octet| octet.is_ascii_digit()) && rest.starts_with([' ', '-']), "{line:?}");
    }
});

/// What the server says to a client that sends `input` in pieces of `cut`, and is gone.
fn said(input: &[u8], cut: usize) -> String {
    SCENE.with(|scene| {
        let (runtime, house) = scene.get_or_init(furnish);
        heard(runtime, house, input, cut)
    })
}

fn heard(runtime: &tokio::runtime::Runtime, house: &House, input: &[u8], cut: usize) -> String {
    runtime.block_on(async {
        let (mut ours, theirs) = tokio::io::duplex(1 << 20);
        let (_stopper, stop) = watch::channel(false);
        let wire = Box::new(Wire::new(Plain::Pipe(theirs), house.machine.lmtp.idle.0, stop));
        let client = async {
            for piece in input.chunks(cut) {
                // The server may have had enough.
                _ = ours.write_all(piece).await;
                tokio::task::yield_now().await;
            }
            _ = ours.shutdown().await;
            let mut said = String::new();
            ours.read_to_string(&mut said).await.expect("replies are text");
            said
        };
        let (said, _) = tokio::join!(client, lmtp::serve(wire, Box::new(Call { ends: None, may_start_tls: false }), house));
        without_ids(&said)
    })
}

/// Names of messages differ each time: the last word of a reply, 13 digits, a dot, 8 digits.
fn without_ids(said: &str) -> String {
    let is_id = |word: &str| word.len() == 22 && word.as_bytes()[13] == b'.';
    said.split(' ')
        .map(|word| if is_id(word.lines().next().unwrap_or_default()) { &word[22..] } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

thread_local! {
    static SCENE: OnceCell<(tokio::runtime::Runtime, House)> = const { OnceCell::new() };
}

fn furnish() -> (tokio::runtime::Runtime, House) {
    let folder: PathBuf = std::env::temp_dir().join(format!("vmail-fuzz-lmtp.{}", std::process::id()));
    let root = Root::new(&folder);
    let domain = "va.test".parse().expect("a name");
    std::fs::create_dir_all(root.domains()).expect("a folder");
    std::fs::create_dir_all(root.spool(&domain)).expect("a folder");
    let write = |path: PathBuf, text: &str| std::fs::write(path, text).expect("a file");
    write(
        root.machine(),
        "host = \"host.test\"\n[store]\nfsync = \"never\"\n[delivery]\nmessage_limit = 8\nsendmail = \"/bin/false\"\n[lmtp]\nrecipients = 5\n",
    );
    write(root.record(&domain), "quota.messages = 1\n");
    write(root.aliases(&domain), "all: joe, ann\n");
    let id = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&folder).expect("it is there"));
    write(root.passwd(&domain), &["joe", "ann"].map(|user| format!("{user}:x:{id}:{id}::/vhome/{user}:/bin/false\n")).concat());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = Server::load(root, Mode::Daemon, Default::default(), None).expect("a server");
    let house = server.now().lmtp();
    // The one message that each of them may have.
    let filled = heard(&runtime, &house, b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<all@va.test>\r\nBDAT 4 LAST\r\nA: b", usize::MAX);
    assert!(filled.contains("250 2.0.0 <all@va.test> delivered"), "{filled}");
    (runtime, house)
}

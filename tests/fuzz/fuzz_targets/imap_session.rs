//! IMAP sessions: no input panics, and whatever a client says in whichever state, all that it hears is whole responses.
//!
//! The first octet says how far the client has come when the others follow; mail is in memory, and new each time.
#![no_main]

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use vmail::config::{Fsync, Root};
use vmail::house::{Call, House};
use vmail::imap;
use vmail::login::LoginDelay;
use vmail::os::crypt::crypt;
use vmail::serve::{Mode, Server};
use vmail::store::{Places, Store};
use vmail::vdomain::Answer;
use vmail::wire::{Plain, Wire};

fuzz_target!(|input: &[u8]| {
    let Some((state, input)) = input.split_first() else { return };
    SCENE.with(|scene| {
        let (runtime, server) = scene.get_or_init(furnish);
        let said = [said_before(*state).as_bytes(), input].concat();
        let heard = runtime.block_on(heard(&house(server), &said));
        are_responses(&heard);
    });
});

/// What a client has said before the fuzzer's octets come.
fn said_before(state: u8) -> String {
    match STATES.get(usize::from(state) % (STATES.len() + 1)) {
        None => String::new(),
        Some(commands) => {
            let literals: Vec<String> = MAIL.iter().map(|text| format!(" {{{}+}}\r\n{text}", text.len())).collect();
            format!("l LOGIN joe secret\r\nm APPEND INBOX (\\Seen $Work){}\r\n{commands}", literals.concat())
        }
    }
}

const STATES: [&str; 4] = [
    "",
    "m SELECT INBOX\r\n",
    "m ENABLE QRESYNC UTF8=ACCEPT IMAP4rev2\r\nm SELECT INBOX\r\nm SEARCH RETURN (SAVE) 2:3\r\n",
    "m CREATE Mine\r\nm EXAMINE INBOX (CONDSTORE)\r\n",
];
const MAIL: [&str; 3] = [
    "From: Ann <ann@va.test>\r\nMessage-ID: <1@x>\r\nSubject: one\r\n\r\nfirst body\r\n",
    "From: bob@va.test\r\nReferences: <1@x>\r\nSubject: Re: one\r\n\r\nsecond body\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\naMOkbGxv\r\n--b\r\n\r\nplain\r\n--b--\r\n",
];

/// What the server says to a client that says all this, and is gone.
async fn heard(house: &House, said: &[u8]) -> Vec<u8> {
    let (mut ours, theirs) = tokio::io::duplex(1 << 20);
    let (_stopper, stop) = watch::channel(false);
    let wire = Box::new(Wire::new(Plain::Pipe(theirs), house.machine.imap.idle.0, stop));
    let (local, peer) = ("192.0.2.2".parse().expect("an address"), "198.51.100.9".parse().expect("an address"));
    let call = Box::new(Call { local, peer, sni: None, names: Answer::Off, may_start_tls: false });
    let client = async {
        // The server may have had enough.
        _ = ours.write_all(said).await;
        _ = ours.shutdown().await;
        let mut heard = Vec::new();
        _ = ours.read_to_end(&mut heard).await;
        heard
    };
    let (heard, _) = tokio::join!(client, imap::serve(wire, call, house));
    heard
}

/// Each line begins a response or goes on after a literal, and all ends where a line ends.
fn are_responses(heard: &[u8]) {
    let mut rest = heard;
    let mut goes_on = false;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a line has an end");
        let (line, after) = (&rest[..end], &rest[end + 2..]);
        let is_tagged = || {
            let words: Vec<&[u8]> = line.splitn(3, |octet| *octet == b' ').collect();
            matches!(words[..], [_, b"OK" | b"NO" | b"BAD", _])
        };
        assert!(goes_on || line.starts_with(b"* ") || line.starts_with(b"+ ") || is_tagged(), "{:?}", String::from_utf8_lossy(line));
        if line.ends_with(b" OK DEFLATE active") {
            return;
        }
        let literal = line.strip_suffix(b"}").and_then(|line| line.rsplit(|octet| *octet == b'{').next());
        let literal = literal.and_then(|size| str::from_utf8(size).ok()?.parse::<usize>().ok());
        goes_on = literal.is_some() && (goes_on || line.starts_with(b"* "));
        rest = &after[if goes_on { literal.unwrap_or(0) } else { 0 }..];
    }
    assert!(!goes_on);
}

thread_local! {
    static SCENE: OnceCell<(Runtime, Arc<Server>)> = const { OnceCell::new() };
}

fn furnish() -> (Runtime, Arc<Server>) {
    let folder: PathBuf = std::env::temp_dir().join(format!("vmail-fuzz-imap.{}", std::process::id()));
    let root = Root::new(&folder);
    let domain = "va.test".parse().expect("a name");
    std::fs::create_dir_all(root.domains()).expect("a folder");
    let write = |path: PathBuf, text: &str| std::fs::write(path, text).expect("a file");
    write(root.machine(), "host = \"host.test\"\n[login]\nfailure_delay = 0\n[store]\nfsync = \"never\"\n");
    write(root.record(&domain), "ip = [\"192.0.2.2\"]\n[quota]\nmessages = 100\nstorage = 1000\n");
    write(root.passwd(&domain), "joe:x:1000:1000::/vhome/joe:/bin/false\n");
    let hash = crypt(b"secret", "$6$rounds=1000$saltofatest").expect("a hash");
    write(root.shadow(&domain), &format!("joe:{}:::::::\n", &*hash));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    (runtime, Arc::new(Server::load(root, Mode::Daemon, Default::default(), None).expect("a server")))
}

/// The server's, with mail in memory.
fn house(server: &Server) -> House {
    let now = server.now();
    let house = &now.house;
    let nowhere = Path::new("/nonexistent");
    House {
        machine: house.machine.clone(),
        host: house.host.clone(),
        names: house.names.clone(),
        maps: house.maps.clone(),
        gate: house.gate.clone(),
        store: Store::in_memory(Places::inside(nowhere, Fsync::Never)),
        login_delay: LoginDelay::below(nowhere.into()),
        tls: house.tls.clone(),
        main: house.main,
    }
}

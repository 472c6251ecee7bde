//! The mail server's questions: no input panics, the cut of the input makes no difference, and what is said is of the protocol.
#![no_main]

use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use vmail::config::Root;
use vmail::mta::{Service, auth, netstring, policy, serve};
use vmail::serve::{Mode, Now, Server};
use vmail::wire::{Plain, Wire};

fuzz_target!(|input: &[u8]| {
    if let netstring::Read::Whole { octets, used } = netstring::read(input) {
        let mut again = Vec::new();
        if let Ok(text) = std::str::from_utf8(octets) {
            netstring::write(&mut again, text);
            assert_eq!(again, input[..used]);
        }
    }
    let mut request = policy::Request::default();
    for line in input.split(|&octet| octet == b'\n') {
        _ = request.take(line);
        _ = auth::line::parse(line);
    }
    for service in Service::ALL {
        let whole = said(service, input, usize::MAX);
        assert_eq!(said(service, input, 7), whole);
        for line in whole.lines() {
            match service {
                Service::Socketmap => {}
                Service::Policy => assert!(line.is_empty() || line.starts_with("action="), "{line:?}"),
                Service::Auth => assert!(["OK", "FAIL", "CONT"].contains(&line.split('\t').next().unwrap_or_default()), "{line:?}"),
            }
        }
    }
});

/// What the server says to a client that sends `input` in pieces of `cut`, and is gone; without the greeting.
fn said(service: Service, input: &[u8], cut: usize) -> String {
    SCENE.with(|scene| {
        let (runtime, now) = scene.get_or_init(furnish);
        runtime.block_on(async {
            let (mut ours, theirs) = tokio::io::duplex(1 << 20);
            let (_stopper, stop) = watch::channel(false);
            let wire = Box::new(Wire::new(Plain::Pipe(theirs), now.house.machine.mta.idle.0, stop));
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
            let (said, _) = tokio::join!(client, serve(service, wire, &now.house, &now.resolver));
            said.split_once("DONE\n").map_or(said.clone(), |(_, rest)| rest.to_owned())
        })
    })
}

thread_local! {
    static SCENE: OnceCell<(tokio::runtime::Runtime, Arc<Now>)> = const { OnceCell::new() };
}

/// joe of va.test, whose password nobody has, and some aliases.
fn furnish() -> (tokio::runtime::Runtime, Arc<Now>) {
    let folder: PathBuf = std::env::temp_dir().join(format!("vmail-fuzz-mta.{}", std::process::id()));
    let root = Root::new(&folder);
    let domain = "va.test".parse().expect("a name");
    std::fs::create_dir_all(root.domains()).expect("a folder");
    std::fs::create_dir_all(root.spool(&domain)).expect("a folder");
    let write = |path: PathBuf, text: &str| std::fs::write(path, text).expect("a file");
    // Who is unknown would cost a hash each: nobody passes that far.
    write(root.machine(), "host = \"host.test\"\nplaintext = \"local\"\nreverse.lookup = \"off\"\nlogin.failure_delay = 0\n");
    write(root.record(&domain), "ip = [\"127.0.0.2\"]\nquota.inbox = \"1\"\n");
    write(root.aliases(&domain), "all: joe, boss\nboss: eve@x.org\n");
    write(root.passwd(&domain), "joe:x:4100:4100::/vhome/joe:/bin/false\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = Server::load(root, Mode::Daemon, Default::default(), None).expect("a server");
    (runtime, server.now())
}

//! Clients that read nothing, or say an octet now and then: they cost a bounded piece of memory, and nobody else's time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{World, subjects};
use crate::harness::imap::Imap;

const LARGE: usize = 24 << 20;

/// A message of ann's that is far larger than what the kernel takes for a client that does not read.
fn deliver_large(world: &World) {
    let line = [b"0123456789".repeat(7), b"\n".to_vec()].concat();
    let text = [b"Subject: large\n\n".to_vec(), line.repeat(LARGE / line.len())].concat();
    world.house.deliver("ann@va.test", &text);
}

/// Logs in, says `commands`, and reads no more.
fn deaf(world: &World, commands: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.va.starttls).unwrap();
    let mut greeting = [0; 64];
    stream.read_exact(&mut greeting).unwrap();
    stream.write_all(format!("a LOGIN ann three\r\n{commands}").as_bytes()).unwrap();
    stream
}

#[test]
fn clients_that_do_not_read_cost_a_buffer_each_and_nobodys_time() {
    let world = World::new();
    deliver_large(&world);
    world.ann().ask("STATUS INBOX (MESSAGES SIZE)");
    let before = world.daemon.memory();
    let asked = ["b SELECT INBOX\r\nc FETCH 2 BODY.PEEK[]\r\n", "b EXAMINE INBOX\r\nc FETCH 1:* (BODY[TEXT] RFC822)\r\n"];
    let compressed = "b COMPRESS DEFLATE\r\n";
    let deaf: Vec<TcpStream> = (0..16).map(|number| deaf(&world, asked[number % 2])).chain([deaf(&world, compressed)]).collect();
    let began = Instant::now();
    // All of them are being served: others are, too.
    while began.elapsed() < Duration::from_secs(2) {
        let asked = Instant::now();
        let mut joe = world.joe();
        assert_eq!(subjects(&mut joe), ["of joe@va.test"]);
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    }
    let grown = world.daemon.memory() - before;
    assert!(grown < 16 << 20, "{grown} octets for {} clients", deaf.len());
    // Whoever reads in the end gets it all.
    let mut late = deaf.into_iter().next().unwrap();
    late.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (mut heard, mut piece) = (0, vec![0; 1 << 20]);
    while !piece[..64].starts_with(b"never") && heard < LARGE {
        heard += late.read(&mut piece).unwrap();
    }
    assert!(heard >= LARGE);
}

#[test]
fn answers_to_many_commands_wait_for_the_client_to_read() {
    let world = World::new();
    world.ann().ask("STATUS INBOX (MESSAGES)");
    let before = world.daemon.memory();
    let mut client = deaf(&world, "b SELECT INBOX\r\n");
    client.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    // Until the kernel takes no more of it: the server has stopped reading what nobody hears the answers of.
    let commands = b"c FETCH 1 (FLAGS BODY.PEEK[] ENVELOPE)\r\n".repeat(1000);
    let (mut said, most) = (0, 256 << 20);
    while said < most && client.write_all(&commands).is_ok() {
        said += commands.len();
    }
    assert!(said < most, "the server reads on and on");
    let grown = world.daemon.memory() - before;
    assert!(grown < 8 << 20, "{grown} octets");
    assert_eq!(subjects(&mut world.joe()), ["of joe@va.test"]);
}

#[test]
fn clients_that_say_an_octet_now_and_then_cost_little() {
    let world = World::new();
    let before = world.daemon.memory();
    let halves = ["a", "a LOG", "a LOGIN {3}\r\n", "a LOGIN joe {3+}\r\no", "a AUTHENTICATE PLAIN\r\nAGp"];
    let mut slow: Vec<Imap> = Vec::new();
    for number in 0..50 {
        let (mut imap, _) = Imap::dial(world.va.starttls);
        imap.stutter(halves[number % halves.len()]);
        slow.push(imap);
    }
    for _ in 0..3 {
        slow.iter_mut().for_each(|imap| imap.stutter("x"));
        assert_eq!(subjects(&mut world.joe()), ["of joe@va.test"]);
    }
    let grown = world.daemon.memory() - before;
    assert!(grown < 8 << 20, "{grown} octets for {} clients", slow.len());
}

#[test]
fn who_comes_when_all_seats_are_taken_is_told_so() {
    let world = World::with("[limit]\nper_source = 3\n");
    let seated: Vec<Imap> = (0..3).map(|_| world.joe()).collect();
    let (mut imap, greeting) = Imap::dial(world.vb.starttls);
    assert_eq!(greeting, "* BYE [UNAVAILABLE] too many connections, please try later");
    assert_eq!(imap.rest(), "");
    drop(seated);
    crate::daemon::poll(|| Imap::dial(world.vb.starttls).1.starts_with("* OK ").then_some(()));
}

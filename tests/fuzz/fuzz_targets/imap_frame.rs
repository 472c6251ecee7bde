//! IMAP framing and arguments: no input panics, no command grows beyond its limit, and the cut of the input makes no difference.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmail::imap::args::Args;
use vmail::imap::frame::{Event, Framer, Head, Limits};

const LIMITS: Limits = Limits { text: 200, unasked: 100 };

fuzz_target!(|input: &[u8]| {
    let whole = frames(input, usize::MAX);
    assert_eq!(frames(input, 1), whole);
    assert_eq!(frames(input, 7), whole);
    whole.iter().for_each(|(text, _)| read(text));
});

/// What a session would see. Messages of even size are taken, others abandoned.
fn frames(input: &[u8], cut: usize) -> Vec<(Vec<u8>, Event)> {
    let (mut framer, mut seen, mut message) = (Framer::new(LIMITS), Vec::new(), 0);
    for mut piece in input.chunks(cut) {
        while !piece.is_empty() {
            let taken = piece.len().min(usize::try_from(message).unwrap_or(usize::MAX));
            message -= taken as u64;
            let (used, event) = framer.feed(&piece[taken..]);
            piece = &piece[taken + used..];
            let Some(event) = event.filter(|event| *event != Event::Asking) else { continue };
            let text = framer.take();
            assert!(text.len() <= LIMITS.text + 32);
            match event {
                Event::Message(announced) if announced.size % 2 == 0 => message = announced.size,
                Event::Message(announced) => framer.abandon(announced),
                _ => {}
            }
            seen.push((text, event));
        }
    }
    seen
}

fn read(text: &[u8]) {
    let Ok(head) = Head::of(text) else { return };
    let args = Args::new(head.args, true);
    let readers: [fn(&mut Args<'_>); 7] = [
        |args| _ = args.astring(),
        |args| _ = args.set(),
        |args| _ = args.date(),
        |args| _ = args.date_time(),
        |args| _ = args.flags(),
        |args| _ = args.pattern(),
        |args| _ = args.nstring(),
    ];
    for reader in readers {
        let mut args = args;
        _ = args.space();
        reader(&mut args);
    }
}

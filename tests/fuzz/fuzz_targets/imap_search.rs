//! SEARCH, SORT and THREAD: no command panics or takes long, whatever is in it, over a mailbox in memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmail::imap::args::Args;
use vmail::imap::search::{Asking, Search};
use vmail::imap::sort::Sort;
use vmail::imap::thread::Thread;
use vmail::imap::view::View;
use vmail::store::{Folder, FolderName, Home, Incoming, Letter, MemoryFolder, MemoryHome, Places};

// A command, and behind the first NUL a message.
fuzz_target!(|input: &[u8]| {
    let (command, message) = input.split_at(input.iter().position(|octet| *octet == 0).unwrap_or(input.len()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut folder = mailbox(message).await;
        let mut view = View::new(folder.state().clone());
        let (args, mut out) = (Args::new(command, false), Vec::new());
        let asking = Asking { tag: "a", is_uid: command.len() % 2 == 0, is_rev2: false, is_utf8: false };
        if let Ok(search) = Search::read(args, &asking, &view) {
            search.run(&asking, &mut folder, &mut view, &mut out).await.expect("mail in memory can be searched");
        }
        if let Ok(sort) = Sort::read(args, &asking, &view) {
            sort.run(&asking, &mut folder, &mut view, &mut out).await.expect("mail in memory can be sorted");
        }
        if let Ok(thread) = Thread::read(args, &asking, &view) {
            thread.run(&asking, &mut folder, &view, &mut out).await.expect("mail in memory has threads");
        }
        assert!(out.is_empty() || out.ends_with(b"\r\n"));
    });
});

/// The message, and one that is like it but for its end.
async fn mailbox(message: &[u8]) -> MemoryFolder {
    let (home, places) = (MemoryHome::new(), Places::inside("/nonexistent".as_ref(), vmail::config::Fsync::Never));
    let other = [message, b"\r\nReferences: <a@b>\r\n\r\nend"].concat();
    for text in [message, &other] {
        let letter = Letter::of(text, &places).expect("short enough for memory");
        home.append(&FolderName::inbox(), &[Incoming::new(letter)]).await.expect("there is an INBOX");
    }
    home.open(&FolderName::inbox()).await.expect("there is an INBOX")
}

//! What other programs do to a spool behind our back.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use vmail::store::{Flags, FolderName};

use super::kind::Kind;
use super::play::Play;
use super::step::{Foreign, Letter};

/// Does `deed` to the files of folder `name`, if there is one, and to the model.
pub async fn act(play: &mut Play, name: &FolderName, deed: &Foreign) {
    if play.model.folders.contains_key(name) {
        match play.place.kind {
            Kind::Memory => unreachable!("nobody else is in the memory of a process"),
            Kind::Maildir => in_maildir(play, name, deed),
            Kind::Mbox => in_mbox(play, name, deed),
        }
    }
}

fn in_maildir(play: &mut Play, name: &FolderName, deed: &Foreign) {
    let folder = maildir(&play.place.spool(), name);
    if !folder.join("cur").is_dir() {
        return;
    }
    let mailbox = play.model.folders.get_mut(name).unwrap();
    match deed {
        Foreign::Deliver(letter) => {
            mailbox.awaited.push(letter.mail_by_other());
            deliver(&folder, letter);
        }
        Foreign::Mark { pick, flags } => {
            let Some((uid, mail)) = mailbox.mails.iter_mut().nth(*pick) else { return };
            let path = file(&folder, *uid);
            let (base, old) = split(&path);
            let (had, now) = (of_letters(&old), *flags);
            let letters: String = old.chars().filter(char::is_ascii_lowercase).collect();
            fs::rename(&path, folder.join("cur").join(format!("{base}:2,{}{letters}", letters_of(now)))).unwrap();
            // What we have not written yet is not taken back by what others write.
            let flags = mail.flags.without(had.without(now)).with(now.without(had));
            mail.is_changed |= flags != mail.flags;
            mail.flags = flags;
        }
        Foreign::Remove { pick } => {
            let Some(uid) = mailbox.mails.keys().nth(*pick).copied() else { return };
            fs::remove_file(file(&folder, uid)).unwrap();
            mailbox.mails.remove(&uid);
        }
        Foreign::Forget => drop(fs::remove_file(folder.join("dovecot-uidlist"))),
    }
}

/// Deliveries alone: what rewrites of other programs do is shown where the driver is.
fn in_mbox(play: &mut Play, name: &FolderName, deed: &Foreign) {
    let Foreign::Deliver(letter) = deed else { return };
    let path = match name.is_inbox() {
        true => play.place.spool(),
        false => play.place.home_folder().join(name.display('/').to_string().replace("Entwürfe & Co", "Entw&APw-rfe &- Co")),
    };
    let mut mail = Letter { flags: Flags::NONE, ..letter.clone() }.mail_by_other();
    if !mail.text.ends_with(b"\n") {
        mail.text.push(b'\n');
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut spool = fs::File::options().append(true).create(true).open(path).unwrap();
    let text: Vec<u8> = mail.text.split_inclusive(|octet| *octet == b'\n').fold(Vec::new(), |text, line| {
        let quoted = if line.starts_with(b"From ") { &b">"[..] } else { b"" };
        [&text[..], quoted, line].concat()
    });
    spool.write_all(&[b"From ann@va.test Sun Sep  9 01:46:40 2001\n", &text[..], b"\n"].concat()).unwrap();
    mail.text = text;
    play.model.folders.get_mut(name).unwrap().awaited.push(mail);
}

fn maildir(spool: &Path, name: &FolderName) -> PathBuf {
    match name.is_inbox() {
        true => spool.to_owned(),
        false => spool.join(format!(".{}", name.display('.').to_string().replace("Entwürfe & Co", "Entw&APw-rfe &- Co"))),
    }
}

fn deliver(folder: &Path, letter: &Letter) {
    static SERIAL: AtomicU32 = AtomicU32::new(0);
    let base = format!("1500000000.{}_{}.elsewhere", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
    let tmp = folder.join("tmp").join(&base);
    fs::write(&tmp, letter.mail().text).unwrap();
    match letter.flags == Flags::NONE {
        true => fs::rename(tmp, folder.join("new").join(base)).unwrap(),
        false => fs::rename(tmp, folder.join("cur").join(format!("{base}:2,{}", letters_of(letter.flags)))).unwrap(),
    }
}

impl Letter {
    /// As another program delivers it, which knows of flags alone.
    fn mail_by_other(&self) -> super::model::Mail {
        super::model::Mail { words: Default::default(), received: None, ..self.mail() }
    }
}

/// The file of a message, as the list of UIDs tells.
fn file(folder: &Path, uid: u32) -> PathBuf {
    let list = fs::read_to_string(folder.join("dovecot-uidlist")).unwrap();
    let line = list.lines().skip(1).find(|line| line.split(' ').next() == Some(&uid.to_string())).expect("every message is listed");
    let base = line.split_once(" :").unwrap().1;
    let names = ["new", "cur"].into_iter().flat_map(|part| fs::read_dir(folder.join(part)).unwrap().flatten()).map(|entry| entry.path());
    names.into_iter().find(|path| split(path).0 == base).expect("every message has a file")
}

fn split(path: &Path) -> (String, String) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let (base, info) = name.split_once(":2,").unwrap_or((name, ""));
    (base.to_owned(), info.to_owned())
}

const LETTERS: [(char, Flags); 5] =
    [('D', Flags::DRAFT), ('F', Flags::FLAGGED), ('R', Flags::ANSWERED), ('S', Flags::SEEN), ('T', Flags::DELETED)];

fn letters_of(flags: Flags) -> String {
    LETTERS.iter().filter(|(_, flag)| flags.contains(*flag)).map(|(letter, _)| *letter).collect()
}

fn of_letters(letters: &str) -> Flags {
    LETTERS.iter().filter(|(letter, _)| letters.contains(*letter)).fold(Flags::NONE, |flags, (_, flag)| flags.with(*flag))
}

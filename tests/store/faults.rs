//! A disk that is full or read-only, folders that are missing, forbidden or links, an index that is damaged under its users: errors that say
//! so, nothing lost, and others served.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use vmail::config::{Fsync, Spool};
use vmail::os::Actor;
use vmail::store::{Account, AnyHome, Changes, Flags, Folder, FolderName, Home, Incoming, Letter, Places, Store, Trouble, Uids};

use super::play::text;
use crate::harness::machine::with_own_mounts;
use crate::harness::need;
use crate::harness::program::succeed;

/// Mail of some users below one folder.
struct Site {
    spool: PathBuf,
    var: PathBuf,
    store: Store,
}

impl Site {
    fn at(folder: &Path) -> Site {
        Site::of(&folder.join("spool"), &folder.join("var"))
    }

    fn of(spool: &Path, var: &Path) -> Site {
        [spool, var].into_iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
        Site { spool: spool.into(), var: var.into(), store: Store::new(Places::inside(var, Fsync::Optimized)) }
    }

    /// The same, as another process has it.
    fn again(&self) -> Site {
        Site::of(&self.spool, &self.var)
    }

    fn home(&self, user: &str) -> AnyHome {
        self.home_of(user, Actor::Service)
    }

    fn home_of(&self, user: &str, actor: Actor) -> AnyHome {
        let owner = format!("{user}@va.test").parse().unwrap();
        self.store.home(Account::plain(owner, actor, self.spool.join(user), self.spool.join("home"), Spool::Maildir))
    }

    fn letter(&self, text: &str) -> Incoming {
        Incoming::new(Letter::of(text.as_bytes(), &Places::inside(&self.var, Fsync::Never)).unwrap())
    }

    async fn deliver(&self, user: &str, text: &str) -> Result<(), Trouble> {
        self.home(user).append(&inbox(), &[self.letter(text)]).await.map(drop)
    }

    async fn texts(&self, user: &str) -> Vec<String> {
        let mut folder = self.home(user).open(&inbox()).await.unwrap();
        let uids: Vec<u32> = folder.state().messages().map(|entry| entry.uid).collect();
        let mut texts = Vec::new();
        for uid in uids {
            texts.push(String::from_utf8(text(folder.read(uid).await.unwrap()).await).unwrap());
        }
        texts
    }
}

fn inbox() -> FolderName {
    FolderName::inbox()
}

fn expunged(uids: Uids) -> Changes {
    Changes { expunge: uids, ..Changes::default() }
}

fn block(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

fn mount(how: &[impl AsRef<OsStr>], at: &Path) {
    succeed(Command::new("mount").args(how).arg(at));
}

/// Messages in parts of joe's INBOX. A lock that is used again lies in `tmp` between.
fn count(mail: &Path, parts: &[&str]) -> usize {
    let is_mail = |file: &fs::DirEntry| !file.file_name().as_bytes().ends_with(b".lock");
    parts.iter().map(|part| fs::read_dir(mail.join("spool/joe").join(part)).unwrap().map(Result::unwrap).filter(is_mail).count()).sum()
}

const ONE: &str = "Subject: one\n\none\n";
const TWO: &str = "Subject: two\n\ntwo\n";

#[test]
fn a_full_disk_refuses_mail_loses_none_and_lets_messages_be_removed() {
    need!(root);
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("mail");
    fs::create_dir(&mail).unwrap();
    with_own_mounts(|| {
        mount(&["-t", "tmpfs", "-o", "size=1m", "mail"], &mail);
        block(async {
            let site = Site::at(&mail);
            site.deliver("ann", ONE).await.unwrap();
            let large = format!("Subject: large\n\n{}", "much of it\n".repeat(5000));
            let mut kept = 0;
            let refused = loop {
                match site.deliver("joe", &large).await {
                    Ok(()) => kept += 1,
                    Err(trouble) => break trouble,
                }
            };
            assert!(matches!(refused, Trouble::Full(_)), "{refused}");
            // The last octets, too.
            let _ = fs::write(mail.join("filler"), vec![0; 1 << 20]);
            assert!(site.deliver("joe", ONE).await.is_err());
            assert_eq!(count(&mail, &["tmp"]), 0, "half messages were left");
            for site in [&site, &site.again()] {
                assert_eq!(site.texts("joe").await, vec![large.clone(); kept]);
                assert_eq!(site.texts("ann").await, [ONE]);
            }
            let mut folder = site.home("joe").open(&inbox()).await.unwrap();
            folder.apply(&expunged([1, 2].into_iter().collect())).await.unwrap();
            folder.settle().await.unwrap();
            assert_eq!(count(&mail, &["new", "cur"]), kept - 2);
            assert_eq!(site.again().texts("joe").await.len(), kept - 2);
            fs::remove_file(mail.join("filler")).unwrap();
            site.deliver("joe", TWO).await.unwrap();
            assert_eq!(site.again().texts("joe").await.last().unwrap(), TWO);
        });
    });
}

#[test]
fn a_read_only_disk_can_be_read() {
    need!(root);
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("mail");
    fs::create_dir(&mail).unwrap();
    with_own_mounts(|| {
        let poor = folder.path().join("poor");
        fs::create_dir(&poor).unwrap();
        mount(&["-t", "tmpfs", "mail"], &mail);
        mount(&["--bind".as_ref(), mail.as_os_str()], &poor);
        mount(&["-o", "remount,bind,ro"], &poor);
        block(async {
            let site = Site::at(&mail);
            site.deliver("joe", ONE).await.unwrap();
            fs::write(mail.join("spool/joe/new/1500000000.foreign"), TWO).unwrap();
            let (spool, var) = (poor.join("spool"), poor.join("var"));
            let store = Store::new(Places::inside(&var, Fsync::Optimized));
            let poor = Site { spool, var, store };
            let refused = poor.deliver("joe", TWO).await.unwrap_err();
            assert!(refused.to_string().contains("Read-only"), "{refused}");
            let mut folder = poor.home("joe").open(&inbox()).await.unwrap();
            assert_eq!(poor.texts("joe").await[0], ONE);
            assert!(folder.apply(&expunged(Uids::all())).await.is_err());
            assert_eq!(site.again().texts("joe").await, [ONE, TWO]);
        });
    });
}

#[test]
fn missing_parts_are_made_again_and_links_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::at(folder.path());
    let other = folder.path().join("precious");
    fs::create_dir_all(other.join("cur")).unwrap();
    fs::write(other.join("cur/secret"), "secret").unwrap();
    block(async {
        for part in ["cur", "new", "tmp"] {
            site.deliver("joe", ONE).await.unwrap();
            fs::remove_dir_all(site.spool.join("joe").join(part)).unwrap();
            site.deliver("joe", TWO).await.unwrap();
            assert_eq!(site.again().texts("joe").await.last().unwrap(), TWO, "{part}");
        }
        for part in ["cur", "new", "tmp", "", ".Lists"] {
            let user = format!("user{part}");
            site.deliver(&user, ONE).await.unwrap();
            let place = site.spool.join(&user).join(part);
            let _ = fs::rename(&place, folder.path().join(format!("aside{part}")));
            let place = if part.is_empty() { site.spool.join(&user) } else { place };
            symlink(&other, &place).unwrap();
            let home = site.again().home(&user);
            let name = if part == ".Lists" { FolderName::parse("Lists", '/').unwrap() } else { inbox() };
            let refused = match home.append(&name, &[site.letter(TWO)]).await {
                Err(trouble) => trouble,
                Ok(_) => panic!("{part} is a link and was followed"),
            };
            assert!(matches!(refused, Trouble::NotMailbox { .. }), "{part}: {refused}");
        }
        assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
        // A message that is a link is none.
        site.deliver("ann", ONE).await.unwrap();
        symlink(other.join("cur/secret"), site.spool.join("ann/cur/1500000000.link:2,S")).unwrap();
        symlink(other.join("cur/secret"), site.spool.join("ann/new/1500000001.link")).unwrap();
        assert_eq!(site.again().texts("ann").await, [ONE]);
    });
}

#[test]
fn file_names_of_any_octets_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::at(folder.path());
    block(async {
        site.deliver("joe", ONE).await.unwrap();
        let names: [&[u8]; 9] = [
            b"\xff\xfe",
            b"a\nb",
            b":2,S",
            b"x:2,S\r",
            b"x:y:z",
            b" ",
            b"100000000000000000000000.",
            b"1500000000.M1P1.h,S=9,W=10:2,",
            &[b'a'; 255],
        ];
        for name in names {
            for part in ["cur", "new"] {
                fs::write(site.spool.join("joe").join(part).join(OsStr::from_bytes(name)), TWO).unwrap();
            }
        }
        fs::create_dir(site.spool.join("joe/cur/1500000000.folder:2,")).unwrap();
        let texts = site.again().texts("joe").await;
        assert!(texts.iter().all(|text| text == ONE || text == TWO) && texts.contains(&ONE.to_owned()));
        let mut open = site.home("joe").open(&inbox()).await.unwrap();
        let mut changes = Changes::default();
        changes.add(open.state().messages().map(|entry| entry.uid).collect(), Flags::FLAGGED);
        open.apply(&changes).await.unwrap();
        open.settle().await.unwrap();
        fs::remove_dir_all(site.var.join("index")).unwrap();
        let after = site.again().home("joe").open(&inbox()).await.unwrap();
        let seen = |folder: &vmail::store::AnyFolder| folder.state().messages().map(|entry| entry.uid).collect::<Vec<_>>();
        assert_eq!(seen(&after), seen(&open));
        // A name of 255 octets has no room for flags.
        let kept = after.state().messages().filter(|entry| entry.flags().contains(Flags::FLAGGED)).count();
        assert_eq!(kept, after.state().len() - 1);
        assert_eq!(site.again().texts("joe").await, texts);
    });
}

#[test]
fn an_index_that_is_damaged_under_its_users_loses_nothing() {
    let damages: [fn(&Path); 5] = [
        |file| fs::File::options().write(true).open(file).unwrap().set_len(10).unwrap(),
        |file| fs::write(file, "").unwrap(),
        |file| fs::write(file, vec![0; fs::metadata(file).unwrap().len() as usize]).unwrap(),
        |file| fs::write(file, b"garbage ".repeat(fs::metadata(file).unwrap().len() as usize / 8 + 1)).unwrap(),
        |file| fs::remove_file(file).unwrap(),
    ];
    for (nth, damage) in damages.iter().enumerate() {
        for file in ["vmail.index", "vmail.journal", "vmail.cache"] {
            let folder = tempfile::tempdir().unwrap();
            let site = Site::at(folder.path());
            block(async {
                for serial in 0..20 {
                    site.deliver("joe", &format!("Subject: {serial}\n\n{serial}\n")).await.unwrap();
                }
                let mut open = site.home("joe").open(&inbox()).await.unwrap();
                let mut changes = Changes::default();
                changes.add([3, 4].into_iter().collect(), Flags::SEEN);
                open.apply(&changes).await.unwrap();
                open.settle().await.unwrap();
                damage(&site.var.join("index/va.test/joe").join(file));
                let context = format!("{file}, {nth}");
                site.deliver("joe", ONE).await.unwrap_or_else(|trouble| panic!("{context}: {trouble}"));
                open.refresh().await.unwrap();
                changes.flags[0].uids.insert(5);
                open.apply(&changes).await.unwrap_or_else(|trouble| panic!("{context}: {trouble}"));
                open.settle().await.unwrap();
                for site in [&site, &site.again()] {
                    let open = site.home("joe").open(&inbox()).await.unwrap();
                    let seen: Vec<(u32, bool)> =
                        open.state().messages().map(|entry| (entry.uid, entry.flags().contains(Flags::SEEN))).collect();
                    let expected: Vec<(u32, bool)> = (1..=21).map(|uid| (uid, (3..=5).contains(&uid))).collect();
                    assert_eq!(seen, expected, "{context}");
                    assert_eq!(site.texts("joe").await.last().unwrap(), ONE, "{context}");
                }
            });
        }
    }
}

#[test]
fn what_only_an_index_had_survives_its_removal_under_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::at(folder.path());
    block(async {
        for serial in 0..5 {
            site.deliver("joe", &format!("Subject: {serial}\n\n{serial}\n")).await.unwrap();
        }
        let mut open = site.home("joe").open(&inbox()).await.unwrap();
        open.settle().await.unwrap();
        let mut changes = expunged([2].into_iter().collect());
        changes.add([3, 4].into_iter().collect(), Flags::SEEN);
        open.apply(&changes).await.unwrap();
        fs::remove_dir_all(site.var.join("index")).unwrap();
        open.refresh().await.unwrap();
        open.settle().await.unwrap();
        for site in [&site, &site.again()] {
            let open = site.home("joe").open(&inbox()).await.unwrap();
            let seen = open.state().messages().map(|entry| (entry.uid, entry.flags().contains(Flags::SEEN))).collect::<Vec<_>>();
            assert_eq!(seen, [(1, false), (3, true), (4, true), (5, false)]);
        }
    });
}

#[test]
fn files_belong_to_their_owner_and_to_nobody_else() {
    need!(root);
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let site = Site::at(folder.path());
    let actor = Actor::User { uid: 61234, gid: 61235 };
    block(async {
        let home = site.home_of("joe", actor);
        let lists = FolderName::parse("Lists", '/').unwrap();
        home.append(&inbox(), &[site.letter(ONE), site.letter(TWO)]).await.unwrap();
        home.create(&lists, Some(vmail::config::SpecialUse::Archive)).await.unwrap();
        home.subscribe(&lists, true).await.unwrap();
        let mut open = home.open(&inbox()).await.unwrap();
        let mut changes = Changes::default();
        changes.add(Uids::all(), Flags::SEEN);
        changes.flags[0].keywords = (0..30).map(|word| format!("word{word}")).collect();
        open.apply(&changes).await.unwrap();
        open.settle().await.unwrap();
        open.copy(&Uids::all(), &lists).await.unwrap();
        open.apply(&expunged([1].into_iter().collect())).await.unwrap();
        open.settle().await.unwrap();
        home.rename(&lists, &FolderName::parse("Old", '/').unwrap()).await.unwrap();
        let mut levels = vec![site.spool.join("joe")];
        let mut files = 0;
        while let Some(path) = levels.pop() {
            let known = path.symlink_metadata().unwrap();
            assert_eq!((known.uid(), known.gid()), (61234, 61235), "{}", path.display());
            assert_eq!(known.mode() & 0o777, if known.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
            files += usize::from(known.is_file());
            levels.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
        assert!(files > 8, "{files}");
        // Another's files are not for him.
        let stranger = site.again().home_of("joe", Actor::User { uid: 61236, gid: 61235 });
        let refused = stranger.append(&inbox(), &[site.letter(ONE)]).await.unwrap_err();
        assert!(refused.to_string().contains("denied"), "{refused}");
        site.deliver("ann", ONE).await.unwrap();
    });
}

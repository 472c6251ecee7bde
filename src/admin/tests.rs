//! Deeds on trees of their own: what is in the way, what was interrupted, who is logged in.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::address::{Domain, Owner};
use crate::config::Owned;
use crate::os::Actor;
use crate::store::quota::{Quota, Usage};
use crate::store::{Places, Store};
use crate::vdomain::password::Secret;

struct Tree(tempfile::TempDir);

impl Tree {
    fn new(owner: Owned) -> Tree {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(folder.path().join("etc/vmail")).unwrap();
        let tree = Tree(folder);
        fs::write(tree.at("etc/vmail/vmail.toml"), "host = \"host.test\"\nuser = \"nobody\"\n").unwrap();
        tree.admin().add_domain(&new_domain(owner)).unwrap();
        tree
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn admin(&self) -> Admin {
        Admin::lock(Root::new(self.0.path())).unwrap()
    }

    fn add(&self, owner: &str) -> anyhow::Result<u32> {
        let secret = Secret::new(b"secret".to_vec()).unwrap();
        self.admin().add_user(&NewUser { owner: owner.parse().unwrap(), full_name: String::new(), secret })
    }

    /// Adds a line to the beginning of the domain's record.
    fn record(&self, line: &str) {
        let path = self.at("etc/vmail/domains/va.test.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{line}{text}")).unwrap();
    }

    /// What the running service has.
    fn store(&self) -> Store {
        let root = Root::new(self.0.path());
        Store::new(Places::below(&root, &Machine::load(&root).unwrap()))
    }

    fn exists(&self, path: &str) -> bool {
        folders::is_there(&self.at(path))
    }
}

fn new_domain(owner: Owned) -> NewDomain {
    NewDomain { name: va(), ip: Vec::new(), alias: Vec::new(), owner }
}

fn va() -> Domain {
    "va.test".parse().unwrap()
}

fn joe() -> Owner {
    "joe@va.test".parse().unwrap()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn owner_and_mode(path: &Path) -> (u32, u32) {
    let meta = fs::symlink_metadata(path).unwrap();
    (meta.uid(), meta.mode() & 0o7777)
}

const STRANGER: u32 = 61_234;

#[test]
fn what_strangers_have_put_there_is_no_accounts() {
    if !is_root() {
        return; // Nobody else gives files away.
    }
    for owned in [Owned::User, Owned::Vmail] {
        let tree = Tree::new(owned);
        let (spool, home) = (tree.at("var/spool/vmail/va.test/joe"), tree.at("vhome/va.test/home/joe"));
        let precious = tree.at("precious");
        fs::write(&precious, "x").unwrap();
        let before = owner_and_mode(&precious);
        let refused = |why: &str| {
            let error = format!("{:#}", tree.add("joe@va.test").unwrap_err());
            assert!(error.contains(": is in the way: ") && error.ends_with(why), "{error}");
            assert_eq!(owner_and_mode(&precious), before);
            assert_eq!(fs::read_to_string(tree.at("etc/vmail/passwd.va.test")).unwrap(), "");
        };
        symlink(&precious, &spool).unwrap();
        refused("it is a symbolic link");
        fs::remove_file(&spool).unwrap();
        fs::hard_link(&precious, &spool).unwrap();
        refused("it has other names too");
        fs::remove_file(&spool).unwrap();
        fs::write(&spool, "x").unwrap();
        chown(&spool, Some(STRANGER), None).unwrap();
        refused("it belongs to uid 61234");
        fs::remove_file(&spool).unwrap();
        fs::remove_dir(&home).unwrap();
        symlink(tree.at("etc"), &home).unwrap();
        let etc = owner_and_mode(&tree.at("etc"));
        assert!(tree.add("joe@va.test").is_err());
        assert_eq!(owner_and_mode(&tree.at("etc")), etc);
        fs::remove_file(&home).unwrap();
        fs::create_dir(&home).unwrap();
        chown(&home, Some(STRANGER), None).unwrap();
        refused("it belongs to uid 61234");
        fs::remove_dir(&home).unwrap();
        tree.add("joe@va.test").unwrap();
    }
}

#[test]
fn kept_mail_is_for_the_next_account_of_that_name() {
    let tree = Tree::new(Owned::User);
    tree.record("spool = \"mbox\"\n");
    let spool = tree.at("var/spool/vmail/va.test/joe");
    let first = if is_root() { tree.add("joe@va.test").unwrap() } else { return };
    fs::write(&spool, "mail").unwrap();
    assert_eq!(owner_and_mode(&spool), (first, 0o600));
    tree.admin().remove_user(&joe(), Remains::Kept).unwrap();
    assert_eq!(owner_and_mode(&spool), (0, 0o600));
    assert_eq!(owner_and_mode(&tree.at("vhome/va.test/home/joe")), (0, 0o700));
    let second = tree.add("joe@va.test").unwrap();
    assert_ne!(first, second);
    assert_eq!(owner_and_mode(&spool), (second, 0o600));
    assert_eq!(owner_and_mode(&tree.at("vhome/va.test/home/joe")), (second, 0o700));
    assert_eq!(fs::read_to_string(&spool).unwrap(), "mail");
    // And with the domain; what is there decides what it is.
    tree.admin().remove_domain(&va(), Remains::Kept).unwrap();
    tree.admin().add_domain(&new_domain(Owned::User)).unwrap();
    let third = tree.add("joe@va.test").unwrap();
    assert!(third > second, "uids are not given twice");
    assert_eq!(owner_and_mode(&spool), (third, 0o600));
}

#[test]
fn a_maildrop_has_the_form_that_the_domain_wants() {
    let tree = Tree::new(Owned::Vmail);
    tree.add("ann@va.test").unwrap();
    tree.record("spool = \"mbox\"\n");
    tree.add("joe@va.test").unwrap();
    let spool = tree.at("var/spool/vmail/va.test");
    let service = tree.admin().service().map_or(rustix::process::geteuid().as_raw(), |(uid, _)| uid);
    ["ann", "ann/cur", "ann/new", "ann/tmp"]
        .iter()
        .for_each(|part| assert_eq!(owner_and_mode(&spool.join(part)), (service, 0o700), "{part}"));
    assert_eq!(owner_and_mode(&spool.join("joe")), (service, 0o600));
    assert!(spool.join("joe").is_file());
    tree.admin().rename_user(&"ann@va.test".parse().unwrap(), &"eve".parse().unwrap()).unwrap();
    assert!(tree.exists("var/spool/vmail/va.test/eve/cur") && !tree.exists("var/spool/vmail/va.test/ann"));
    tree.admin().remove_user(&"eve@va.test".parse().unwrap(), Remains::Purged).unwrap();
    assert!(!tree.exists("var/spool/vmail/va.test/eve"));
}

#[test]
fn a_kept_maildir_becomes_the_next_accounts_with_all_that_is_in_it() {
    let tree = Tree::new(Owned::User);
    let first = if is_root() { tree.add("joe@va.test").unwrap() } else { return };
    let spool = tree.at("var/spool/vmail/va.test/joe");
    for made in [".Sent", ".Sent/cur"] {
        fs::create_dir(spool.join(made)).unwrap();
    }
    let files = ["cur/1.a:2,S", "dovecot-uidlist", ".Sent/cur/2.a:2,"];
    files.iter().for_each(|file| fs::write(spool.join(file), "mail").unwrap());
    for made in [&files[..], &[".Sent", ".Sent/cur"]].concat() {
        chown(spool.join(made), Some(first), Some(first)).unwrap();
    }
    let precious = tree.at("precious");
    fs::write(&precious, "x").unwrap();
    symlink(&precious, spool.join("cur/link")).unwrap();
    fs::hard_link(&precious, spool.join("cur/hard")).unwrap();
    tree.admin().remove_user(&joe(), Remains::Kept).unwrap();
    assert_eq!(owner_and_mode(&spool), (0, 0o700), "nobody gets in meanwhile");
    let second = tree.add("joe@va.test").unwrap();
    assert_eq!(owner_and_mode(&spool), (second, 0o700));
    for given in [&files[..], &["cur", "new", "tmp", ".Sent", ".Sent/cur"]].concat() {
        assert_eq!(owner_and_mode(&spool.join(given)).0, second, "{given}");
    }
    assert_eq!(owner_and_mode(&precious).0, 0, "what was never the account's does not become it");
}

#[test]
fn nothing_is_moved_under_a_session() {
    let tree = Tree::new(Owned::Vmail);
    tree.add("joe@va.test").unwrap();
    let admin = tree.admin();
    assert!(admin.claim(admin.directory().get(&va()).unwrap(), []).unwrap().is_empty(), "makes the folder of the locks");
    let store = tree.store();
    let service = admin.service().map_or(Actor::Service, |(uid, gid)| Actor::User { uid, gid });
    let session = service.run(|| Ok(store.claim(&joe()))).unwrap().unwrap();
    let (new, vb) = ("ann".parse().unwrap(), "vb.test".parse().unwrap());
    for refused in [
        admin.rename_user(&joe(), &new),
        admin.remove_user(&joe(), Remains::Kept),
        admin.remove_user(&joe(), Remains::Purged),
        admin.rename_domain(&va(), &vb),
        admin.remove_domain(&va(), Remains::Purged),
    ] {
        assert_eq!(refused.unwrap_err().to_string(), "joe@va.test is logged in; try again");
    }
    assert!(tree.exists("var/spool/vmail/va.test/joe") && tree.exists("etc/vmail/domains/va.test.toml"));
    drop(session);
    admin.rename_user(&joe(), &new).unwrap();
    assert!(tree.exists("var/spool/vmail/va.test/ann"));
}

#[test]
fn an_interrupted_update_is_finished_before_anything_moves() {
    let tree = Tree::new(Owned::Vmail);
    tree.record("spool = \"mbox\"\n");
    tree.add("joe@va.test").unwrap();
    // One that is not whole was never acted upon: to finish it is to take it away.
    let pending = || {
        fs::create_dir_all(tree.at("var/lib/vmail/redo/va.test")).unwrap();
        fs::write(tree.at("var/lib/vmail/redo/va.test/joe"), "half").unwrap();
        if let Some((uid, gid)) = tree.admin().service() {
            for path in ["", "/va.test", "/va.test/joe"] {
                chown(tree.at(&format!("var/lib/vmail/redo{path}")), Some(uid), Some(gid)).unwrap();
            }
        }
    };
    pending();
    tree.admin().rename_user(&joe(), &"ann".parse().unwrap()).unwrap();
    assert!(!tree.exists("var/lib/vmail/redo/va.test/joe") && !tree.exists("var/lib/vmail/redo/va.test/ann"));
    tree.admin().rename_user(&"ann@va.test".parse().unwrap(), joe().user()).unwrap();
    pending();
    tree.admin().rename_domain(&va(), &"vb.test".parse().unwrap()).unwrap();
    assert!(tree.exists("var/lib/vmail/redo/vb.test") && !tree.exists("var/lib/vmail/redo/vb.test/joe"));
    assert!(!tree.exists("var/lib/vmail/redo/va.test"));
}

#[test]
fn what_is_counted_follows_the_names_and_goes_with_the_mail() {
    let tree = Tree::new(Owned::Vmail);
    tree.add("joe@va.test").unwrap();
    let of = |domain: &str| Quota::open(&tree.at("var/lib/vmail/quota"), &domain.parse().unwrap());
    let some = Usage { octets: 7, messages: 1 };
    let admin = tree.admin();
    service::make_folders(&admin.root, &admin.machine).unwrap();
    service::actor(&admin.machine).run(|| of("va.test").set(joe().user(), "INBOX", some).map_err(std::io::Error::other)).unwrap();
    drop(admin);
    tree.admin().rename_user(&joe(), &"jim".parse().unwrap()).unwrap();
    assert_eq!(of("va.test").usage(&"jim".parse().unwrap()).unwrap(), some);
    tree.admin().rename_domain(&va(), &"vb.test".parse().unwrap()).unwrap();
    assert!(!tree.exists("var/lib/vmail/quota/va.test"));
    assert_eq!(of("vb.test").usage(&"jim".parse().unwrap()).unwrap(), some);
    tree.admin().remove_user(&"jim@vb.test".parse().unwrap(), Remains::Purged).unwrap();
    assert_eq!(of("vb.test").domain_usage().unwrap(), Usage::default());
    tree.admin().remove_domain(&"vb.test".parse().unwrap(), Remains::Kept).unwrap();
    assert!(!tree.exists("var/lib/vmail/quota/vb.test"));
}

#[test]
fn what_others_make_for_a_purged_account_goes_with_it() {
    let tree = Tree::new(Owned::Vmail);
    tree.add("joe@va.test").unwrap();
    fs::create_dir_all(tree.at("var/lib/vmail/redo/va.test")).unwrap();
    fs::write(tree.at("var/lib/vmail/redo/va.test/.joe.aside.1"), "mail").unwrap();
    tree.admin().remove_domain(&va(), Remains::Purged).unwrap();
    for gone in ["var/lib/vmail/redo/va.test", "var/spool/vmail/va.test", "vhome/va.test", "etc/vmail/shadow.va.test"] {
        assert!(!tree.exists(gone), "{gone}");
    }
}

#[test]
fn hashes_are_for_the_service_also_where_the_file_was_missing() {
    let tree = Tree::new(Owned::User);
    for gone in ["shadow.va.test", "aliases.va.test", "domains/va.test.toml"] {
        fs::remove_file(tree.at("etc/vmail").join(gone)).unwrap();
    }
    tree.add("joe@va.test").unwrap();
    let shadow = fs::metadata(tree.at("etc/vmail/shadow.va.test")).unwrap();
    match tree.admin().service() {
        Some((_, gid)) => assert_eq!((shadow.gid(), shadow.mode() & 0o777), (gid, 0o640)),
        None => assert_eq!(shadow.mode() & 0o777, 0o600),
    }
}

#[test]
fn an_interrupted_renaming_can_be_repeated() {
    let (vb, vc): (Domain, Domain) = ("vb.test".parse().unwrap(), "vc.test".parse().unwrap());
    let count = Tree::new(Owned::Vmail).admin().places(&va()).len();
    for done in 0..count {
        let tree = Tree::new(Owned::Vmail);
        tree.add("joe@va.test").unwrap();
        let admin = tree.admin();
        for (from, to) in std::iter::zip(admin.places(&va()), admin.places(&vb)).take(done) {
            folders::move_if_there(&from, &to).unwrap();
        }
        drop(admin);
        tree.admin().rename_domain(&va(), &vb).unwrap_or_else(|error| panic!("after {done}: {error:#}"));
        assert!(tree.admin().places(&va()).iter().all(|place| !folders::is_there(place)));
        assert!(tree.exists("var/spool/vmail/vb.test/joe") && tree.exists("etc/vmail/passwd.vb.test"));
        tree.admin().add_domain(&NewDomain { name: vc.clone(), ..new_domain(Owned::Vmail) }).unwrap();
        assert!(tree.admin().rename_domain(&vb, &vc).is_err(), "another domain is in the way");
        assert!(tree.exists("etc/vmail/domains/vb.test.toml"));
    }
}

#[test]
fn a_domain_is_never_without_its_record() {
    let tree = Tree::new(Owned::Vmail);
    // Where the folder of all indexes should be: the removal stops half-way.
    fs::create_dir_all(tree.at("var/lib/vmail/index")).unwrap();
    fs::remove_dir(tree.at("var/lib/vmail/index")).unwrap();
    fs::write(tree.at("var/lib/vmail/index"), "").unwrap();
    assert!(tree.admin().remove_domain(&va(), Remains::Kept).is_err());
    assert!(tree.exists("etc/vmail/domains/va.test.toml") && !tree.exists("etc/vmail/shadow.va.test"));
    fs::remove_file(tree.at("var/lib/vmail/index")).unwrap();
    tree.admin().remove_domain(&va(), Remains::Kept).unwrap();
    assert!(!tree.exists("etc/vmail/domains/va.test.toml") && !tree.exists("etc/vmail/passwd.va.test"));

    let obstacle = tree.at(&format!("etc/vmail/.passwd.va.test.{}.new", std::process::id()));
    fs::create_dir(&obstacle).unwrap();
    assert!(tree.admin().add_domain(&new_domain(Owned::Vmail)).is_err());
    assert!(tree.exists("etc/vmail/domains/va.test.toml") && !tree.exists("etc/vmail/passwd.va.test"));
}

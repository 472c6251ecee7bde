//! The store without a protocol around it: appends, openings, flags, copies, moves and expunges through `Home` and `Folder`, with the
//! plain system calls that they can't do without beside them. Prints one JSON object a row.
//!
//! `store FOLDER ROW [SIZE]`; see [`main`] for the rows. FOLDER is to be on the disk that is measured.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vmail::config::{Fsync, Spool};
use vmail::os::Actor;
use vmail::store::{Account, Changes, Flags, Folder, FolderName, Home, Incoming, Letter, Places, Store, Uids};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(row)) = (arguments.next(), arguments.next()) else { usage() };
    let size = arguments.next().map_or(10_000, |size| size.parse().unwrap_or_else(|_| usage()));
    let bench = Bench::new(Path::new(&folder));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be started");
    runtime.block_on(async {
        match row.as_str() {
            "append-1" => bench.appends("append-1", 1, 1).await,
            "append-16" => bench.appends("append-16", 16, 16).await,
            "append-one" => bench.appends("append-one", 16, 1).await,
            "scale" => bench.scale(size).await,
            "first" => bench.first(size).await,
            "flags" => bench.flags(size).await,
            "copy" => bench.copies(size).await,
            "idle" => bench.idle(size).await,
            "mbox" => bench.mbox(size).await,
            _ => usage(),
        }
    });
}

fn usage() -> ! {
    eprintln!("usage: store FOLDER append-1|append-16|append-one|scale|first|flags|copy|idle|mbox [SIZE]");
    std::process::exit(64)
}

struct Bench {
    top: PathBuf,
}

impl Bench {
    fn new(top: &Path) -> Bench {
        fs::create_dir_all(top).expect("the folder can be made");
        Bench { top: top.into() }
    }

    fn places(&self, fsync: Fsync) -> Places {
        Places::inside(&self.top, fsync)
    }

    fn store(&self) -> Store {
        Store::new(self.places(Fsync::Optimized))
    }

    fn account(&self, user: &str) -> Account {
        let owner = format!("{user}@bench.test").parse().expect("a name and a domain");
        let (spool, home) = (self.top.join("spool").join(user), self.top.join("home").join(user));
        Account::plain(owner, Actor::Service, spool, home, Spool::Maildir)
    }

    fn letter(&self, octets: usize) -> Letter {
        letter(&self.places(Fsync::Never), octets, 0)
    }

    /// Appends of 10 kB by `writers` at once into `mailboxes`, alternating with a loop of the system calls alone.
    async fn appends(&self, row: &str, writers: usize, mailboxes: usize) {
        let (mut ours, mut loops) = (Vec::new(), Vec::new());
        for round in 0..5 {
            loops.push(self.system_calls(writers, mailboxes, round));
            ours.push(self.append_all(writers, mailboxes, round).await);
        }
        let (ours, loops) = (median(ours), median(loops));
        report(row, &[("per_second", ours), ("loop_per_second", loops), ("ratio", ours / loops)]);
    }

    async fn append_all(&self, writers: usize, mailboxes: usize, round: usize) -> f64 {
        let (store, inbox) = (self.store(), FolderName::inbox());
        let homes: Vec<_> =
            (0..mailboxes).map(|number| store.home(self.account(&format!("a{writers}x{mailboxes}r{round}n{number}")))).collect();
        for home in &homes {
            home.append(&inbox, &[Incoming::new(self.letter(100))]).await.expect("it can be appended");
        }
        let letter = self.letter(10_000);
        let count = MESSAGES / writers;
        let began = Instant::now();
        let tasks: Vec<_> = (0..writers)
            .map(|writer| {
                let (home, letter) = (homes[writer % mailboxes].clone(), letter.clone());
                tokio::spawn(async move {
                    for _ in 0..count {
                        home.append(&FolderName::inbox(), &[Incoming::new(letter.clone())]).await.expect("it can be appended");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        (count * writers) as f64 / began.elapsed().as_secs_f64()
    }

    /// write, fsync, rename, fsync of the folder.
    fn system_calls(&self, writers: usize, mailboxes: usize, round: usize) -> f64 {
        let text = vec![b'x'; 10_000];
        let tops: Vec<PathBuf> =
            (0..mailboxes).map(|number| self.top.join(format!("loop/{writers}x{mailboxes}r{round}n{number}"))).collect();
        for top in &tops {
            fs::create_dir_all(top.join("tmp")).expect("it can be made");
            fs::create_dir_all(top.join("new")).expect("it can be made");
        }
        let count = MESSAGES / writers;
        let began = Instant::now();
        std::thread::scope(|scope| {
            for writer in 0..writers {
                let (top, text) = (&tops[writer % mailboxes], &text);
                scope.spawn(move || {
                    for number in 0..count {
                        let (from, to) = (top.join(format!("tmp/{writer}.{number}")), top.join(format!("new/{writer}.{number}")));
                        let mut file = File::create(&from).expect("it can be made");
                        file.write_all(text).expect("it can be written");
                        file.sync_all().expect("it can be synced");
                        fs::rename(&from, &to).expect("it can be renamed");
                        File::open(top.join("new")).expect("it is there").sync_all().expect("it can be synced");
                    }
                });
            }
        });
        (count * writers) as f64 / began.elapsed().as_secs_f64()
    }

    /// An account with `size` messages that were read, made once: they lie where sessions have put them.
    async fn filled(&self, user: &str, size: usize) -> Account {
        self.filled_with(user, size, Flags::SEEN).await
    }

    async fn filled_with(&self, user: &str, size: usize, flags: Flags) -> Account {
        let account = self.account(user);
        let store = Store::new(self.places(Fsync::Never));
        let home = store.home(account.clone());
        let there = home.open(&FolderName::inbox()).await.map_or(0, |folder| folder.state().len());
        let places = self.places(Fsync::Never);
        let marked = |number| Incoming { flags, ..Incoming::new(letter(&places, 300, number)) };
        let letters: Vec<Incoming> = (0..1000).map(marked).collect();
        for _ in 0..(size.saturating_sub(there)).div_ceil(1000) {
            home.append(&FolderName::inbox(), &letters).await.expect("it can be appended");
        }
        account
    }

    /// What must not grow with the size of the mailbox.
    async fn scale(&self, size: usize) {
        let account = self.filled(&format!("scale{size}"), size).await;
        let inbox = FolderName::inbox();
        // Settled, and in the page cache.
        let mut folder = self.store().home(account.clone()).open(&inbox).await.expect("it opens");
        folder.settle().await.expect("it settles");
        drop(folder);
        let mut opens = Vec::new();
        for _ in 0..50 {
            let store = self.store();
            let (cpu, began) = (cpu(), Instant::now());
            let folder = store.home(account.clone()).open(&inbox).await.expect("it opens");
            opens.push((micros(began.elapsed()), micros(self::cpu() - cpu)));
            assert!(folder.state().len() >= size);
        }
        let store = self.store();
        let before = anonymous();
        let mut folder = store.home(account.clone()).open(&inbox).await.expect("it opens");
        let private = anonymous().saturating_sub(before);
        let uid = folder.state().nth(size / 2).expect("it is there").uid;
        let mut flags = Vec::new();
        for round in 0..40 {
            let change = if round % 2 == 0 { set(&[uid], Flags::FLAGGED) } else { clear(&[uid], Flags::FLAGGED) };
            let (cpu, began) = (cpu(), Instant::now());
            folder.apply(&change).await.expect("flags change");
            flags.push((micros(began.elapsed()), micros(self::cpu() - cpu)));
        }
        let home = store.home(account.clone());
        let (mut appends, mut news) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            let letter = Incoming::new(self.letter(10_000));
            let (cpu, began) = (cpu(), Instant::now());
            home.append(&inbox, &[letter]).await.expect("it can be appended");
            appends.push((micros(began.elapsed()), micros(self::cpu() - cpu)));
            let (cpu, began) = (self::cpu(), Instant::now());
            folder.refresh().await.expect("it is there");
            news.push((micros(began.elapsed()), micros(self::cpu() - cpu)));
        }
        let both = |values: Vec<(f64, f64)>| -> (f64, f64) {
            (median(values.iter().map(|one| one.0).collect()), median(values.iter().map(|one| one.1).collect()))
        };
        let ((open, open_cpu), (flag, flag_cpu), (append, append_cpu), (news, news_cpu)) =
            (both(opens), both(flags), both(appends), both(news));
        report(
            &format!("scale-{size}"),
            &[
                ("open_us", open),
                ("open_cpu_us", open_cpu),
                ("open_private_kb", private as f64),
                ("flag_us", flag),
                ("flag_cpu_us", flag_cpu),
                ("append_us", append),
                ("append_cpu_us", append_cpu),
                ("news_us", news),
                ("news_cpu_us", news_cpu),
            ],
        );
    }

    /// Opening mail that nobody has seen, without an index.
    async fn first(&self, size: usize) {
        let account = self.filled_with(&format!("first{size}"), size, Flags::NONE).await;
        let mut times = Vec::new();
        for _ in 0..5 {
            fs::remove_dir_all(self.top.join("index/bench.test").join(account.owner.user().as_str())).expect("it was there");
            let store = self.store();
            let began = Instant::now();
            let folder = store.home(account.clone()).open(&FolderName::inbox()).await.expect("it opens");
            times.push(millis(began.elapsed()));
            assert!(folder.state().len() >= size);
        }
        report(&format!("first-{size}"), &[("ms", median(times))]);
    }

    async fn flags(&self, size: usize) {
        let account = self.filled(&format!("flags{size}"), size).await;
        let store = self.store();
        let mut folder = store.home(account).open(&FolderName::inbox()).await.expect("it opens");
        let uids: Vec<u32> = folder.state().messages().map(|message| message.uid).collect();
        let mut times = Vec::new();
        for _ in 0..9 {
            let began = Instant::now();
            folder.apply(&set(&uids, Flags::FLAGGED)).await.expect("flags change");
            folder.apply(&clear(&uids, Flags::FLAGGED)).await.expect("flags change");
            times.push(millis(began.elapsed()));
        }
        let began = Instant::now();
        folder.settle().await.expect("it settles");
        report(&format!("flags-{size}"), &[("ms", median(times)), ("settle_ms", millis(began.elapsed()))]);
    }

    async fn copies(&self, size: usize) {
        let (mut copies, mut moves, mut expunges) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..3 {
            let account = self.filled(&format!("copy{size}r{round}"), size).await;
            let store = self.store();
            let home = store.home(account);
            let target = FolderName::parse(&format!("Copies{}", std::process::id()), '/').expect("a name");
            home.create(&target, None).await.expect("it can be made");
            let mut folder = home.open(&FolderName::inbox()).await.expect("it opens");
            folder.settle().await.expect("it settles");
            let began = Instant::now();
            let copied = folder.copy(&Uids::all(), &target).await.expect("they can be copied");
            copies.push(millis(began.elapsed()));
            assert!(copied.uids.len() >= size);
            let began = Instant::now();
            folder.relocate(&Uids::all(), &target).await.expect("they can be moved");
            moves.push(millis(began.elapsed()));
            let mut target = home.open(&target).await.expect("it opens");
            let half: Uids = target.state().messages().take(size).step_by(2).map(|message| message.uid).collect();
            let began = Instant::now();
            target.apply(&Changes { expunge: half, ..Changes::default() }).await.expect("they can be expunged");
            expunges.push(millis(began.elapsed()));
            let began = Instant::now();
            target.settle().await.expect("it settles");
            eprintln!("settled in {:.1} ms", millis(began.elapsed()));
        }
        report(&format!("copy-{size}"), &[("copy_ms", median(copies)), ("move_ms", median(moves)), ("expunge_half_ms", median(expunges))]);
    }

    /// An mbox of `size` MiB: opened for the first time and again, appended to, and its first message expunged.
    async fn mbox(&self, size: usize) {
        let mut account = self.account(&format!("mbox{size}"));
        account.format = Spool::Mbox;
        fs::create_dir_all(account.spool.parent().expect("it is in a folder")).expect("it can be made");
        fs::create_dir_all(&account.home).expect("it can be made");
        write_mbox(&account.spool, size).expect("it can be written");
        let inbox = FolderName::inbox();
        let mut figures = Vec::new();
        for name in ["first_ms", "again_ms"] {
            let (store, began) = (self.store(), Instant::now());
            let folder = store.home(account.clone()).open(&inbox).await.expect("it opens");
            figures.push((name, millis(began.elapsed())));
            assert!(!folder.state().is_empty());
        }
        let home = self.store().home(account.clone());
        let mut folder = home.open(&inbox).await.expect("it opens");
        let began = Instant::now();
        home.append(&inbox, &[Incoming::new(self.letter(10_000))]).await.expect("it can be appended");
        figures.push(("append_ms", millis(began.elapsed())));
        let first = folder.state().nth(0).expect("there is one").uid;
        let began = Instant::now();
        folder.apply(&Changes { expunge: [first].into_iter().collect(), ..Changes::default() }).await.expect("it can be expunged");
        figures.push(("expunge_first_ms", millis(began.elapsed())));
        report(&format!("mbox-{size}"), &figures);
        fs::remove_file(&account.spool).expect("it was there");
    }

    /// The private memory of mailboxes that are open and idle.
    async fn idle(&self, size: usize) {
        for number in 0..100 {
            self.filled(&format!("idle{number}"), 100).await;
        }
        let store = self.store();
        let mut open = Vec::new();
        let mut at = HashMap::new();
        for count in 0..size {
            let user = format!("idle{}", count % 100);
            // The same files under many names: what one mailbox costs does not depend on whose it is.
            let mut account = self.account(&user);
            account.owner = format!("u{count}@bench.test").parse().expect("a name and a domain");
            open.push(store.home(account).open(&FolderName::inbox()).await.expect("it opens"));
            if count == size / 5 || count == size - 1 {
                at.insert(count, anonymous());
            }
        }
        let slope = (at[&(size - 1)] - at[&(size / 5)]) as f64 * 1024.0 / (size - 1 - size / 5) as f64;
        report(&format!("idle-{size}"), &[("octets_each", slope)]);
        drop(open);
    }
}

fn letter(places: &Places, octets: usize, number: usize) -> Letter {
    let head = format!(
        "From: Ann <ann@example.org>\r\nTo: joe@bench.test\r\nSubject: message {number}\r\nMessage-ID: <{number}@example.org>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\n"
    );
    let mut text = head.into_bytes();
    while text.len() < octets {
        text.extend_from_slice(b"The quick brown fox jumps over the lazy dog, and so on and so forth.\r\n");
    }
    Letter::of(&text, places).expect("it fits")
}

fn write_mbox(path: &Path, size: usize) -> std::io::Result<()> {
    let body = "The quick brown fox jumps over the lazy dog, and so on and so forth.\n".repeat(140);
    let mut file = std::io::BufWriter::new(File::create(path)?);
    let (mut written, mut number) = (0, 0);
    while written < size << 20 {
        let text = format!(
            "From ann@example.org Sun Nov 22 12:00:00 2026\nSubject: message {number}\nMessage-ID: <{number}@example.org>\n\n{body}\n"
        );
        file.write_all(text.as_bytes())?;
        written += text.len();
        number += 1;
    }
    // What is synced later is what was changed later.
    file.into_inner()?.sync_all()
}

fn set(uids: &[u32], flags: Flags) -> Changes {
    let mut changes = Changes::default();
    changes.add(uids.iter().copied().collect(), flags);
    changes
}

fn clear(uids: &[u32], flags: Flags) -> Changes {
    let mut changes = set(uids, flags);
    changes.flags[0].how = vmail::store::How::Remove;
    changes
}

/// This process's CPU time.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

/// Private memory in KiB.
fn anonymous() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux tells");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn report(row: &str, figures: &[(&str, f64)]) {
    let figures: Vec<String> = figures.iter().map(|(name, value)| format!("\"{name}\": {value:.3}")).collect();
    println!("{{\"row\": \"{row}\", {}}}", figures.join(", "));
}

/// Messages of one round.
const MESSAGES: usize = 800;

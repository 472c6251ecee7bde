//! What the store's index costs, by the size of the mailbox: `cargo run --release --example index`. The figures are milliseconds of
//! processor time, but for those with `sync`, which are of the clock.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vmail::store::Flags;
use vmail::store::disk::{Disk, Machine};
use vmail::store::index::{Arrival, Found, Index, Live, Marks, Op, Record, Span, State};

fn main() {
    if let Some(folder) = std::env::args().nth(1) {
        return println!("{}", memory(Path::new(&folder)));
    }
    let folder = std::env::temp_dir().join(format!("vmail-bench-index-{}", std::process::id()));
    let heads = ["messages", "open", "1 flag", "sync", "append", "news", "20k flags", "snapshot", "private"];
    println!("{}", heads.map(|head| format!("{head:>9}")).join(" "));
    for count in [1_000, 10_000, 100_000, 1_000_000] {
        measure(&folder, count);
        let _ = fs::remove_dir_all(&folder);
    }
}

fn opened(folder: &Path) -> Index {
    match Index::open(folder, &machine()).expect("readable") {
        Found::Index(index) => index,
        found => panic!("{found:?}"),
    }
}

fn machine() -> Arc<dyn Disk> {
    Arc::new(Machine)
}

/// Octets for one more open mailbox, in a process that has freed none before.
fn memory(folder: &Path) -> u64 {
    drop(opened(folder));
    let before = private();
    let many: Vec<Index> = (0..500).map(|_| opened(folder)).collect();
    (private() - before) / many.len() as u64
}

fn measure(folder: &Path, count: u32) {
    let mut index = Index::create(folder, &machine(), &state(count)).expect("an index");
    // So that the pages that an opening touches are there, as after any earlier one.
    drop(opened(folder));
    let open = average(200, || drop(opened(folder)));
    let program = std::env::current_exe().expect("a name");
    let held = Command::new(program).arg(folder).output().expect("it starts").stdout;
    let mut other = opened(folder);
    let mut random = 1u32;
    let mut flag = |index: &mut Index, add: bool| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        set(index, Span::one(random % count + 1), add);
    };
    let one = average(500, || flag(&mut index, true));
    let began = Instant::now();
    for _ in 0..50 {
        flag(&mut index, false);
        index.durable().sync().expect("a disk");
    }
    let synced = began.elapsed() / 50;
    other.follow().expect("readable");
    let mut uid = count;
    let append = average(500, || {
        uid += 1;
        index.lock().expect("free").append(&[Op::Append(vec![arrival(uid)])]).expect("a disk");
    });
    other.follow().expect("readable");
    let news = average(200, || {
        let modseq = other.state().head().modseq;
        flag(&mut index, true);
        other.follow().expect("readable");
        std::hint::black_box((other.state().changed_since(modseq).count(), other.state().vanished_since(modseq)));
    });
    let snapshot = average(1, || index.lock().expect("free").snapshot().expect("a disk"));
    let all = Span { first: count.saturating_sub(10_000) + 1, last: count };
    let ten = average(1, || {
        set(&mut index, all, true);
        set(&mut index, all, false);
    });
    let held = format!("{} B", String::from_utf8_lossy(&held).trim());
    let line = [open, one, synced, append, news, ten, snapshot].map(|time| format!("{:>9.3}", time.as_secs_f64() * 1000.0)).join(" ");
    println!("{count:>9} {line} {held:>9}");
}

fn set(index: &mut Index, uids: Span, add: bool) {
    let (remove, add) = if add { (Flags::NONE, Flags::FLAGGED) } else { (Flags::FLAGGED, Flags::NONE) };
    let marks = Marks { uids: vec![uids], remove, add, dirty: true, ..Marks::default() };
    index.lock().expect("free").append(&[Op::Flags(marks)]).expect("a disk");
}

fn arrival(uid: u32) -> Arrival {
    let record = Record { uid, len: 10_000, ..Record::default() };
    let name = format!("17{uid:08}.M123456P{uid}.mail.example.org,S=10000,W=10200:2,");
    Arrival { live: Live::new(record, name.as_bytes(), b""), keywords: vec![] }
}

fn state(count: u32) -> State {
    State::found(1, count + 1, [7; 16], (1..=count).map(arrival).collect()).expect("UIDs ascend")
}

fn average(times: u32, mut deed: impl FnMut()) -> Duration {
    let before = processor();
    (0..times).for_each(|_| deed());
    (processor() - before) / times
}

/// Time that this thread has used.
fn processor() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Octets that are this process's alone.
fn private() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").expect("a Linux kernel");
    let lines = text.lines().filter_map(|line| line.strip_prefix("Private_Dirty:"));
    lines.filter_map(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).sum::<u64>() * 1024
}

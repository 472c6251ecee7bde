//! The real `vmail serve` on loopback addresses, and clients of it over TCP.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::house::House;

/// A running server; dropped, it ends at once.
pub struct Daemon {
    child: Child,
    news: UnixDatagram,
    log: PathBuf,
}

impl Daemon {
    /// Starts it below `house`, and returns when it listens.
    pub fn start(house: &House) -> Daemon {
        let (socket, log) = (house.beside("notify"), house.beside("log"));
        // Of a server that ran below the same house before.
        let _ = fs::remove_file(&socket);
        let news = UnixDatagram::bind(&socket).unwrap();
        news.set_read_timeout(Some(PATIENCE)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_vmail"))
            .args([std::ffi::OsStr::new("--root"), house.root().path().as_os_str(), "serve".as_ref()])
            .env("NOTIFY_SOCKET", &socket)
            .env_remove("JOURNAL_STREAM")
            .stdin(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let daemon = Daemon { child, news, log };
        daemon.await_ready();
        daemon
    }

    /// Waits until it says that it is ready: after the start, or after a reload.
    pub fn await_ready(&self) {
        let mut news = [0; 4096];
        loop {
            let count = self.news.recv(&mut news).unwrap_or_else(|error| panic!("{error}: {}", self.log()));
            if String::from_utf8_lossy(&news[..count]).lines().any(|line| line == "READY=1") {
                return;
            }
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// How it ended, and after how long.
    pub fn wait(mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        let status = poll(|| self.child.try_wait().unwrap());
        (status, began.elapsed())
    }

    /// Octets of memory that it has needed at most.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        most.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client.
pub struct Client {
    lines: BufReader<TcpStream>,
}

impl Client {
    /// Connects and hears the greeting.
    pub fn greeted(address: SocketAddr) -> (Client, String) {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client { lines: BufReader::new(stream) };
        let greeting = client.hear();
        (client, greeting)
    }

    /// Connects and logs in.
    pub fn logged_in(address: SocketAddr, name: &str, password: &str) -> Client {
        let (mut client, greeting) = Client::greeted(address);
        assert!(greeting.starts_with("+OK"), "{greeting}");
        assert!(client.ask(&format!("USER {name}")).starts_with("+OK"));
        let answer = client.ask(&format!("PASS {password}"));
        assert!(answer.starts_with("+OK"), "{answer}");
        client
    }

    /// Says a line, and hears the first line of the answer.
    pub fn ask(&mut self, line: &str) -> String {
        self.lines.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.hear()
    }

    /// The next line, without its end; empty when the server has closed.
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// What the server says until it closes.
    pub fn hear_all(&mut self) -> String {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        rest
    }
}

/// A loopback address that no other test of this process uses, with a port that is free.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(20);
    let host = [127, 0, 0, NEXT.fetch_add(1, Ordering::Relaxed)];
    TcpListener::bind((std::net::IpAddr::from(host), 0)).unwrap().local_addr().unwrap()
}

/// Looks again and again until there is an answer.
pub fn poll<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "nothing happened in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

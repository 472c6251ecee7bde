//! A program that runs beside the test, and ends with it.

use std::fs::File;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// A running program, in a process group of its own; both are killed when this is dropped.
pub struct Program {
    name: String,
    child: Child,
    log: File,
    ended: Option<ExitStatus>,
}

impl Program {
    /// Starts `command`, its output and its errors going to a file that [`Program::log`] reads.
    pub fn start(command: &mut Command) -> Program {
        Program::spawn(command.stdin(Stdio::null()))
    }

    /// As [`Program::start`], with what it will be told.
    pub fn start_talking(command: &mut Command) -> (Program, ChildStdin) {
        let mut program = Program::spawn(command.stdin(Stdio::piped()));
        let told = program.child.stdin.take().expect("it was asked for");
        (program, told)
    }

    fn spawn(command: &mut Command) -> Program {
        let log = tempfile::tempfile().expect("temporary folder is writable");
        let name = format!("{command:?}");
        command.stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap()).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        Program { name, child, log, ended: None }
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        let mut octets = vec![0; self.log.metadata().unwrap().len() as usize];
        let read = self.log.read_at(&mut octets, 0).unwrap();
        String::from_utf8_lossy(&octets[..read]).into_owned()
    }

    /// Waits until it has printed `text`, and gives all it has printed.
    pub fn says(&mut self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let log = self.log();
            if log.contains(text) {
                return log;
            }
            let over = self.ended() || Instant::now() > deadline;
            assert!(!over, "{} did not say {text:?}, but:\n{log}", self.name);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> bool {
        self.ended = self.ended.or(self.child.try_wait().unwrap());
        self.ended.is_some()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Waits for its end.
    pub fn end(&mut self, seconds: u64) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while !self.ended() {
            assert!(Instant::now() < deadline, "{} does not end; it printed:\n{}", self.name, self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.ended.unwrap()
    }

    /// Kills it outright, as a power cut would.
    pub fn cut(&mut self) {
        self.signal(Signal::KILL);
        assert_eq!(self.end(10).signal(), Some(9), "{} had ended before:\n{}", self.name, self.log());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {} printed:\n{}", self.name, self.log());
        }
    }
}

/// A program on one connection, as inetd starts it: the socket is its descriptors 0, 1 and 2. Killed when dropped.
pub struct OfInetd(pub Child);

impl OfInetd {
    /// Starts `command` on `socket`.
    pub fn start(command: &mut Command, socket: TcpStream) -> OfInetd {
        let socket = OwnedFd::from(socket);
        let copy = || socket.try_clone().unwrap();
        OfInetd(command.stdin(copy()).stdout(copy()).stderr(copy()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for OfInetd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program to its end, which must come within `seconds`, with this input.
pub fn run(command: &mut Command, input: &[u8], seconds: u64) -> Output {
    use std::io::{Read, Seek, Write};
    let mut stdin = tempfile::tempfile().unwrap();
    stdin.write_all(input).unwrap();
    stdin.rewind().unwrap();
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.stdin(stdin).stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap()).process_group(0);
    let name = format!("{command:?}");
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => break None,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let _ = rustix::process::kill_process_group(Pid::from_raw(child.id() as i32).unwrap(), Signal::KILL);
    let ended = child.wait().unwrap();
    let text = |file: &mut File| {
        let mut octets = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut octets).unwrap();
        octets
    };
    let output = Output { status: ended, stdout: text(&mut out), stderr: text(&mut err) };
    assert!(status.is_some(), "{name} did not end in {seconds} s:\n{}", printed(&output));
    output
}

/// Runs a program that must succeed; gives what it printed.
pub fn succeed(command: &mut Command) -> String {
    succeed_with(command, b"")
}

/// As [`succeed`], with input.
pub fn succeed_with(command: &mut Command, input: &[u8]) -> String {
    let output = run(command, input, 60);
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, printed(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Both outputs of a program, for people.
pub fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

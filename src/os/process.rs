//! The socket that inetd hands over, and native daemons that take one over.

use std::ffi::CString;
use std::io;
use std::net::TcpStream;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::net::sockopt;

/// The connection that inetd, xinetd or systemd has put on descriptor 0.
///
/// # Errors
/// Descriptor 0 is no connected stream socket: the program was not started by any of them.
pub fn inherited_connection() -> io::Result<TcpStream> {
    let stdin = rustix::stdio::stdin();
    let is_stream = sockopt::socket_type(stdin).is_ok_and(|kind| kind == rustix::net::SocketType::STREAM);
    if !is_stream {
        return Err(io::Error::new(io::ErrorKind::NotConnected, "descriptor 0 is no connection"));
    }
    // A descriptor of our own: closing it leaves 0 alone, and 0 is never anything else by accident.
    let own: OwnedFd = rustix::io::fcntl_dupfd_cloexec(stdin, 3)?;
    Ok(TcpStream::from(own))
}

/// Whether what is written to standard error would go to the client, as under inetd.
pub fn stderr_is_the_connection() -> bool {
    sockopt::socket_type(rustix::stdio::stderr()).is_ok_and(|kind| kind == rustix::net::SocketType::STREAM)
        && same(rustix::stdio::stderr(), rustix::stdio::stdin())
}

fn same(one: BorrowedFd<'_>, two: BorrowedFd<'_>) -> bool {
    match (rustix::fs::fstat(one), rustix::fs::fstat(two)) {
        (Ok(one), Ok(two)) => (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino),
        _ => false,
    }
}

/// Makes descriptors 1 and 2 lead nowhere, so that nothing but the session writes to the client; 0 stays.
pub fn silence_standard_output() -> io::Result<()> {
    let nowhere = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stderr(&nowhere)?;
    Ok(())
}

/// Becomes the native daemon (behaviour.md §2.3): the first word is the program and its argv[0], nothing has been read from
/// descriptor 0 or written to it, it blocks, and signals are as they were at our start. Returns only on failure.
pub fn become_native(words: &[String]) -> io::Error {
    let words: Result<Vec<CString>, _> = words.iter().map(|word| CString::new(word.as_bytes())).collect();
    let Some(words) = words.ok().filter(|words| !words.is_empty()) else {
        return io::Error::new(io::ErrorKind::InvalidInput, "no native daemon named");
    };
    if let Err(error) = set_blocking(rustix::stdio::stdin()) {
        return error;
    }
    default_sigpipe();
    match nix_execv(&words) {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

fn nix_execv(words: &[CString]) -> io::Result<std::convert::Infallible> {
    let mut pointers: Vec<*const libc::c_char> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(std::ptr::null());
    execv(&words[0], &pointers)
}

#[expect(unsafe_code)]
fn execv(program: &CString, words: &[*const libc::c_char]) -> io::Result<std::convert::Infallible> {
    // SAFETY: a C string, and a list of C strings that ends with a null; both outlive the call.
    unsafe { libc::execv(program.as_ptr(), words.as_ptr()) };
    Err(io::Error::last_os_error())
}

/// Rust's run-time ignores SIGPIPE, and ignoring is inherited over exec(3).
#[expect(unsafe_code)]
fn default_sigpipe() {
    // SAFETY: SIG_DFL is no function of ours that could be called.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// The command that starts the native daemon on `connection` as inetd would: the connection on 0, 1 and 2, a bare environment, and
/// root's identity where this process may give it, since the daemon has to become its users.
///
/// # Errors
/// The descriptor can't be duplicated.
pub fn native(words: &[String], connection: TcpStream) -> io::Result<Command> {
    connection.set_nonblocking(false)?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env_clear().current_dir("/");
    command.stdin(Stdio::from(OwnedFd::from(connection.try_clone()?)));
    command.stdout(Stdio::from(OwnedFd::from(connection.try_clone()?)));
    command.stderr(Stdio::from(OwnedFd::from(connection)));
    if may_become_root() {
        command.uid(0).gid(0);
    }
    Ok(command)
}

fn may_become_root() -> bool {
    use rustix::thread::CapabilitySet;
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID;
    rustix::thread::capabilities(None).is_ok_and(|held| held.effective.contains(needed))
}

fn set_blocking(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(socket, false)?)
}

/// The listening sockets that systemd has passed, with their names; they are this process's from now on.
#[expect(unsafe_code)]
pub fn adopt_listener(fd: i32) -> io::Result<socket2::Socket> {
    // SAFETY: asking for flags of a descriptor that may not be open is harmless.
    let probe = unsafe { BorrowedFd::borrow_raw(fd) };
    match sockopt::socket_acceptconn(probe) {
        Ok(true) => {}
        Ok(false) | Err(Errno::NOTSOCK) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no listening socket")),
        Err(error) => return Err(error.into()),
    }
    // SAFETY: systemd gives these descriptors to this process alone, and each is adopted once.
    Ok(unsafe { socket2::Socket::from_raw_fd(fd) })
}

/// Whether the program has more rights than who started it: then the environment is theirs and is not believed.
#[expect(unsafe_code)]
pub fn is_set_uid() -> bool {
    // SAFETY: getauxval reads a number.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// How many files the process may have open.
pub fn open_files() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many files the process may have open, raised as far as it goes.
pub fn raise_open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(_) => limit.current.unwrap_or(u64::MAX),
    }
}

//! Listening sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::config::{Machine, Proto, TlsMode};

/// Where to listen, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The protocol.
    pub proto: Proto,
    /// When TLS begins.
    pub tls: TlsMode,
    /// The address and port; port 0 means any.
    pub address: SocketAddr,
}

/// A socket that listens there.
#[derive(Debug)]
pub struct Bound {
    /// Where, with the port that it got.
    pub place: Place,
    /// The socket.
    pub socket: std::net::TcpListener,
}

/// All places that the configuration names.
pub fn places(machine: &Machine, has_certificate: bool) -> Vec<Place> {
    let listeners = machine.listeners(has_certificate);
    let each = |listen: &crate::config::Listen| {
        let (proto, tls, port) = (listen.proto, listen.tls, listen.port());
        listen.address.iter().map(move |&address| Place { proto, tls, address: SocketAddr::new(address, port) }).collect::<Vec<_>>()
    };
    listeners.iter().flat_map(each).collect()
}

/// Listens at `place`, also on an address that is not up yet.
pub fn bind(place: Place) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(place.address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    match place.address {
        SocketAddr::V6(_) => {
            // IPv4 has listeners of its own.
            socket.set_only_v6(true)?;
            socket.set_freebind_v6(true)?;
        }
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
    }
    socket.bind(&place.address.into())?;
    adopt(socket, place)
}

/// Makes a listener of a bound socket: systemd's, or ours.
pub fn adopt(socket: Socket, place: Place) -> io::Result<Bound> {
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    socket.set_cloexec(true)?;
    // Linux hands these down to every accepted connection. One write is one reply: Nagle's algorithm would only delay it.
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    let socket = std::net::TcpListener::from(socket);
    let place = Place { address: socket.local_addr()?, ..place };
    Ok(Bound { place, socket })
}

/// What a socket of systemd's is for: its name says it, or the configuration for its port does, or the port.
pub fn place_of(socket: &Socket, name: &str, machine: &Machine) -> io::Result<Place> {
    let address = socket.local_addr()?.as_socket().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "is no TCP socket"))?;
    let (proto, tls) = match name {
        "pop3" => (Proto::Pop3, TlsMode::Starttls),
        "pop3s" => (Proto::Pop3, TlsMode::Implicit),
        "imap" => (Proto::Imap, TlsMode::Starttls),
        "imaps" => (Proto::Imap, TlsMode::Implicit),
        "lmtp" => (Proto::Lmtp, TlsMode::None),
        _ => machine.served_at(address.port()).unwrap_or((Proto::Pop3, TlsMode::Starttls)),
    };
    Ok(Place { proto, tls, address })
}

/// The address that a client dialled and the one it came from; IPv4-mapped addresses are IPv4 addresses.
pub fn ends(local: SocketAddr, peer: SocketAddr) -> (IpAddr, IpAddr) {
    (local.ip().to_canonical(), peer.ip().to_canonical())
}

const BACKLOG: i32 = 1024;
const KEEPALIVE: Duration = Duration::from_secs(300);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// A client that acknowledges nothing for so long has gone.
const USER_TIMEOUT: Duration = Duration::from_secs(180);

//! One connection on descriptor 0, from inetd, xinetd or systemd (behaviour.md §2.3).

use std::net::TcpStream;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::connection::{look_up, talk};
use super::listener::{Place, ends};
use super::server::{Mode, Server};
use crate::config::{Proto, Root, TlsMode};
use crate::os::process;
use crate::pop3::Call;
use crate::vdomain::Whose;

/// Serves the connection on descriptor 0, or becomes the native daemon `native` where it is for the main domain.
///
/// # Errors
/// There is no connection, the configuration is wrong, or the native daemon can't be started.
pub fn serve(root: Root, native: Vec<String>, tls: TlsMode) -> anyhow::Result<()> {
    let stream = process::inherited_connection()?;
    let (local, peer) = ends(stream.local_addr()?, stream.peer_addr()?);
    let server = Server::load(root, Mode::Inetd, native)?;
    let now = server.now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (decision, names) = runtime.block_on(look_up(&now, local));
    if decision.whose == Whose::Main && !now.native.is_empty() && tls != TlsMode::Implicit {
        tracing::info!(event = "native", proto = "pop3", %peer, dialled = %local, why = %decision.why, program = now.native[0]);
        // Nothing has been read or written: the native daemon finds the connection as inetd made it.
        let error = process::become_native(&now.native);
        return Err(anyhow::anyhow!("{}: {error}: name the native daemon with its whole path", now.native[0]));
    }
    process::silence_standard_output()?;
    server.become_service()?;
    let place = Place { proto: Proto::Pop3, tls, address: (local, 0).into() };
    let call = Call { local, peer, sni: None, names, may_start_tls: tls == TlsMode::Starttls };
    let outcome = runtime.block_on(session(&server, place, stream, call));
    runtime.shutdown_background();
    outcome
}

async fn session(server: &Server, place: Place, stream: TcpStream, call: Call) -> anyhow::Result<()> {
    stream.set_nonblocking(true)?;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    stream.set_nodelay(true)?;
    let (stopper, stop) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let now = server.now();
    let talking = talk(&now, place, stream, call, stop);
    tokio::pin!(talking);
    tokio::select! {
        () = &mut talking => return Ok(()),
        _ = terminate.recv() => drop(stopper.send(true)),
    }
    talking.await;
    Ok(())
}

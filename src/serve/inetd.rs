//! One connection on descriptor 0, from inetd, xinetd or systemd (behaviour.md §2.3).

use std::net::TcpStream;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::connection::{look_up, patience, talk};
use super::listener::ends;
use super::server::{Mode, Server};
use crate::config::{Native, Proto, Root, TlsMode};
use crate::house::Call;
use crate::os::process;
use crate::vdomain::Whose;
use crate::wire::{Plain, Wire};

/// Serves `proto` on descriptor 0, or becomes the native daemon `native` where the connection is for the main domain.
///
/// # Errors
/// There is no connection, the configuration is wrong, or the native daemon can't be started.
pub fn serve(root: Root, proto: Proto, tls: TlsMode, native: Vec<String>) -> anyhow::Result<()> {
    let stream = process::inherited_connection()?;
    let (local, peer) = ends(stream.local_addr()?, stream.peer_addr()?);
    let server = Server::load(root, Mode::Inetd, Native::only(proto, native), Some(local))?;
    let now = server.now();
    let (decision, names) = in_runtime(look_up(&now, local))?;
    if decision.whose == Whose::Main
        && let native @ [program, ..] = now.native.of(proto)
        && tls != TlsMode::Implicit
    {
        tracing::info!(event = "native", proto = proto.name(), %peer, dialled = %local, why = %decision.why, program);
        // Nothing has been read or written: the native daemon finds the connection as inetd made it.
        let error = process::become_native(native);
        return Err(anyhow::anyhow!("{program}: {error}: name the native daemon with its whole path"));
    }
    process::silence_standard_output()?;
    server.become_service()?;
    let call = Box::new(Call { local, peer, sni: None, names, may_start_tls: tls == TlsMode::Starttls });
    in_runtime(session(&server, proto, tls, stream, call))?
}

/// Runs a future in a runtime of its own: threads that were started with root's rights do no work after those are given up.
fn in_runtime<T>(future: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(future);
    // A name service that does not answer holds a thread; nobody waits for it.
    runtime.shutdown_background();
    Ok(outcome)
}

async fn session(server: &Server, proto: Proto, tls: TlsMode, stream: TcpStream, call: Box<Call>) -> anyhow::Result<()> {
    stream.set_nonblocking(true)?;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    stream.set_nodelay(true)?;
    let (stopper, stop) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let now = server.now();
    let wire = Box::new(Wire::new(Plain::Tcp(stream), patience(&now, proto), stop));
    let talking = talk(&now, proto, tls, wire, call);
    tokio::pin!(talking);
    tokio::select! {
        () = &mut talking => return Ok(()),
        _ = terminate.recv() => drop(stopper.send(true)),
    }
    talking.await;
    Ok(())
}

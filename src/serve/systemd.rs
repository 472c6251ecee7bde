//! systemd: its sockets, readiness, reload and the watchdog. Without systemd all of it does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

use super::listener::{self, Bound};
use crate::config::Machine;
use crate::os::process;

/// The listening sockets that systemd has opened for us.
///
/// # Errors
/// One of them is of no use; says which.
pub fn sockets(machine: &Machine) -> Result<Vec<Bound>, String> {
    let Ok(passed) = sd_notify::listen_fds_with_names() else { return Ok(Vec::new()) };
    let adopt = |(fd, name): (i32, String)| {
        let socket = process::adopt_listener(fd)?;
        let place = listener::place_of(&socket, &name, machine)?;
        listener::adopt(socket, place)
    };
    passed.map(|(fd, name)| adopt((fd, name.clone())).map_err(|error| format!("socket {name:?} of systemd {error}"))).collect()
}

/// All listeners are open.
pub fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is being read again; [`ready`] follows.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// No new connections; sessions are being ended.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Tells the watchdog, twice as often as it wants to hear, that the event loop turns.
pub async fn keep_watchdog_quiet() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut tick = tokio::time::interval((limit / 2).max(Duration::from_millis(10)));
    loop {
        tick.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(event = "systemd", %error, doing = "notifying");
    }
}

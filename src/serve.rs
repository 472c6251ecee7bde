//! Serving: listeners, the connection that inetd hands over, systemd, and the hand-over to native daemons.

mod certificates;
mod connection;
mod daemon;
mod inetd;
mod limits;
mod listener;
mod lmtp;
mod local;
mod mta;
mod server;
mod systemd;
mod watch;

pub use connection::refusal;
pub use daemon::{Started, run};
pub use inetd::serve as serve_inetd;
pub use listener::{Bound, Place};
pub use server::{Mode, Now, Server};

//! Name, password and dialled domain in; an account out, or the reason why not.

mod delay;
mod gate;
mod plaintext;
mod sasl;
mod throttle;
mod verified;

pub use delay::LoginDelay;
pub use gate::{Account, Attempt, Denial, Denied, Gate};
pub use plaintext::{Policy, policy};
pub use sasl::{Malformed, plain};
pub use throttle::network;

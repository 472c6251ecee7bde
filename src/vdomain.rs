//! The directory of domains: which domain a connection is for, and who its users are.

mod accounts;
mod compiled;

mod directory;
mod identify;
mod login_name;
mod reverse;

pub use accounts::{Account, Passwd, Shadow, ShadowLine, Users};

pub use compiled::Compiled;
pub use directory::{Directory, Realm, Standing, VirtualDomain};
pub use identify::{Decision, Evidence, Names, NamesOf, Refusal, Step, Whose, Why, identify};
pub use login_name::Login;
pub use reverse::{Answer, Resolver};

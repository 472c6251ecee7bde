//! The directory of domains: which domain a connection is for, who its users are, and which password opens the door.

mod accounts;
mod alias_files;
pub mod aliases;
mod compiled;
mod directory;
mod identify;
mod login_name;
pub mod password;
mod reverse;

pub use accounts::{Account, Named, Passwd, Shadow, ShadowLine, Users};
pub use alias_files::{AliasFiles, AliasesNow};
pub use compiled::Compiled;
pub use directory::{Directory, Realm, Standing, VirtualDomain};
pub use identify::{Decision, Evidence, Names, NamesOf, Refusal, Step, Whose, Why, identify};
pub use login_name::Login;
pub use reverse::{Answer, Resolver};

//! The directory of domains: who is called, who lives there, and which password opens the door.

pub mod aliases;
pub mod password;

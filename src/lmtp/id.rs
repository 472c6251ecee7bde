//! Names of messages, for headers, replies and the log.

use std::time::{SystemTime, UNIX_EPOCH};

/// A name that no other message has here: the microsecond, and chance for what happens within one or after the clock was set back.
pub fn new() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Without chance the microsecond is what there is.
    let chance = getrandom::u32().unwrap_or_default();
    format!("{:013x}.{chance:08x}", now.as_micros())
}

#[test]
fn names_differ() {
    let names: std::collections::HashSet<String> = (0..1000).map(|_| new()).collect();
    assert_eq!(names.len(), 1000);
    assert!(names.iter().all(|name| name.len() == 22 && name.is_ascii()));
}

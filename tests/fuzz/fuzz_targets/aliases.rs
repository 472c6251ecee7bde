//! Alias and include files: whatever stands in one, what was understood of it says the same when it is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmail::vdomain::aliases::{self, Aliases, Target};

fuzz_target!(|file: &[u8]| {
    aliases::members(file);
    let (read, _) = aliases::parse(file);
    if read.iter().any(|(name, alias)| name.len() > FITS || alias.targets.iter().any(|target| !can_be_written(target))) {
        return;
    }
    let (again, flaws) = aliases::parse(read.to_string().as_bytes());
    assert!(flaws.is_empty(), "{flaws:?}");
    assert!(meaning(&again).eq(meaning(&read)));
});

fn meaning(aliases: &Aliases) -> impl Iterator<Item = (&str, &[Target])> {
    aliases.iter().map(|(name, alias)| (name, &alias.targets[..]))
}

/// Quotes and backslashes make a text longer, perhaps beyond the limit of one target.
fn can_be_written(target: &Target) -> bool {
    !matches!(target, Target::Broken(_)) && target.to_string().len() <= FITS
}

const FITS: usize = 2048;

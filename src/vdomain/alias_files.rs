//! The alias files of one domain, highest priority first (behaviour.md §3.3).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::aliases::{self, Alias, Aliases};
use crate::config::Fault;
use crate::os::cached::Cached;
use crate::os::trust;

/// `aliases.DOMAIN` and the further files that the record names: read when first asked for and again whenever they change.
#[derive(Debug, Default)]
pub struct AliasFiles {
    implicit: Option<Cached<Aliases>>,
    further: Vec<Cached<Aliases>>,
}

impl AliasFiles {
    /// `implicit` need not exist; the `further` ones, which an administrator has named, must.
    pub fn of(implicit: PathBuf, further: impl Iterator<Item = PathBuf>) -> AliasFiles {
        AliasFiles { implicit: Some(Cached::new(implicit, read)), further: further.map(|path| Cached::new(path, read)).collect() }
    }

    /// All of them as they are now: one stat(2) each when nothing has changed.
    ///
    /// # Errors
    /// One cannot be read. What it says of a name is then unknown, and so is what the files after it say.
    pub fn current(&self) -> Result<AliasesNow, Fault> {
        let mut files = Vec::with_capacity(1 + self.further.len());
        for file in self.implicit.iter().chain(&self.further) {
            match file.current() {
                Ok(aliases) => files.push((file.path().to_owned(), aliases)),
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_implicit(file) => {}
                Err(error) => return Err(Fault::unreadable(file.path(), &error)),
            }
        }
        Ok(AliasesNow(files))
    }

    /// Their paths.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.implicit.iter().chain(&self.further).map(Cached::path)
    }

    fn is_implicit(&self, file: &Cached<Aliases>) -> bool {
        self.implicit.as_ref().is_some_and(|implicit| std::ptr::eq(implicit, file))
    }
}

/// What a domain's alias files say at one moment.
#[derive(Debug)]
pub struct AliasesNow(Vec<(PathBuf, Arc<Aliases>)>);

impl AliasesNow {
    /// The entry of a name and the file that has it: of the first file, and no other, that has the name.
    pub fn get(&self, name: &str) -> Option<(&Path, &Alias)> {
        self.0.iter().find_map(|(path, aliases)| Some((&**path, aliases.get(name)?)))
    }
}

/// Programs, files and lists count only where nobody but the machine's administrators can write. Says what is wrong, each time that the file is read anew; a file that is wrong in every line fills no log.
fn read(text: &[u8], file: &Path) -> Aliases {
    let (mut aliases, flaws) = aliases::parse(text);
    if !trust::is_ours(file) {
        aliases.distrust();
    }
    flaws.iter().take(20).for_each(|flaw| tracing::warn!(event = "alias-fault", error = %flaw.fault(file)));
    aliases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_that_has_a_name_hides_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["implicit", "one", "two"].map(|name| folder.path().join(name));
        let files = AliasFiles::of(paths[0].clone(), paths[1..].iter().cloned());
        assert!(files.current().unwrap_err().to_string().contains("one: cannot be read"));
        std::fs::write(&paths[1], "x: first\ny: first\n").unwrap();
        std::fs::write(&paths[2], "y: second\nz: second\n").unwrap();
        let line = |name: &str| files.current().unwrap().get(name).map(|(path, alias)| (path.to_owned(), alias.targets[0].to_string()));
        assert_eq!(line("Y"), Some((paths[1].clone(), "first".into())));
        assert_eq!(line("z"), Some((paths[2].clone(), "second".into())));
        assert_eq!(line("w"), None);
        std::fs::write(&paths[0], "y: implicit\n").unwrap();
        assert_eq!(line("y"), Some((paths[0].clone(), "implicit".into())));
    }
}

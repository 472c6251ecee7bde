//! Look-ups in a CDB (cr.yp.to/cdb) by the few octets that each needs. Nothing is mapped into memory: whoever cuts the file short under us
//! gives us an error, and no signal.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A CDB that is open.
#[derive(Debug)]
pub struct Cdb(File);

/// Where a record is.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// The place of the record in the file, in octets.
    pub at: u32,
    /// The place of its value.
    value: u64,
    /// Octets of its value.
    pub len: u32,
}

impl Cdb {
    /// A file that a CDB is in.
    pub fn new(file: File) -> Cdb {
        Cdb(file)
    }

    /// The first record with this key.
    ///
    /// # Errors
    /// The file cannot be read, or is no CDB.
    pub fn find(&self, key: &[u8]) -> io::Result<Option<Record>> {
        let hash = hash(key);
        let (table, slots) = self.pair(u64::from(hash & 0xff) * 8)?;
        let first = u64::from(hash >> 8);
        for nth in 0..u64::from(slots).min(MOST_SLOTS) {
            let slot = (first + nth) % u64::from(slots);
            let (known, at) = self.pair(u64::from(table) + slot * 8)?;
            if at == 0 {
                return Ok(None);
            }
            if known == hash
                && let Some(record) = self.record(at, key)?
            {
                return Ok(Some(record));
            }
        }
        // A table is never more than half full.
        if slots == 0 { Ok(None) } else { Err(damaged()) }
    }

    /// The octets of a value from `from` on, as many as `into` takes.
    ///
    /// # Errors
    /// The file cannot be read, or the value is shorter.
    pub fn read(&self, record: Record, from: u64, into: &mut [u8]) -> io::Result<()> {
        match from + into.len() as u64 <= u64::from(record.len) {
            true => self.0.read_exact_at(into, record.value + from),
            false => Err(damaged()),
        }
    }

    /// The whole value.
    ///
    /// # Errors
    /// The file cannot be read, or the value has more than 64 KiB.
    pub fn value(&self, record: Record) -> io::Result<Vec<u8>> {
        if record.len > LONGEST {
            return Err(damaged());
        }
        let mut value = vec![0; record.len as usize];
        self.read(record, 0, &mut value)?;
        Ok(value)
    }

    fn record(&self, at: u32, key: &[u8]) -> io::Result<Option<Record>> {
        let (key_len, len) = self.pair(u64::from(at))?;
        if key_len as usize != key.len() {
            return Ok(None);
        }
        let mut found = vec![0; key.len()];
        self.0.read_exact_at(&mut found, u64::from(at) + 8)?;
        Ok((found == key).then_some(Record { at, value: u64::from(at) + 8 + u64::from(key_len), len }))
    }

    fn pair(&self, at: u64) -> io::Result<(u32, u32)> {
        let mut octets = [0; 8];
        self.0.read_exact_at(&mut octets, at)?;
        Ok(two(octets))
    }
}

/// Two numbers as a CDB has them.
pub fn two(octets: [u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = octets;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

fn hash(key: &[u8]) -> u32 {
    key.iter().fold(5381, |hash: u32, octet| hash.wrapping_mul(33) ^ u32::from(*octet))
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "is damaged")
}

/// Octets of a value.
const LONGEST: u32 = 64 * 1024;
/// Full slots in a row: a file that has more was not made by a program for CDBs.
const MOST_SLOTS: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn made(records: &[(&str, &str)]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made.cdb");
        let mut maker = cdb2::CDBMake::new(File::options().read(true).write(true).create_new(true).open(&path).unwrap()).unwrap();
        records.iter().for_each(|(key, value)| maker.add(key.as_bytes(), value.as_bytes()).unwrap());
        maker.finish().unwrap();
        std::fs::read(path).unwrap()
    }

    fn look_up(octets: &[u8], key: &str) -> io::Result<Option<Vec<u8>>> {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(octets).unwrap();
        let cdb = Cdb::new(file);
        cdb.find(key.as_bytes())?.map(|record| cdb.value(record)).transpose()
    }

    #[test]
    fn what_was_put_in_is_found() {
        let records: Vec<(String, String)> = (0..2000).map(|number| (format!("k{number}"), "v".repeat(number % 300))).collect();
        let shown: Vec<(&str, &str)> =
            records.iter().map(|(key, value)| (key.as_str(), value.as_str())).chain([("k7", "second")]).collect();
        let octets = made(&shown);
        for (key, value) in &records {
            assert_eq!(look_up(&octets, key).unwrap().as_deref(), Some(value.as_bytes()), "{key}");
        }
        for key in ["", "k", "k2000", "K7"] {
            assert_eq!(look_up(&octets, key).unwrap(), None, "{key}");
        }
        assert_eq!(look_up(&made(&[]), "k").unwrap(), None);
    }

    #[test]
    fn what_is_damaged_is_an_error_or_finds_nothing_and_ends() {
        let octets = made(&[("one", "1"), ("two", "2"), ("three", "3")]);
        for cut in [0, 7, 100, 2047, 2048, 2050, octets.len() - 1] {
            assert!(["one", "two", "three"].iter().any(|key| look_up(&octets[..cut], key).is_err()), "{cut}");
        }
        for fill in [0, 1, 0x7f, 0xff] {
            let _ = look_up(&vec![fill; 4096], "one");
        }
        for at in 0..octets.len() {
            let mut other = octets.clone();
            other[at] ^= 0xff;
            let _ = look_up(&other, "one");
        }
    }
}

//! Certificates for tests: an authority that exists for one test, made by openssl(1).

use std::path::{Path, PathBuf};
use std::process::Command;

use super::program::succeed;

/// The files of a certificate and of the authority that signed it.
pub struct Certificate {
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificate {
    /// A certificate for `names`, signed by an authority of its own, in `folder`.
    pub fn make(folder: &Path, names: &[&str]) -> Certificate {
        std::fs::create_dir_all(folder).unwrap();
        let list: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let script = r#"
            new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
            openssl req -x509 $new -keyout ca.key -out ca.pem -days 90 -subj '/CN=authority of a test'
            openssl req $new -keyout key.pem -out cert.csr -subj "/CN=$FIRST"
            printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$NAMES" > ext
            openssl x509 -req -in cert.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 90 -extfile ext -out cert.pem
            chmod 640 key.pem
            chgrp vmail key.pem"#;
        let mut shell = Command::new("/bin/sh");
        succeed(shell.args(["-ec", script]).current_dir(folder).env("NAMES", list.join(",")).env("FIRST", names[0]));
        let file = |name: &str| folder.join(name);
        Certificate { authority: file("ca.pem"), certificate: file("cert.pem"), key: file("key.pem") }
    }
}

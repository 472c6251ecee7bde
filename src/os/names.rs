//! Names of addresses, as the system's name service gives them: `/etc/hosts` first, then DNS.

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::net::IpAddr;

mod ptr;

#[expect(unsafe_code)]
unsafe extern "C" {
    // In glibc since 2.0; the libc crate does not declare it.
    fn gethostbyaddr_r(
        address: *const libc::c_void,
        length: libc::socklen_t,
        family: c_int,
        host: *mut libc::hostent,
        buffer: *mut c_char,
        size: libc::size_t,
        result: *mut *mut libc::hostent,
        error: *mut c_int,
    ) -> c_int;
}

/// All names of `address`: the canonical one first, then the aliases (of its line in the hosts file, or further PTR records).
/// Blocks until the name service answers or gives up, which can take half a minute.
///
/// # Errors
/// `NotFound` where the address has no name, `TimedOut` where the name service gave no answer.
pub fn of_address(address: IpAddr) -> io::Result<Vec<String>> {
    let mut names = of_host(address)?;
    // What the hosts file says holds, even while no name server answers.
    if !stands_in_hosts_file(address) {
        let further: Vec<String> = ptr::of_address(address).into_iter().filter(|name| !names.contains(name)).collect();
        names.extend(further);
    }
    Ok(names)
}

fn stands_in_hosts_file(address: IpAddr) -> bool {
    let hosts = std::fs::read("/etc/hosts").unwrap_or_default();
    let is_it = |word: &str| word.parse().is_ok_and(|found: IpAddr| found.to_canonical() == address.to_canonical());
    String::from_utf8_lossy(&hosts).lines().any(|line| line.split_whitespace().next().is_some_and(is_it))
}

/// What gethostbyaddr(3) says.
#[expect(unsafe_code)]
fn of_host(address: IpAddr) -> io::Result<Vec<String>> {
    let (octets, family) = match address.to_canonical() {
        IpAddr::V4(address) => (address.octets().to_vec(), libc::AF_INET),
        IpAddr::V6(address) => (address.octets().to_vec(), libc::AF_INET6),
    };
    let mut buffer = vec![0 as c_char; BUFFER];
    let mut result = std::ptr::null_mut();
    let mut trouble = 0;
    // SAFETY: hostent is plain pointers and numbers, for which all zeroes are a value.
    let mut host: libc::hostent = unsafe { std::mem::zeroed() };
    // SAFETY: every pointer is to a live value of ours, and each length is that of the value it stands beside.
    let code = unsafe {
        gethostbyaddr_r(
            octets.as_ptr().cast(),
            octets.len() as libc::socklen_t,
            family,
            &mut host,
            buffer.as_mut_ptr(),
            buffer.len(),
            &mut result,
            &mut trouble,
        )
    };
    match (code, result.is_null(), trouble) {
        (0, false, _) => {}
        (_, _, TRY_AGAIN) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the name service did not answer")),
        (0, ..) | (_, _, HOST_NOT_FOUND | NO_DATA) => return Err(io::Error::new(io::ErrorKind::NotFound, "the address has no name")),
        (code, ..) => return Err(io::Error::from_raw_os_error(code)),
    }
    let mut names = Vec::new();
    // SAFETY: on success `host` points into `buffer`: a C string, and a list of C strings that ends with a null.
    unsafe {
        names.extend(text(host.h_name));
        let mut alias = host.h_aliases;
        while !alias.is_null() && !(*alias).is_null() {
            names.extend(text(*alias));
            alias = alias.add(1);
        }
    }
    Ok(names)
}

/// # Safety
/// `name` is null or points to a C string.
#[expect(unsafe_code)]
unsafe fn text(name: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
}

/// Room for some hundred names; more make the call fail, which counts as no name.
const BUFFER: usize = 64 * 1024;

// netdb.h
const HOST_NOT_FOUND: c_int = 1;
const TRY_AGAIN: c_int = 2;
const NO_DATA: c_int = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_the_name_of_the_hosts_file() {
        assert!(of_address("127.0.0.1".parse().unwrap()).unwrap().iter().any(|name| name == "localhost"));
        assert!(of_address("::ffff:127.0.0.1".parse().unwrap()).is_ok());
    }
}

//! `vdeliver [-f SENDER] [-d DOMAIN] RECIPIENT...`: brings the message on standard input to its recipients.

fn main() -> std::process::ExitCode {
    vmail::cli::vdeliver()
}

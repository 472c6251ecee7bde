//! `vmail`: serve, demo, domain, user, explain, check, ...

fn main() -> std::process::ExitCode {
    vmail::cli::vmail()
}

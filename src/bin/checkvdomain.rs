//! `checkvdomain DOMAIN...`: is the domain served as its users expect?

fn main() -> std::process::ExitCode {
    vmail::cli::checkvdomain()
}

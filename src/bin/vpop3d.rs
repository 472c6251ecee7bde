//! `vpop3d [NATIVE [ARGS...]]`: POP3 for virtual domains, under inetd or xinetd.

fn main() -> std::process::ExitCode {
    vmail::cli::vpop3d()
}

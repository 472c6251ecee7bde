//! `vimapd [NATIVE [ARGS...]]`: IMAP for virtual domains, under inetd or xinetd.

fn main() -> std::process::ExitCode {
    vmail::cli::vimapd()
}

//! `vnewvirtmaps [FILE]`: makes the compiled form of virtmaps anew.

fn main() -> std::process::ExitCode {
    vmail::cli::vnewvirtmaps()
}

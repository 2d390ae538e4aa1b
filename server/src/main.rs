//! The binary `foretoken`.

fn main() -> std::process::ExitCode {
    server::cli::main()
}

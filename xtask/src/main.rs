//! The command line of xtask. Parses, calls one function of the library, turns errors into exit
//! codes (0 done, 1 could not do it, 2 a check failed, 64 wrong usage).
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command-line program talks to its terminal"
)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::setup::Scope;

#[derive(Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    about = "Set-up, chores and the tidy test"
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch what this machine lacks, pinned and checked
    Setup {
        /// demo: ONNX Runtime and anvil; tests: the rest; all: both
        #[arg(value_enum, default_value = "all")]
        scope: Scope,
    },
    /// Check that the programs which must be installed beforehand are there
    Prerequisites,
    /// Set up, build in release and run `foretoken demo` with the given arguments
    #[command(disable_help_flag = true)]
    Demo {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, num_args = 0..)]
        arguments: Vec<OsString>,
    },
    /// Run every check and test of the project
    CheckAll,
    /// Run the fault suite: kills, a faulty node, re-organisations, a full disk, and more
    Faults(xtask::faults::Wanted),
    /// Run the benchmarks
    Bench {
        /// Run only this one, by name
        #[arg(long)]
        only: Option<String>,
        /// Write what the benchmarks printed as JSON to this file
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Prove the symbolic checks of the contracts
    Halmos {
        /// Only those whose names begin so
        #[arg(long)]
        only: Option<String>,
    },
    /// Analyse the contracts statically; no high or medium finding may be left unexplained
    Slither,
    /// Change the contracts in small ways, on a copy, and count the changes that a test notices
    Mutate {
        /// A file of contracts/src instead of StakeVault.sol
        #[arg(long)]
        only: Option<String>,
        /// Write the score and the survivors as JSON to this file
        #[arg(long)]
        json: Option<PathBuf>,
        /// Copies that are tested at a time
        #[arg(long, default_value_t = 2)]
        jobs: usize,
    },
    /// Give the decoders of the venues' frames changed ones; none may panic
    Fuzz {
        /// So many
        #[arg(long, default_value_t = 1_000_000)]
        inputs: u64,
    },
    /// Check the arrows, budgets and words of the repository
    Tidy {
        /// Print the arrows as docs/ARCHITECTURE.md must state them, and check nothing
        #[arg(long)]
        print_arrows: bool,
    },
}

fn main() -> ExitCode {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(usage) => {
            let wrong = usage.use_stderr();
            // Nothing is left to do when the terminal is gone.
            drop(usage.print());
            return if wrong {
                ExitCode::from(64)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match run(command_line.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Setup { scope } => xtask::setup::run(scope)?,
        Command::Prerequisites => xtask::prerequisites::check()?,
        Command::Demo { arguments } => xtask::demo::run(arguments)?,
        Command::CheckAll => xtask::check_all::run()?,
        Command::Faults(wanted) => {
            let is_met = xtask::faults::run(&wanted)?;
            return Ok(ExitCode::from(if is_met { 0 } else { 2 }));
        }
        Command::Bench { only, json } => xtask::bench::run(only.as_deref(), json.as_deref())?,
        Command::Halmos { only } => drop(xtask::contracts::halmos::run(only.as_deref())?),
        Command::Slither => xtask::contracts::slither::run()?,
        Command::Mutate { only, json, jobs } => {
            xtask::contracts::mutate::run(only.as_deref(), json.as_deref(), jobs)?;
        }
        Command::Fuzz { inputs } => xtask::fuzz::run(inputs)?,
        Command::Tidy { print_arrows: true } => print!("{}", xtask::tidy::arrows_block()),
        Command::Tidy {
            print_arrows: false,
        } => return tidy(),
    }
    Ok(ExitCode::SUCCESS)
}

fn tidy() -> anyhow::Result<ExitCode> {
    let findings = xtask::tidy::check(&xtask::project::root())?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        eprintln!("tidy: nothing to mend");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("tidy: {} lines to mend", findings.len());
    Ok(ExitCode::from(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo_arguments(words: &[&str]) -> Vec<OsString> {
        let line = [&["xtask", "demo"], words].concat();
        match CommandLine::try_parse_from(line).map(|parsed| parsed.command) {
            Ok(Command::Demo { arguments }) => arguments,
            _ => panic!("{words:?} is not a demo"),
        }
    }

    #[test]
    fn the_demo_gets_its_arguments_as_they_were_typed() {
        assert_eq!(demo_arguments(&["--rounds", "12"]), ["--rounds", "12"]);
        assert_eq!(demo_arguments(&["--help"]), ["--help"]);
        assert_eq!(
            demo_arguments(&["--json", "--", "a"]),
            ["--json", "--", "a"]
        );
        let separated = demo_arguments(&["--", "--rounds", "12"]);
        assert_eq!(separated.last(), Some(&OsString::from("12")));
    }
}

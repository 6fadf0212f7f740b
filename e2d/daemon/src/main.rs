//! The program `e2d`.

use e2d::cli::exit::{self, Failure};
use e2d::cli::{self, Command, logging};
use e2d::config;
use std::process::ExitCode;

fn main() -> ExitCode {
    exit::conclude(cli::parse(std::env::args_os()).and_then(carry_out))
}

fn carry_out(cli: cli::Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Run(args) => {
            let given = args.given(cli.verbose, std::env::vars_os()).read_file().map_err(config::Refused::from)?;
            let draft = config::parse(&given)?;
            logging::start(draft.log());
            for warning in draft.warnings() {
                tracing::warn!(what = warning.message, hint = warning.hint, "odd configuration");
            }
            e2d::run::run(draft.settle(config::default_route_address)?)
        }
        Command::Status(args) => args.carry_out(),
        Command::Members(args) => args.carry_out(),
        Command::Plan(args) => args.carry_out(),
        Command::Why(args) => args.carry_out(),
        Command::Hold(args) => args.carry_out(),
        Command::Release(args) => args.carry_out(),
        Command::StepDown(args) => args.carry_out(),
        Command::Env(args) => args.carry_out(),
        Command::Snapshot(args) => args.carry_out(),
        Command::Restore(args) => args.carry_out(),
        Command::Version(args) => args.carry_out(),
        Command::Completions(args) => args.carry_out(),
        Command::Generate(args) => args.carry_out(),
        Command::Pki(args) => args.carry_out(),
    }
}

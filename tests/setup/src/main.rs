//! `ballast-setup` brings what the other targets need.
//! `ballast-setup envoy <version>` brings an Envoy of one of the tested versions and prints where its binary is.
//! `ballast-setup stages <make target>... -- <make target>...` runs make targets and adds their tests up.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.split_first() {
        None => prepare(),
        Some((&"envoy", &[version])) => envoy(version),
        Some((&"stages", targets)) => {
            let mut parts = targets.splitn(2, |&target| target == "--");
            let (checks, tests) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            if ballast_setup::stages::run(checks, tests) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Some(_) => {
            eprintln!(
                "usage: ballast-setup [envoy <version> | stages <make target that checks>... -- <make target that tests>...]"
            );
            ExitCode::FAILURE
        }
    }
}

fn envoy(version: &str) -> ExitCode {
    match ballast_setup::envoy(version) {
        Ok(program) => {
            println!("{}", program.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("setup: {error}");
            ExitCode::FAILURE
        }
    }
}

fn prepare() -> ExitCode {
    let Err(errors) = ballast_setup::prepare() else { return ExitCode::SUCCESS };
    for error in errors {
        eprintln!("setup: {error}");
    }
    ExitCode::FAILURE
}

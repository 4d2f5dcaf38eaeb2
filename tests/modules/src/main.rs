//! `ballast-modules build [NAME...]`: compiles, trims and places the Wasm modules, all or those with these names.
//! `ballast-modules reproduce [NAME...]`: builds the filters twice from what is committed, at two places, and compares.

use ballast_modules::BuildError;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((command, names)) if command == "build" => build(names),
        Some((command, names)) if command == "reproduce" => reproduce(names),
        _ => return usage(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ballast-modules: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build(names: &[String]) -> Result<ExitCode, BuildError> {
    for module in ballast_modules::build(names)? {
        println!("{module}");
    }
    Ok(ExitCode::SUCCESS)
}

fn reproduce(names: &[String]) -> Result<ExitCode, BuildError> {
    let compared = ballast_modules::reproduce(names)?;
    for module in &compared {
        println!("{module}");
    }
    let differing = compared.iter().filter(|module| !module.is_same()).count();
    if differing > 0 {
        eprintln!(
            "ballast-modules: {differing} of {} differ: both are in target/reproducible/",
            compared.len()
        );
        return Ok(ExitCode::FAILURE);
    }
    println!("{} modules, twice the same", compared.len());
    Ok(ExitCode::SUCCESS)
}

fn usage() -> ExitCode {
    eprintln!("usage: ballast-modules build|reproduce [NAME...]");
    ExitCode::from(2)
}

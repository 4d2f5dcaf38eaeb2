//! `ballast-modules build [NAME...]`: compiles, trims and places the Wasm modules, all or those with these names.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, names @ ..] = arguments.as_slice() else { return usage() };
    if command != "build" {
        return usage();
    }
    match ballast_modules::build(names) {
        Ok(modules) => {
            for module in modules {
                println!("{module}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ballast-modules: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: ballast-modules build [NAME...]");
    ExitCode::from(2)
}

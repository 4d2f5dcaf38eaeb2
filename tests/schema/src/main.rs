//! `make schema`: writes what is made from the configuration types, and says which files have changed.

use std::process::ExitCode;

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("ballast-schema: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), String> {
    for output in ballast_schema::outputs(&ballast_modules::workspace_root())? {
        let said = |error: std::io::Error| format!("{}: {error}", output.path.display());
        if std::fs::read_to_string(&output.path).is_ok_and(|text| text == output.text) {
            continue;
        }
        if let Some(directory) = output.path.parent() {
            std::fs::create_dir_all(directory).map_err(said)?;
        }
        std::fs::write(&output.path, &output.text).map_err(said)?;
        println!("{}", output.path.display());
    }
    Ok(())
}

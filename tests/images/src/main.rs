//! `ballast-images [DIRECTORY]`: packs every filter's module as an OCI archive.

use ballast_images::bom::{Metadata, bom, package_of};
use ballast_images::{Image, Label, pack};
use ballast_modules::workspace_root;
use clap::Parser;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Packs the modules of `dist/` as OCI archives, and writes the bill of materials of each beside them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where the archives go.
    #[arg(default_value = "dist/images")]
    directory: PathBuf,
    /// Where the sources are, for the label `org.opencontainers.image.source`.
    #[arg(long, env = "SOURCE", default_value = "")]
    source: String,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("ballast-images: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let root = workspace_root();
    let metadata = metadata()?;
    let directory = root.join(&arguments.directory);
    std::fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut modules: Vec<PathBuf> = std::fs::read_dir(root.join("dist"))
        .map_err(|error| format!("dist/: {error}: build the modules with `make wasm`"))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    modules.sort();
    if modules.is_empty() {
        return Err("dist/ holds no module: build them with `make wasm`".to_owned());
    }
    for path in modules {
        let read = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().replace('_', "-");
        let name = stem.strip_prefix("ballast-").unwrap_or(&stem);
        let package = package_of(&path).ok_or_else(|| format!("{} is no module of ours", path.display()))?;
        let bom = bom(&metadata, &package).ok_or_else(|| format!("no package is called {package}"))?;
        let bom = serde_json::to_vec_pretty(&bom).map_err(|error| error.to_string())?;
        let version = env!("CARGO_PKG_VERSION");
        let image = Image { name, version, module: &read, bom: &bom, labels: labels(&stem, arguments) };
        let archive = pack(&image).map_err(|error| format!("{name}: {error}"))?;
        for (file, bytes) in [(format!("{stem}.oci.tar"), &archive), (format!("{stem}.cdx.json"), &bom)] {
            let path = directory.join(file);
            std::fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
            let shown = path.strip_prefix(&root).unwrap_or(&path);
            println!("{:<52} {:>6} KiB", shown.display(), bytes.len().div_ceil(1024));
        }
    }
    Ok(())
}

fn labels(title: &str, arguments: &Arguments) -> Vec<Label> {
    let label = |name, value: &str| Label { name, value: value.to_owned() };
    let mut labels = vec![
        label("org.opencontainers.image.title", title),
        label("org.opencontainers.image.version", env!("CARGO_PKG_VERSION")),
        label("org.opencontainers.image.licenses", "Apache-2.0"),
    ];
    if !arguments.source.is_empty() {
        labels.push(label("org.opencontainers.image.source", &arguments.source));
    }
    labels
}

/// What is linked for the target that ships.
fn metadata() -> Result<Metadata, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(workspace_root())
        .args(["metadata", "--format-version=1", "--filter-platform=wasm32-wasip1"])
        .output()
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata is not as expected: {error}"))
}

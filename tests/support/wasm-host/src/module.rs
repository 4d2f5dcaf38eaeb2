//! A parsed module, to be loaded into any number of VMs.

use std::collections::BTreeMap;

use wasmi::{CompilationMode, Config, Engine};

/// Why a module cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The engine refuses the bytes.
    #[error("not a valid Wasm module: {0}")]
    Invalid(String),
    /// The module does not export the marker of the ABI that the host speaks.
    #[error("the module does not export proxy_abi_version_0_2_1")]
    NotAProxyModule,
    /// The module exports no function by which the host can hand over bytes.
    #[error("the module exports neither malloc nor proxy_on_memory_allocate")]
    NoAllocator,
    /// An import that the host does not have, or has with another signature.
    #[error("cannot link: {0}")]
    Link(String),
    /// The module trapped while starting.
    #[error("the module trapped while starting: {0}")]
    Start(String),
}

/// A parsed module: cheap to clone and to load into many VMs, and shareable between threads, so a test file can
/// keep it in a `LazyLock`.
#[derive(Clone, Debug)]
pub struct Module {
    pub(crate) wasm: wasmi::Module,
    /// For instrumented modules, the function behind each exported counter.
    pub(crate) counters: BTreeMap<String, String>,
}

impl Module {
    /// Parses a module.
    ///
    /// # Errors
    /// See [`LoadError`]; imports are looked at only when a VM loads it.
    pub fn new(bytes: &[u8]) -> Result<Self, LoadError> {
        let mut config = Config::default();
        config.compilation_mode(CompilationMode::LazyTranslation);
        let wasm = wasmi::Module::new(&Engine::new(&config), bytes)
            .map_err(|error| LoadError::Invalid(error.to_string()))?;
        if wasm.get_export("proxy_abi_version_0_2_1").is_none() {
            return Err(LoadError::NotAProxyModule);
        }
        if wasm.get_export("malloc").or(wasm.get_export("proxy_on_memory_allocate")).is_none() {
            return Err(LoadError::NoAllocator);
        }
        Ok(Self { wasm, counters: BTreeMap::new() })
    }

    /// Parses an instrumented module; `counters` names the function behind each exported counter.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn instrumented(bytes: &[u8], counters: BTreeMap<String, String>) -> Result<Self, LoadError> {
        Ok(Self { counters, ..Self::new(bytes)? })
    }
}

/// What a module imports, as `module.name`, sorted.
///
/// # Errors
/// When the bytes are not a Wasm module.
pub fn imports(bytes: &[u8]) -> Result<Vec<String>, LoadError> {
    let module = parse(bytes)?;
    let mut names: Vec<_> =
        module.imports().map(|import| format!("{}.{}", import.module(), import.name())).collect();
    names.sort();
    Ok(names)
}

/// What a module exports, sorted.
///
/// # Errors
/// When the bytes are not a Wasm module.
pub fn exports(bytes: &[u8]) -> Result<Vec<String>, LoadError> {
    let module = parse(bytes)?;
    let mut names: Vec<_> = module.exports().map(|export| export.name().to_owned()).collect();
    names.sort();
    Ok(names)
}

fn parse(bytes: &[u8]) -> Result<wasmi::Module, LoadError> {
    wasmi::Module::new(&Engine::default(), bytes).map_err(|error| LoadError::Invalid(error.to_string()))
}

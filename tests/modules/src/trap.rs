//! A module that dies on request.

use walrus::{FunctionBuilder, Module, ValType};

/// The module with a callback for request bodies that traps: a request with a body takes the VM down, as a bug in a filter would.
///
/// # Errors
///
/// When the bytes are no module, or one that reads request bodies itself.
pub fn with_trap(wasm: &[u8]) -> Result<Vec<u8>, String> {
    const CALLBACK: &str = "proxy_on_request_body";
    let mut module = Module::from_buffer(wasm).map_err(|error| error.to_string())?;
    if module.exports.iter().any(|export| export.name == CALLBACK) {
        return Err(format!("it exports {CALLBACK} itself"));
    }
    let parameters = [ValType::I32; 3];
    let mut function = FunctionBuilder::new(&mut module.types, &parameters, &[ValType::I32]);
    function.func_body().unreachable();
    let arguments = parameters.map(|kind| module.locals.add(kind)).to_vec();
    let function = function.finish(arguments, &mut module.funcs);
    module.exports.add(CALLBACK, function);
    Ok(module.emit_wasm())
}

//! A module that dies on request.

use walrus::ir::BinaryOp;
use walrus::{ExportItem, FunctionBuilder, Module, ValType};

/// A request with exactly this body takes the VM of a module [`with_trap`] down.
pub const TRAP_BODY: &str = "a body that takes this VM down";

/// The module with a trap in its callback for request bodies, beside what that does otherwise: a request with [`TRAP_BODY`]
/// takes the VM down, as a bug in a filter would. Its headers have gone through the filter before.
///
/// # Errors
///
/// When the bytes are no module.
pub fn with_trap(wasm: &[u8]) -> Result<Vec<u8>, String> {
    const CALLBACK: &str = "proxy_on_request_body";
    let mut module = Module::from_buffer(wasm).map_err(|error| error.to_string())?;
    let own = module.exports.iter().find(|export| export.name == CALLBACK);
    let own = own.map(|export| (export.id(), export.item));
    let length = i32::try_from(TRAP_BODY.len()).map_err(|error| error.to_string())?;
    // The stream, how many bytes have come, and whether those are all.
    let parameters = [ValType::I32; 3];
    let arguments = parameters.map(|kind| module.locals.add(kind));
    let mut function = FunctionBuilder::new(&mut module.types, &parameters, &[ValType::I32]);
    let mut body = function.func_body();
    body.local_get(arguments[1]).i32_const(length).binop(BinaryOp::I32Eq).if_else(
        None,
        |then| {
            then.unreachable();
        },
        |_| {},
    );
    match own {
        Some((_, ExportItem::Function(own))) => {
            arguments.iter().for_each(|argument| {
                body.local_get(*argument);
            });
            body.call(own);
        }
        // Go on.
        _ => {
            body.i32_const(0);
        }
    }
    let function = function.finish(arguments.to_vec(), &mut module.funcs);
    if let Some((export, _)) = own {
        module.exports.delete(export);
    }
    module.exports.add(CALLBACK, function);
    Ok(module.emit_wasm())
}

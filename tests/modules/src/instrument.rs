//! Makes a module count the instructions that it executes.
//!
//! Every function gets an exported 64-bit counter. At the start of each straight-line run of instructions, up to the
//! next branch, block or call, the number of instructions in that run is added. So the counts are exact, the same on
//! every engine, machine and run, and cost nothing in the modules that ship. Not counted: `block`, `loop`, `else` and
//! `end`, which are structure, not work, and what a host function does.

use std::collections::BTreeMap;

use walrus::ir::{BinaryOp, Binop, Const, GlobalGet, GlobalSet, Instr, InstrLocId, InstrSeqId, Value};
use walrus::{ConstExpr, FunctionId, GlobalId, LocalFunction, Module, ValType};

const COUNTER_PREFIX: &str = "ballast_instructions_";

/// A module that counts.
#[derive(Clone, Debug)]
pub struct Instrumented {
    /// The module.
    pub wasm: Vec<u8>,
    /// The function that each exported counter counts for, by the counter's export name. Several counters may carry
    /// one name: generic functions lose their type parameters in it.
    pub counters: BTreeMap<String, String>,
}

/// The bytes are not a Wasm module.
#[derive(Debug, thiserror::Error)]
#[error("not a Wasm module: {0}")]
pub struct InstrumentError(String);

/// Adds the counters. Take a trimmed module that still has its names (see [`crate::named_module`]).
///
/// # Errors
/// When the bytes are not a Wasm module.
pub fn instrument(wasm: &[u8]) -> Result<Instrumented, InstrumentError> {
    let mut module = Module::from_buffer(wasm).map_err(|error| InstrumentError(format!("{error:#}")))?;
    let functions: Vec<(FunctionId, String)> = module
        .funcs
        .iter_local()
        .enumerate()
        .map(|(index, (id, _))| (id, readable_name(module.funcs.get(id).name.as_deref(), index)))
        .collect();

    let mut counters = BTreeMap::new();
    for (index, (id, name)) in functions.into_iter().enumerate() {
        let counter = module.globals.add_local(ValType::I64, true, false, ConstExpr::Value(Value::I64(0)));
        let export = format!("{COUNTER_PREFIX}{index}");
        module.exports.add(&export, counter);
        counters.insert(export, name);
        if let walrus::FunctionKind::Local(function) = &mut module.funcs.get_mut(id).kind {
            count_runs(function, counter);
        }
    }
    Ok(Instrumented { wasm: module.emit_wasm(), counters })
}

fn readable_name(symbol: Option<&str>, index: usize) -> String {
    match symbol {
        Some(symbol) => format!("{:#}", rustc_demangle::demangle(symbol)),
        None => format!("function {index}"),
    }
}

fn count_runs(function: &mut LocalFunction, counter: GlobalId) {
    let mut sequences = vec![function.entry_block()];
    while let Some(sequence) = sequences.pop() {
        sequences
            .extend(function.block(sequence).instrs.iter().flat_map(|(instruction, _)| nested(instruction)));
        let counted = with_counts(&function.block(sequence).instrs, counter);
        function.block_mut(sequence).instrs = counted;
    }
}

fn with_counts(instructions: &[(Instr, InstrLocId)], counter: GlobalId) -> Vec<(Instr, InstrLocId)> {
    let mut counted = Vec::with_capacity(instructions.len() * 2);
    for run in instructions.split_inclusive(|(instruction, _)| ends_run(instruction)) {
        let executed = run.iter().filter(|(instruction, _)| is_work(instruction)).count();
        if executed > 0 {
            let amount = Value::I64(i64::try_from(executed).unwrap_or(i64::MAX));
            let add: [Instr; 4] = [
                GlobalGet { global: counter }.into(),
                Const { value: amount }.into(),
                Binop { op: BinaryOp::I64Add }.into(),
                GlobalSet { global: counter }.into(),
            ];
            counted.extend(add.map(|instruction| (instruction, InstrLocId::default())));
        }
        counted.extend_from_slice(run);
    }
    counted
}

fn ends_run(instruction: &Instr) -> bool {
    !nested(instruction).is_empty()
        || instruction.following_instructions_are_unreachable()
        || matches!(
            instruction,
            Instr::BrIf(_)
                | Instr::BrOnNull(_)
                | Instr::BrOnNonNull(_)
                | Instr::BrOnCast(_)
                | Instr::BrOnCastFail(_)
                | Instr::Call(_)
                | Instr::CallIndirect(_)
                | Instr::CallRef(_)
        )
}

fn is_work(instruction: &Instr) -> bool {
    !matches!(instruction, Instr::Block(_) | Instr::Loop(_))
}

fn nested(instruction: &Instr) -> Vec<InstrSeqId> {
    match instruction {
        Instr::Block(block) => vec![block.seq],
        Instr::Loop(body) => vec![body.seq],
        Instr::IfElse(branches) => vec![branches.consequent, branches.alternative],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wasmi::{Engine, Linker, Module, Store};

    use super::instrument;

    const MODULE: &str = r#"(module
        (func $_ZN4core3ptr4swap17h0123456789abcdefE (param i32) (result i32)
            (i32.add (local.get 0) (i32.const 1)))
        (func $sum_to (export "sum_to") (param $n i32) (result i32) (local $sum i32)
            (loop $next
                (local.set $sum (i32.add (local.get $sum) (local.get $n)))
                (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum))
        (func $choose (export "choose") (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (call 0 (i32.const 7)))
                (else (i32.const 3) (i32.const 4) (i32.add))))
        (func $early (export "early") (param i32) (result i32)
            (block $out (br_if $out (local.get 0)) (return (i32.const 1)))
            (i32.const 2) (i32.const 3) (i32.mul)))"#;

    /// Calls the function and gives its answer and what each function executed.
    fn run(function: &str, argument: i32) -> (i32, BTreeMap<String, i64>) {
        let counting = instrument(&wat::parse_str(MODULE).unwrap()).unwrap();
        let engine = Engine::default();
        let module = Module::new(&engine, &counting.wasm).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate_and_start(&mut store, &module).unwrap();
        let callable = instance.get_typed_func::<i32, i32>(&store, function).unwrap();
        let answer = callable.call(&mut store, argument).unwrap();
        let counts = counting
            .counters
            .iter()
            .map(|(export, name)| {
                let counter = instance.get_global(&store, export).unwrap().get(&store);
                (name.clone(), counter.i64().unwrap())
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        (answer, counts)
    }

    #[test]
    fn each_function_counts_exactly_what_it_executed() {
        type Counts = &'static [(&'static str, i64)];
        let rows: [(&str, i32, i32, Counts); 6] = [
            // Nine instructions a round and the last `local.get`.
            ("sum_to", 1, 1, &[("sum_to", 10)]),
            ("sum_to", 10, 55, &[("sum_to", 91)]),
            // `local.get`, `if`, `i32.const`, `call`; three in the callee.
            ("choose", 1, 8, &[("choose", 4), ("core::ptr::swap", 3)]),
            ("choose", 0, 7, &[("choose", 5)]),
            ("early", 0, 1, &[("early", 4)]),
            ("early", 1, 6, &[("early", 5)]),
        ];
        for (function, argument, answer, counts) in rows {
            let expected = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
            assert_eq!(run(function, argument), (answer, expected), "{function}({argument})");
        }
    }
}

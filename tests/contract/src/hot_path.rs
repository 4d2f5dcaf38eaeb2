//! What a path costs, against what is written down.

use ballast_wasm_host::Cost;
use std::fmt::Write;

/// By how much the number of instructions may differ from what is written down.
const TOLERANCE_PERCENT: u64 = 5;

/// What to write down if a path costs something else than these host calls and, within 5%, these instructions.
pub fn other_cost(name: &str, host_calls: &[(&str, u64)], instructions: u64, cost: &Cost) -> Option<String> {
    let measured = cost.instructions.unwrap();
    let same = cost.host_calls.iter().map(|(name, count)| (*name, *count)).eq(host_calls.iter().copied())
        && measured.abs_diff(instructions) * 100 <= instructions * TOLERANCE_PERCENT;
    if same {
        return None;
    }
    let mut text = format!("{name}:\n        host_calls: &[\n");
    for (name, count) in &cost.host_calls {
        writeln!(text, "            ({name:?}, {count}),").unwrap();
    }
    let digits = measured.to_string();
    let (thousands, rest) = digits.split_at(digits.len().saturating_sub(3));
    let separator = if thousands.is_empty() { "" } else { "_" };
    writeln!(text, "        ],\n        instructions: {thousands}{separator}{rest},").unwrap();
    Some(text)
}

//! The incident as tables in Markdown.

use super::{Measures, Second};
use std::fmt::Write;

/// What each second saw.
pub fn seconds(measures: &Measures) -> String {
    let mut table = String::from(
        "| second | shop | sent | good | critical good | stale | limited | shed | left alone | at the shop | retries there | level | breaker |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for second in &measures.seconds {
        let Second { number, phase, sent, good, critical_sent, critical_good, stale, limited, shed, .. } =
            second;
        let Second { left_alone, first_attempts, retries, level, open, .. } = second;
        let breaker = if *open { "open" } else { "" };
        let at_the_shop = first_attempts + retries;
        let _ = writeln!(
            table,
            "| {number} | {phase} | {sent} | {good} | {critical_good} of {critical_sent} | {stale} | {limited} | {shed} \
             | {left_alone} | {at_the_shop} | {retries} | {level} | {breaker} |"
        );
    }
    table
}

/// Both ways beside each other.
pub fn compare(alone: &Measures, together: &Measures) -> String {
    let percent = |share: f64| format!("{:.1}%", 100.0 * share);
    let after =
        |seconds: Option<u32>| seconds.map_or("not in time".to_owned(), |seconds| format!("{seconds} s"));
    let rows = [
        (
            "answered well, of all from the first trouble to the end",
            percent(alone.goodput),
            percent(together.goodput),
        ),
        ("critical ones answered well in that time", percent(alone.critical), percent(together.critical)),
        (
            "attempts at the shop for each request that reached it",
            format!("{:.3}", alone.amplification),
            format!("{:.3}", together.amplification),
        ),
        ("stale answers served", alone.stale.to_string(), together.stale.to_string()),
        ("95% answered well again after", after(alone.recovered_after), after(together.recovered_after)),
        ("overload level 0 again after", after(alone.level_zero_after), after(together.level_zero_after)),
    ];
    let mut table = String::from("| | alone | together |\n|---|---|---|\n");
    for (what, alone, together) in rows {
        let _ = writeln!(table, "| {what} | {alone} | {together} |");
    }
    table
}

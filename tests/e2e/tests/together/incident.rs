//! One incident, each filter by itself and all together.

use ballast_e2e::incident::{Measures, Plan, Way, compare, play, seconds};

/// By how much a measure may be worse by chance: the figures of a run are those of a machine that does other things, too.
const CHANCE: f64 = 0.01;

fn told(way: Way, measures: &Measures) -> String {
    format!("{}:\n{}", way.name(), seconds(measures))
}

#[tokio::test]
async fn a_shop_that_dies_takes_nothing_else_with_it_and_together_the_filters_do_better() {
    // One after the other: two Envoys would take the processors from each other.
    let alone = play(Way::Alone, Plan::SHORT).await;
    let together = play(Way::Together, Plan::SHORT).await;
    let table = compare(&alone, &together);
    println!("{}\n{}\n{table}", told(Way::Alone, &alone), told(Way::Together, &together));

    let dead: Vec<_> = together.seconds.iter().filter(|second| second.phase == "dead").collect();
    let settled = &dead[2..];
    assert!(dead.iter().any(|second| second.open), "the breaker opens");
    assert!(settled.iter().all(|second| second.retries == 0), "no retries into it");
    assert!(settled.iter().all(|second| second.first_attempts <= 10), "nothing but probes reaches the shop");
    assert!(settled.iter().all(|second| second.stale > 0), "the catalogue is served stale");
    assert!(together.critical >= 0.99, "critical: {}", together.critical);
    assert!(
        together.level_zero_after.is_some_and(|seconds| seconds <= 10),
        "{:?}",
        together.level_zero_after
    );

    let late = |after: Option<u32>| f64::from(after.unwrap_or(u32::MAX));
    let (before, now) = (&alone, &together);
    // By how much it is better together, of what it was, and by how much it may be worse.
    let better = [
        ("goodput", now.goodput - before.goodput, CHANCE),
        ("critical", now.critical - before.critical, CHANCE),
        ("amplification", before.amplification - now.amplification, CHANCE),
        ("stale", now.stale as f64 - before.stale as f64, 0.0),
        ("recovery", late(before.recovered_after) - late(now.recovered_after), 1.0),
    ];
    for (what, gain, chance) in better {
        assert!(gain >= -chance, "{what} is worse by {}", -gain);
    }
    let gained = better.iter().filter(|(_, gain, chance)| *gain > *chance).count();
    assert!(gained >= 3, "better on {gained} only");
}

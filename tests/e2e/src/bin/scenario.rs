//! Plays the incident both ways and prints what each second saw, as Markdown.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use ballast_e2e::incident::{Plan, Way, compare, play, seconds};

#[tokio::main]
async fn main() {
    // One after the other: two Envoys would take the processors from each other.
    let alone = play(Way::Alone, Plan::LONG).await;
    let together = play(Way::Together, Plan::LONG).await;
    for (way, measures) in [(Way::Alone, &alone), (Way::Together, &together)] {
        println!("## {}\n\n{}", way.name(), seconds(measures));
    }
    println!("## Compared\n\n{}", compare(&alone, &together));
}

//! What a ticket costs in a crew, host's part included: the identity, a plugin that touches its JSON, and the flagship
//! with one answered lookup, in turns of 1, 8 and 64 events. Run after `./x guests`:
//!
//! `cargo run --release -p millrace-plugin --example turn_cost`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a table for people")]

#[path = "load/flagship.rs"]
mod flagship;

use flagship::PROJECTED;
use millrace_plugin::{Crew, Engine, EngineConfig, Limits};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

/// Tickets of one measurement.
const TICKETS: usize = 200_000;

/// Measurements of each row; the best one counts, because noise only ever adds.
const REPEATS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::new(EngineConfig::default())?;
    let answer = flagship::answer();
    println!("{:<24} {:>6} {:>12} {:>12} {:>8}", "guest", "batch", "µs/ticket", "tickets/s", "turns");
    for (name, document) in [("identity", "{}"), ("json-touch", PROJECTED), ("page-content-change", PROJECTED)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../guests/target/components/{name}.wasm"));
        let Ok(component) = std::fs::read(&path) else {
            eprintln!("{name} is not built; run ./x guests first");
            continue;
        };
        let plugin = engine.load(&component)?;
        let input = plugin.describe().inputs.keys().next().cloned().unwrap_or_default();
        for batch in [1, 8, 64] {
            let event = flagship::event(&input, document);
            let mut best = f64::INFINITY;
            let mut turns = 0;
            for _ in 0..REPEATS {
                let mut crew = Crew::new(&plugin, "{}", Limits::default())
                    .or_else(|_| Crew::new(&plugin, "null", Limits::default()))?;
                let started = Instant::now();
                turns = flagship::run(&mut crew, &event, &answer, batch, TICKETS)?;
                best = best.min(started.elapsed().as_secs_f64());
            }
            let tickets = TICKETS as f64;
            println!("{name:<24} {batch:>6} {:>12.2} {:>12.0} {turns:>8}", best * 1e6 / tickets, tickets / best);
        }
    }
    Ok(())
}

//! Random kills, freezes and outages around two hosts of one group: ten runs in at-least-once, one with twenty faults in
//! exactly-once. `./x chaos` runs any number of others.

use millrace_chaos::kills;
use millrace_chaos::kills::plan::Plan;
use millrace_chaos::run::run;
use millrace_chaos::scene::Scene;
use millrace_chaos::schedule::{Schedule, TEN_SEEDS};

/// The same schedules each time, so that a red test is the fault of a change.
#[test]
fn nothing_is_lost_or_out_of_order_under_random_kills() -> anyhow::Result<()> {
    let scene = Scene::set()?;
    let (mut takeovers, mut doubles) = (0, 0);
    for seed in TEN_SEEDS {
        let schedule = Schedule::of(seed);
        println!("seed {seed}: {}", serde_json::to_string(&schedule)?);
        let report = run(&scene, &schedule)?;
        match report.verdict {
            Ok(findings) => {
                println!("  {findings:?}");
                takeovers += findings.takeovers;
                doubles += findings.doubles;
            }
            Err(breaches) => {
                let breaches: Vec<String> = breaches.iter().take(20).map(ToString::to_string).collect();
                panic!("seed {seed} (logs in {:?}):\n{}", report.kept, breaches.join("\n"));
            }
        }
    }
    assert!(takeovers > 0, "ten runs in which no partition ever moved prove nothing");
    assert!(doubles > 0, "ten runs in which no kill ever hit anything prove nothing");
    Ok(())
}

/// Three brokers of its own, any of which may be lost.
#[test]
fn twenty_kills_of_hosts_and_brokers_leave_each_output_once() -> anyhow::Result<()> {
    const SEED: u64 = 1;
    let plan = Plan::of(SEED, 20);
    let report = kills::run(&mut kills::Scene::set()?, &plan, &mut |line| println!("{line}"))?;
    println!("{report:?}");
    if let Err(breaches) = report.verdict {
        let breaches: Vec<String> = breaches.iter().take(20).map(ToString::to_string).collect();
        panic!("seed {SEED} (logs in {:?}):\n{}", report.kept, breaches.join("\n"));
    }
    assert!(report.effects.fences > 0, "no former owner was ever stopped: {:?}", report.effects);
    Ok(())
}

//! What benches leave behind: their figures as JSON, against their goals in a table, and for people as one HTML file, no
//! network, drawn from the same figures.

use super::run::Measured;
use crate::tree;
use anyhow::Context as _;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// A goal of the design: a figure, and whether more or less is better.
pub(crate) struct Goal {
    /// The key in the JSON file.
    pub(crate) key: &'static str,
    /// What it means, for people.
    pub(crate) what: &'static str,
    /// The goal.
    pub(crate) goal: f64,
    /// Whether the figure shall be at least the goal, or at most.
    pub(crate) at_least: bool,
}

impl Goal {
    /// A figure that shall be at least `goal`.
    pub(crate) const fn at_least(key: &'static str, what: &'static str, goal: f64) -> Self {
        Self { key, what, goal, at_least: true }
    }

    /// A figure that shall be at most `goal`.
    pub(crate) const fn at_most(key: &'static str, what: &'static str, goal: f64) -> Self {
        Self { key, what, goal, at_least: false }
    }
}

/// Writes a file of that name to `target/bench`, and answers its path.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let folder = tree::root().join("target/bench");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Writes figures as JSON to `target/bench`, and answers the file's path.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write_figures(name: &str, figures: &Map<String, Value>) -> anyhow::Result<PathBuf> {
    write(name, &(serde_json::to_string_pretty(figures)? + "\n"))
}

/// Whether a figure reaches its goal.
pub(crate) fn reached(goal: &Goal, figure: f64) -> bool {
    if goal.at_least { figure >= goal.goal } else { figure <= goal.goal }
}

/// The table on the terminal.
pub(crate) fn table(figures: &Map<String, Value>, goals: &[Goal]) -> String {
    let mut out = format!("{:<34}{:>12}{:>14}  reached\n", "figure", "measured", "goal");
    for (key, value) in figures {
        let Some(figure) = value.as_f64() else { continue };
        let goal = goals.iter().find(|goal| goal.key == key);
        let (target, verdict) = match goal {
            None => (String::new(), ""),
            Some(goal) => {
                let sign = if goal.at_least { "≥" } else { "≤" };
                (format!("{sign} {}", goal.goal), if reached(goal, figure) { "yes" } else { "NO" })
            }
        };
        line(&mut out, format_args!("{key:<34}{figure:>12.3}{target:>14}  {verdict}\n"));
    }
    out
}

/// The whole page.
pub(crate) fn html(figures: &Map<String, Value>, goals: &[Goal], runs: &[Measured], machine: &str) -> String {
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Millrace: enrichment bench</title><style>\
         body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
         table{border-collapse:collapse}td,th{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:right}\
         td:first-child,th:first-child{text-align:left}.yes{color:#176}.no{color:#b22}svg{width:100%;height:auto}\
         .legend span{margin-right:1.5rem}</style><h1>Enrichment bench</h1>",
    );
    line(&mut out, format_args!("<p>{}</p>", escape(machine)));
    figures_table(&mut out, figures, goals);
    out.push_str(
        "<h2>Throughput over time</h2><p>Enriched events per second, side by side with the hand-written twin.</p>",
    );
    out.push_str(&throughput_chart(runs));
    out.push_str("<h2>Latency at 50 events/s</h2><p>From the event's time to its arrival at a reader, the API's 100 ms included.</p>");
    for run in runs.iter().filter(|run| !run.latencies_ms.is_empty()) {
        out.push_str(&latency_chart(run));
    }
    out.push_str("<h2>Where the CPU goes</h2><p>CPU seconds by thread, user and system.</p>");
    for run in runs.iter().filter(|run| !run.cpu_by_thread.is_empty()) {
        out.push_str(&cpu_chart(&run.name, &run.cpu_by_thread));
    }
    out.push_str("</html>\n");
    out
}

fn figures_table(out: &mut String, figures: &Map<String, Value>, goals: &[Goal]) {
    out.push_str("<table><tr><th>figure<th>measured<th>goal<th></tr>");
    for (key, value) in figures {
        let Some(figure) = value.as_f64() else { continue };
        let goal = goals.iter().find(|goal| goal.key == key);
        let what = goal.map_or("", |goal| goal.what);
        let target = goal.map_or(String::new(), |g| format!("{} {}", if g.at_least { "≥" } else { "≤" }, g.goal));
        let verdict = match goal.map(|goal| reached(goal, figure)) {
            None => "<td>",
            Some(true) => "<td class=yes>reached",
            Some(false) => "<td class=no>not reached",
        };
        line(out, format_args!("<tr><td title=\"{what}\">{key}<td>{figure:.3}<td>{target}{verdict}</tr>"));
    }
    out.push_str("</table>");
}

const COLOURS: [&str; 4] = ["#1668a8", "#c8641e", "#3a8a3a", "#8a3a8a"];
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 260.0;

fn throughput_chart(runs: &[Measured]) -> String {
    let shown: Vec<&Measured> = runs.iter().filter(|run| run.latencies_ms.is_empty()).collect();
    let longest = shown.iter().filter_map(|run| run.rates.last()).map(|(t, _)| *t).fold(1.0, f64::max);
    let highest = shown.iter().flat_map(|run| &run.rates).map(|(_, rate)| *rate).fold(1.0, f64::max);
    let mut out = format!("<svg viewBox=\"0 0 {WIDTH} {}\">", HEIGHT + 20.0);
    for share in [0.0, 0.5, 1.0] {
        let y = HEIGHT - share * (HEIGHT - 20.0);
        line(
            &mut out,
            format_args!(
                "<line x1=0 x2={WIDTH} y1={y} y2={y} stroke=#ddd /><text x=2 y={} font-size=12>{:.0}/s</text>",
                y - 3.0,
                share * highest
            ),
        );
    }
    for (run, colour) in shown.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<String> = run
            .rates
            .iter()
            .map(|(t, rate)| format!("{:.1},{:.1}", t / longest * WIDTH, HEIGHT - rate / highest * (HEIGHT - 20.0)))
            .collect();
        line(
            &mut out,
            format_args!("<polyline fill=none stroke={colour} stroke-width=2 points=\"{}\"/>", points.join(" ")),
        );
    }
    line(
        &mut out,
        format_args!("<text x={} y={} font-size=12 text-anchor=end>{longest:.0} s</text></svg>", WIDTH, HEIGHT + 15.0),
    );
    out.push_str("<p class=legend>");
    for (run, colour) in shown.iter().zip(COLOURS.iter().cycle()) {
        line(&mut out, format_args!("<span style=\"color:{colour}\">&#9632; {}</span>", escape(&run.name)));
    }
    out.push_str("</p>");
    out
}

fn latency_chart(run: &Measured) -> String {
    let mut sorted = run.latencies_ms.clone();
    sorted.sort_by(f64::total_cmp);
    let (first, last) = (sorted.first().copied().unwrap_or(0.0), sorted.last().copied().unwrap_or(1.0));
    let bins = 60;
    let step = ((last - first) / f64::from(bins)).max(0.1);
    let mut counts = vec![0_u32; 61];
    for value in &sorted {
        if let Some(count) = counts.get_mut(((value - first) / step) as usize) {
            *count += 1;
        }
    }
    let highest = f64::from(counts.iter().copied().max().unwrap_or(1).max(1));
    let mut out = format!("<h3>{}</h3><svg viewBox=\"0 0 {WIDTH} 160\">", escape(&run.name));
    for (at, count) in counts.iter().enumerate() {
        let height = f64::from(*count) / highest * 130.0;
        line(
            &mut out,
            format_args!(
                "<rect x={} y={} width=13 height={height:.1} fill={} />",
                at as f64 * 14.7,
                135.0 - height,
                COLOURS.first().unwrap_or(&"#000")
            ),
        );
    }
    line(
        &mut out,
        format_args!(
            "<text x=0 y=152 font-size=12>{first:.0} ms</text><text x={WIDTH} y=152 font-size=12 text-anchor=end>{last:.0} ms</text></svg>"
        ),
    );
    out
}

fn cpu_chart(name: &str, shares: &BTreeMap<String, f64>) -> String {
    let total: f64 = shares.values().sum::<f64>().max(0.01);
    let mut rows: Vec<(&String, &f64)> = shares.iter().filter(|(_, seconds)| **seconds / total > 0.005).collect();
    rows.sort_by(|a, b| b.1.total_cmp(a.1));
    let mut out = format!("<h3>{}</h3><table>", escape(name));
    for (thread, seconds) in rows {
        let share = seconds / total;
        line(
            &mut out,
            format_args!(
                "<tr><td>{}<td>{seconds:.1} s<td>{:.0} %<td style=\"width:20rem\"><div style=\"background:#1668a8;height:.8rem;width:{:.0}%\"></div></tr>",
                escape(thread),
                share * 100.0,
                share * 100.0
            ),
        );
    }
    out.push_str("</table>");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Writing to a `String` cannot fail.
fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    if out.write_fmt(text).is_err() {
        out.push_str("(unprintable)");
    }
}

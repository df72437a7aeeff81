//! Measures what a revision costs once its answer is there: finding the bodies, their size and their SHA-1.
//! Run with `cargo run --release -p millrace-lookup --example read_revisions`.

#![expect(clippy::print_stdout, reason = "it exists to print a table")]

use std::time::Instant;

/// Answers that are read for one line of the table.
const ANSWERS: u32 = 400;

fn main() {
    println!("{:>10} {:>14} {:>14} {:>12}", "revisions", "body, bytes", "µs a revision", "MB/s");
    for (revisions, body_bytes) in [(50, 1_000), (50, 10_000), (1, 10_000), (5, 1_000_000)] {
        let answer = answer(revisions, body_bytes);
        // A copy for each reading, made before the clock starts.
        let copies: Vec<Vec<u8>> = (0..ANSWERS).map(|_| answer.clone()).collect();
        let start = Instant::now();
        let read: usize = copies.into_iter().map(|copy| millrace_lookup::measure(copy).0).sum();
        let seconds = start.elapsed().as_secs_f64();
        let each_us = seconds * 1e6 / read as f64;
        let rate = answer.len() as f64 * f64::from(ANSWERS) / seconds / 1e6;
        println!("{revisions:>10} {body_bytes:>14} {each_us:>14.2} {rate:>12.0}");
    }
}

/// An answer in MediaWiki's shape, with a newline or a quotation mark every 60 bytes or so, as wikitext has them.
fn answer(revisions: usize, body_bytes: usize) -> Vec<u8> {
    let line = "The quick brown fox [[jumps]] over the ''lazy'' dog, naïvely, in {{convert|3|m}}.\\n* \\\"item\\\" ";
    let mut pages = Vec::new();
    for rev_id in 1..=revisions {
        let content = line.repeat(body_bytes / line.len() + 1);
        pages.push(format!(
            r#"{{"pageid":{rev_id},"ns":0,"title":"Page {rev_id}","revisions":[{{"revid":{rev_id},"parentid":0,"slots":{{"main":{{"contentmodel":"wikitext","contentformat":"text/x-wiki","content":"{content}"}}}}}}]}}"#
        ));
    }
    format!(r#"{{"batchcomplete":true,"query":{{"pages":[{}]}}}}"#, pages.join(",")).into_bytes()
}

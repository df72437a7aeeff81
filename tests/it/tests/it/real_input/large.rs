//! Bodies about as large as a Kafka record may be, on a wiki that answers them and on one that does not.

use super::{Case, Expected, feed, finish, import, page, prepared, stage};
use millrace_bed::real::RealRevision;
use millrace_services::{MediaWiki, Wiki};

/// Below the 10 MiB of a record, above the 8 MiB that MediaWiki puts into an answer by default.
const BODY_BYTES: usize = 9_500_000;
/// Its escaped form is 3 % larger: it fits into a record.
const PROSE: &str = "A \"line\" of text that is long, and long: äöü 🌊.\n";
/// Its escaped form is half as large again: it does not.
const QUOTES: &str = "\"\"\"\"\"\\\\\\\\\\nothing";

fn large(line: &str) -> String {
    let text = line.repeat(BODY_BYTES / line.len());
    text.trim_end().to_owned()
}

/// One revision each: within a record, beyond a record, and a small one.
fn pages(mediawiki: &MediaWiki, wiki: Wiki) -> anyhow::Result<Vec<RealRevision>> {
    let pages = [
        page("Large within", [large(PROSE)]),
        page("Large beyond", [large(QUOTES)]),
        page("Large small", ["small \"one\"".to_owned()]),
    ];
    import(mediawiki, wiki, &pages)
}

#[test]
fn bodies_near_the_limit_pass_or_become_error_events_and_the_next_goes_through() -> anyhow::Result<()> {
    let (mediawiki, (english, french)) =
        prepared(|mediawiki| Ok((pages(mediawiki, Wiki::English)?, pages(mediawiki, Wiki::French)?)))?;
    let cases = [
        Case::new(&english[0], "edit", Expected::Error("lookup_too_large")),
        Case::good(&english[2]),
        Case::good(&french[0]),
        Case::good(&french[2]),
        Case::new(&french[1], "edit", Expected::Error("output_too_large")),
        Case::new(&french[2], "undelete", Expected::Body),
        Case::new(&english[1], "edit", Expected::Error("lookup_too_large")),
        Case::new(&english[2], "undelete", Expected::Body),
    ];
    let stage = stage("real-large", 1, &mediawiki)?;
    feed(&stage, &cases)?;
    finish(&stage, stage.start()?, &cases)
}

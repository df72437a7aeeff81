//! What a host says when something is wrong before the first record.

use millrace_it::Stage;
use std::time::Duration;

#[test]
fn a_missing_topic_is_named_with_the_command_that_creates_it() -> anyhow::Result<()> {
    let mut stage = Stage::set("absent", "page-content-change", 1, Duration::ZERO)?;
    stage.enrichment.output = "absent.nowhere".to_owned();
    let host = stage.start_unready()?;
    stage.wait_for_log(&host, &["absent.nowhere", "kafka-topics.sh", "--create"])?;
    let (status, body) = host.get("/readyz")?;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("absent.nowhere"), "{body}");
    assert_eq!(host.get("/healthz")?.0, 200);
    assert_eq!(host.terminate()?, Some(0));
    Ok(())
}

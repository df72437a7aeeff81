//! `millrace consume` as its users see it: what it prints, what it says, how it ends.

use millrace_bed::event_streams::EventStreams;
use millrace_bed::host::{millrace_binary, root};
use millrace_flow::record::OutputRecord;
use millrace_it::{Stage, kafka, record};
use millrace_services::{Listener, Topic};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// 2026-02-03T04:05:06Z, in milliseconds.
const TIME_MS: i64 = 1_770_091_506_000;

/// Event `number`, at as many seconds behind [`TIME_MS`].
fn event(number: i64) -> Value {
    let second = 6 + number;
    json!({
        "$schema": "/mediawiki/page/change/1.2.0",
        "meta": {"stream": "consumed.v1", "domain": "w.test", "dt": format!("2026-02-03T04:05:{second:02}Z")},
        "wiki_id": format!("w{}wiki", number % 2),
        "page_change_kind": if number % 3 == 0 { "move" } else { "edit" },
        "page": {"page_id": number, "page_title": format!("Page {number}")},
    })
}

fn timed(topic: &str, number: i64) -> OutputRecord {
    let value = event(number).to_string().into_bytes();
    OutputRecord { timestamp_ms: TIME_MS + number * 1_000, ..record(topic, None, Some(value)) }
}

fn command(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(millrace_binary()?);
    command.arg("consume").args(arguments);
    Ok(command)
}

fn consume(arguments: &[&str]) -> anyhow::Result<Output> {
    Ok(command(arguments)?.stdin(Stdio::null()).output()?)
}

/// The page ids of what was printed, in order.
fn pages(output: &Output) -> Vec<i64> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["page"]["page_id"].as_i64().unwrap()).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn check(arguments: &[&str], expected: &[i64]) {
    let output = consume(arguments).unwrap();
    assert_eq!((output.status.code(), pages(&output)), (Some(0), expected.to_vec()), "{}", said(&output));
    assert_eq!(said(&output), "");
}

#[test]
fn a_stream_is_read_from_its_topics_without_a_group() -> anyhow::Result<()> {
    let stage = Stage::set("consumed", "identity", 1, Duration::ZERO)?;
    let topic = "eqiad.consumed.v1";
    kafka()?.create_topics(&[Topic::new(topic, 1, &[])])?;
    stage.feed_records((0..10).map(|number| timed(topic, number)))?;
    let canary = json!({"meta": {"domain": "canary", "stream": "consumed.v1"}, "page": {"page_id": 99}});
    stage.feed_records([
        OutputRecord { timestamp_ms: TIME_MS + 9_500, ..record(topic, None, Some(canary.to_string().into_bytes())) },
        OutputRecord { timestamp_ms: TIME_MS + 9_600, ..record(topic, None, None) },
    ])?;
    let brokers = kafka()?.bootstrap();
    let base = ["consumed.v1", "--brokers", &brokers];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    check(&base, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    check(&with(&["--limit", "3"]), &[0, 1, 2]);
    check(&with(&["--wiki", "w1wiki"]), &[1, 3, 5, 7, 9]);
    check(&with(&["--kind", "move", "--wiki", "w0wiki"]), &[0, 6]);
    check(&with(&["--since", "2026-02-03T04:05:10Z", "--until", "2026-02-03T04:05:13Z"]), &[4, 5, 6]);
    check(&with(&["--since", "2026-02-03T04:05:14Z", "--canary"]), &[8, 9, 99]);
    check(&with(&["--since", "2h"]), &[]);
    check(&with(&["--follow", "--since", "2026-02-03T04:05:06Z", "--limit", "10"]), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    Ok(())
}

/// Starts to follow, and waits for the first line.
fn follow(topic_stream: &str, brokers: &str) -> anyhow::Result<(Child, BufReader<std::process::ChildStdout>)> {
    let since = ["--follow", "--since", "2026-01-01T00:00:00Z"];
    let mut child =
        command(&[&[topic_stream, "--brokers", brokers][..], &since].concat())?.stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line)?;
    assert!(line.contains("\"page_id\":0"), "{line}");
    Ok((child, lines))
}

#[test]
fn following_shows_what_is_written_until_nobody_reads() -> anyhow::Result<()> {
    let stage = Stage::set("followed", "identity", 1, Duration::ZERO)?;
    stage.feed_records([timed("followed.in", 0)])?;
    let (mut child, mut lines) = follow("followed.in", &kafka()?.bootstrap())?;
    stage.feed_records([timed("followed.in", 1)])?;
    let mut line = String::new();
    lines.read_line(&mut line)?;
    assert!(line.contains("\"page_id\":1"), "{line}");
    // The pipe breaks while nothing is written.
    drop(lines);
    assert_eq!(child.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn a_broken_pipe_ends_it_quietly() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("events.jsonl");
    let text: String = (0..50).map(|number| format!("{}\n", event(number))).collect();
    std::fs::write(&file, text.repeat(2_000))?;
    let mut child = command(&["--file"])?;
    let mut child = child.arg(&file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    lines.read_line(&mut String::new())?;
    drop(lines);
    let output = child.wait_with_output()?;
    assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()));
    Ok(())
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() -> anyhow::Result<()> {
    let stage = Stage::set("misread", "identity", 1, Duration::ZERO)?;
    let brokers = kafka()?.bootstrap();
    let streams = stage.folder().join("streams.json");
    std::fs::write(
        &streams,
        r#"{"streams": {"mediawiki.page_change.v1": {"schema_title": "mediawiki/page/change"}}}"#,
    )?;
    let streams = streams.display().to_string();
    let cases: [(&[&str], i32, &[&str]); 8] = [
        (&["misread.im", "--brokers", &brokers], 1, &["none of the topics", "did you mean `misread.in`?"]),
        (&["misread.in", "--brokers", "127.0.0.1:1"], 1, &["no broker of 127.0.0.1:1 answers", "check the address"]),
        (
            &["mediawiki.page_chang.v1", "--streams", &streams],
            1,
            &["no stream `mediawiki.page_chang.v1`", "did you mean `mediawiki.page_change.v1`?"],
        ),
        (&["x", "--streams", "/nowhere.json"], 1, &["/nowhere.json"]),
        (&["x", "--jq", ".a |"], 2, &["--jq .a |", "the end"]),
        (&["x", "--since", "yesterday"], 2, &["--since yesterday", "like 2h"]),
        (&["x", "--since", "1h", "--until", "2h"], 2, &["nothing in between"]),
        (&["--file", "/nowhere.jsonl"], 1, &["/nowhere.jsonl"]),
    ];
    for (arguments, code, words) in cases {
        let output = consume(arguments)?;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(words.iter().all(|word| said(&output).contains(word)), "{arguments:?}: {}", said(&output));
        assert!(output.stdout.is_empty());
    }
    Ok(())
}

#[test]
fn events_come_from_files_and_from_standard_input() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let text: String = (0..4).map(|number| format!("{}\n", event(number))).collect();
    std::fs::write(path("plain.jsonl"), &text)?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes())?;
    std::fs::write(path("packed.gz"), gzip.finish()?)?;
    std::fs::write(path("packed.zst"), zstd::encode_all(text.as_bytes(), 1)?)?;
    check(&["--file", &path("packed.gz")], &[0, 1, 2, 3]);
    check(&["--file", &path("plain.jsonl"), &path("packed.zst"), "--wiki", "w1wiki"], &[1, 3, 1, 3]);
    check(&["another.v1", "--file", &path("plain.jsonl")], &[]);
    check(&["consumed.v1", "--file", &path("plain.jsonl"), "-n", "1"], &[0]);
    let mut child = command(&["--file", "-", "--jq", ".page.page_title", "--raw"])?;
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().unwrap().write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Page 0\nPage 1\nPage 2\nPage 3\n");
    Ok(())
}

#[test]
fn events_that_are_wrong_are_told_and_the_others_shown() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("events.jsonl");
    std::fs::write(&file, format!("{}\n{{\"half\n{{\"page\": 7}}\n{}\n", event(1), event(2)))?;
    let file = file.display().to_string();
    let output = consume(&["--file", &file, "--jq", ".page.page_id"])?;
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()), (Some(1), "1\n2\n"));
    assert!(said(&output).contains(":2: "), "{}", said(&output));
    assert!(said(&output).contains(":3: --jq: "), "{}", said(&output));
    Ok(())
}

#[test]
fn validation_tells_what_is_invalid() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("events.jsonl");
    let good = json!({"$schema": "/test/any/1.0.0", "meta": {"stream": "any"}, "page": {"page_id": 1}});
    let unknown = json!({"$schema": "/test/any/9.0.0"});
    let invalid = json!({"$schema": "/mediawiki/page/change/1.2.0", "dt": 7});
    std::fs::write(&file, format!("{good}\n{unknown}\n{invalid}\n{{}}\n"))?;
    let file = file.display().to_string();
    let schemas = [root().join("tests/bed/schemas/jsonschema"), root().join("examples/schemas/jsonschema")];
    let schemas = schemas.map(|folder| folder.display().to_string());
    let output = consume(&["--file", &file, "--validate", "--schemas", &schemas[0], &schemas[1]])?;
    assert_eq!((output.status.code(), pages(&output)), (Some(1), vec![1]));
    let said = said(&output);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[0].contains(":2: ") && lines[0].contains("1.0.0"), "{said}");
    assert!(lines[1].contains(":3: ") && lines[1].contains("changelog_kind"), "{said}");
    assert!(lines[2].contains(":4: ") && lines[2].contains("$schema"), "{said}");
    Ok(())
}

#[test]
fn event_streams_are_read_on_when_connections_end() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let events = (0..12).map(event).collect();
    let server = runtime.block_on(EventStreams::start("consumed.v1", events, 4))?;
    let since = ["--since", "2026-02-03T04:05:08Z"];
    let output = consume(&[&["consumed.v1", "--url", server.url(), "-n", "9"][..], &since].concat())?;
    assert_eq!((output.status.code(), pages(&output)), (Some(0), (2..11).collect()), "{}", said(&output));
    // It reads ahead: the third connection may have ended, and a fourth begun, before the ninth event was shown.
    let requests = server.requests().len();
    assert!((3..=4).contains(&requests), "{requests} requests");
    assert!(said(&output).contains("the server closed the connection"), "{}", said(&output));
    let output = consume(&["nothing.v1", "--url", server.url()])?;
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("404: Unknown stream"), "{}", said(&output));
    Ok(())
}

#[test]
fn a_cluster_of_a_hosts_file_is_read_with_its_tls_and_password() -> anyhow::Result<()> {
    let stage = Stage::set("secured", "identity", 1, Duration::ZERO)?;
    stage.feed_records((0..3).map(|number| timed("secured.in", number)))?;
    let kafka = kafka()?;
    let (certificates, user) = (kafka.certificates().unwrap(), kafka.user().unwrap());
    let password = stage.folder().join("password");
    std::fs::write(&password, &user.password)?;
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600))?;
    let secured = format!(
        "kafka:\n  clusters:\n    secured: {{ brokers: \"{}\", tls: {{ ca_file: \"{}\" }}, sasl: {{ mechanism: SCRAM-SHA-512, \
         username: {}, password_file: \"{}\" }} }}",
        kafka.bootstrap_of(Listener::ScramTls),
        certificates.authority.display(),
        user.name,
        password.display(),
    );
    let file = stage.folder().join("secured.yaml");
    let yaml = stage.enrichment.yaml().replace("{admin}", "127.0.0.1:0");
    std::fs::write(&file, yaml.replacen("kafka:\n  clusters:", &secured, 1))?;
    let file = file.display().to_string();
    check(&["secured.in", "--config", &file, "--cluster", "secured"], &[0, 1, 2]);
    check(&["secured.in", "--config", &file, "--cluster", "main", "-n", "1"], &[0]);
    for (arguments, words) in [
        (vec!["secured.in", "--config", &file], "say which with `--cluster`"),
        (vec!["secured.in", "--config", &file, "--cluster", "other"], "it has main, secured"),
    ] {
        let output = consume(&arguments)?;
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(words), "{}", said(&output));
    }
    Ok(())
}

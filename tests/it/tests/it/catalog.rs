//! `millrace catalog` on real files: declared streams, schemas and a plugin.

use millrace_bed::host::{guest, millrace_binary, root};
use millrace_services::guarded;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

const STREAMS: &str = r#"{"streams": {
    "mediawiki.page_change.v1": {
        "schema_title": "mediawiki/page/change", "canary_events_enabled": true,
        "message_key_fields": {"wiki_id": "wiki_id", "page_id": "page.page_id"}
    },
    "mediawiki.page_content_change.v1": {"schema_title": "mediawiki/page/change", "topic_prefixes": null},
    "enrichment.error": {"schema_title": "error"},
    "nobodys.v1": {"schema_title": "nobody/knows"}
}}"#;

/// Writes a host's file that enriches, with these declarations.
fn write(folder: &Path, streams: &Path) -> anyhow::Result<String> {
    let yaml = format!(
        r#"kafka: {{ clusters: {{ main: {{ brokers: "127.0.0.1:1" }} }} }}
data_centre: eqiad
streams: {{ file: "{streams}" }}
schemas: {{ repositories: ["{schemas}"] }}
mediawiki: {{ wikis: ["*.wikipedia.org"], contact: "mailto:tests@example.org" }}
pipelines:
  - name: enrichment
    plugin: "{plugin}"
    cluster: main
    start: latest
    inputs: {{ page_change: {{ stream: mediawiki.page_change.v1 }} }}
    outputs: {{ page_content_change: {{ stream: mediawiki.page_content_change.v1, schema: /mediawiki/page/change/1.2.0 }} }}
    errors: {{ stream: enrichment.error }}
    lookups: {{ kinds: [revision] }}
"#,
        streams = streams.display(),
        schemas = root().join("examples/schemas/jsonschema").display(),
        plugin = guest("page-content-change")?.display(),
    );
    let file = folder.join("host.yaml");
    std::fs::write(&file, yaml)?;
    Ok(file.display().to_string())
}

fn catalog(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(millrace_binary()?).arg("catalog").args(arguments).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn every_stream_is_told_with_who_reads_and_writes_it() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let streams = folder.path().join("streams.json");
    std::fs::write(&streams, STREAMS)?;
    let file = write(folder.path(), &streams)?;
    let shown: Value = serde_json::from_str(&catalog(&[&file, "--json"])?)?;
    let streams = shown["streams"].as_array().unwrap();
    let names: Vec<&str> = streams.iter().map(|stream| stream["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["enrichment.error", "mediawiki.page_change.v1", "mediawiki.page_content_change.v1", "nobodys.v1"]
    );
    let source = &streams[1];
    assert_eq!(source["topics"], json!(["eqiad.mediawiki.page_change.v1", "codfw.mediawiki.page_change.v1"]));
    assert_eq!(source["key"][1], json!({"name": "page_id", "pointer": "/page/page_id"}));
    assert_eq!(source["schema"]["uri"], "/mediawiki/page/change/1.2.0");
    assert_eq!(source["schema"]["example"]["$schema"], "/mediawiki/page/change/1.2.0");
    assert_eq!(source["readers"][0]["pipeline"], "enrichment");
    assert!(source["readers"][0]["plugin"].as_str().unwrap().starts_with("page-content-change "));
    let sink = &streams[2];
    assert_eq!((&sink["owner"], &sink["writers"][0]["port"]), (&json!("enrichment"), &json!("page_content_change")));
    assert_eq!(streams[0]["writers"][0]["port"], "errors");
    assert_eq!(streams[3]["schema_problem"], "no repository lists a version of nobody/knows");
    let text = catalog(&[&file])?;
    assert!(text.contains("mediawiki.page_content_change.v1\n  schema  mediawiki/page/change 1.2.0\n"), "{text}");
    Ok(())
}

#[test]
fn the_catalog_is_a_web_page() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let streams = folder.path().join("streams.json");
    std::fs::write(&streams, STREAMS)?;
    let file = write(folder.path(), &streams)?;
    let mut command = Command::new(millrace_binary()?);
    command.args(["catalog", "serve", &file, "--listen", "127.0.0.1:0"]);
    let mut child = guarded(&command).stdout(Stdio::piped()).spawn()?;
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said)?;
    let address =
        said.trim().strip_prefix("The catalog is at http://").and_then(|rest| rest.strip_suffix('/')).unwrap();
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /stream/mediawiki.page_change.v1 HTTP/1.1\r\nhost: catalog\r\nconnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    child.kill()?;
    child.wait()?;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("<code>page.page_title</code>") && page.contains("href=\"/#pipeline-enrichment\""), "{page}");
    Ok(())
}

/// The real declarations, where they are at hand: each stream is listed.
#[test]
fn all_real_streams_are_listed() -> anyhow::Result<()> {
    let real = root().join("../shared/data/stream-config/streamconfigs_default_all_settings.json");
    if !real.exists() {
        println!("{} is missing: the real streams are not looked at", real.display());
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let declared: Value = serde_json::from_slice(&std::fs::read(&real)?)?;
    let file = write(folder.path(), &real)?;
    let text = std::fs::read_to_string(&file)?.replace("enrichment.error", "mw_page_content_change_enrich.error");
    std::fs::write(&file, text)?;
    let shown: Value = serde_json::from_str(&catalog(&[&file, "--json"])?)?;
    assert_eq!(shown["streams"].as_array().unwrap().len(), declared["streams"].as_object().unwrap().len());
    Ok(())
}

//! The page of one stream: what it is, who has to do with it, an event, and its schema as a table.

use super::fields::Need;
use super::html::{escape, segment};
use super::page::page;
use super::{SchemaEntry, StreamEntry, Use};

/// The page of a stream.
pub(super) fn stream(stream: &StreamEntry) -> String {
    let mut rows = String::new();
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            rows.push_str(&format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>\n"));
        }
    };
    fact("declared", if stream.declared { "yes".to_owned() } else { "no, only a pipeline names it".to_owned() });
    fact("schema", stream.schema_title.as_deref().map(escape).unwrap_or_else(|| "none".to_owned()));
    fact("versions", escape(&stream.versions.join(", ")));
    fact(
        "topics",
        stream.topics.iter().map(|topic| format!("<code>{}</code>", escape(topic))).collect::<Vec<_>>().join("<br>"),
    );
    let key = stream
        .key
        .iter()
        .map(|field| format!("<code>{}</code> from <code>{}</code>", escape(&field.name), escape(&field.pointer)));
    fact("key", key.collect::<Vec<_>>().join("<br>"));
    fact("canary events", if stream.canary_events_enabled { "yes".to_owned() } else { "no".to_owned() });
    fact("owner", stream.owner.as_deref().map(escape).unwrap_or_default());
    fact("written by", uses(&stream.writers));
    fact("read by", uses(&stream.readers));
    let name = escape(&stream.name);
    let mut body = format!(
        "<header><p><a href=\"/\">All streams</a></p>\n<h1>{name}</h1></header>\n<main>\n<section>\
         <div class=\"wide\"><table class=\"facts\">{rows}</table></div></section>\n"
    );
    if let Some(problem) = &stream.schema_problem {
        body.push_str(&format!("<section><h2>Schema</h2>\n<p class=\"problem\">{}</p></section>\n", escape(problem)));
    }
    if let Some(schema) = &stream.schema {
        body.push_str(&schema_sections(schema));
    }
    body.push_str("</main>\n");
    page(&stream.name, &body)
}

fn schema_sections(schema: &SchemaEntry) -> String {
    let mut sections = String::new();
    if let Some(example) = &schema.example {
        // A value of JSON that was read always writes again.
        let text = serde_json::to_string_pretty(example).unwrap_or_default();
        sections.push_str(&format!(
            "<section><h2>An event</h2>\n<pre class=\"wide\" tabindex=\"0\">{}</pre></section>\n",
            escape(&text)
        ));
    }
    let rows: String = schema
        .fields
        .iter()
        .map(|field| {
            let need = if field.need == Need::Required { "<strong>required</strong>" } else { "" };
            let description = field.description.as_deref().map(escape).unwrap_or_default();
            format!(
                "<tr><td><code>{}</code></td><td>{}</td><td>{need}</td><td>{description}</td></tr>\n",
                escape(&field.path),
                escape(&field.kind)
            )
        })
        .collect();
    let description = schema.description.as_deref().map(escape).unwrap_or_default();
    sections.push_str(&format!(
        "<section><h2>Schema</h2>\n<p><code>{}</code></p>\n<p>{description}</p>\n\
         <table class=\"fields\"><thead><tr><th scope=\"col\">field</th><th scope=\"col\">type</th><th scope=\"col\"></th>\
         <th scope=\"col\">what it says</th></tr></thead><tbody>\n{rows}</tbody></table></section>\n",
        escape(&schema.uri)
    ));
    sections
}

fn uses(uses: &[Use]) -> String {
    let one = |used: &Use| {
        let plugin = used.plugin.as_deref().map(|plugin| format!(", {}", escape(plugin))).unwrap_or_default();
        let (address, name, port) = (segment(&used.pipeline), escape(&used.pipeline), escape(&used.port));
        format!("<a href=\"/#pipeline-{address}\">{name}</a> (<code>{port}</code>{plugin})")
    };
    uses.iter().map(one).collect::<Vec<_>>().join("<br>")
}

//! The first page of the catalog: all streams, the pipelines, and what flows where. It works without the script, which
//! only makes the search faster.

use super::html::{escape, segment};
use super::{Catalog, PipelineEntry, StreamEntry, lineage};

/// The look of all pages: readable on a telephone, light or dark as the reader's system is.
pub(super) const STYLE: &str = include_str!("style.css");
/// Hides the streams that do not fit what is typed.
pub(super) const SCRIPT: &str = include_str!("search.js");

/// A whole page.
pub(super) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"stylesheet\" href=\"/style.css\">\n<script src=\"/search.js\" defer></script>\n</head>\n<body>\n\
         {body}</body>\n</html>\n"
    )
}

/// The first page, with the streams that have `query` in them.
pub(super) fn first(catalog: &Catalog, query: &str) -> String {
    let words = query.to_lowercase();
    let fits = |stream: &&StreamEntry| words.split_whitespace().all(|word| searched(stream).contains(word));
    let found: Vec<&StreamEntry> = catalog.streams.iter().filter(fits).collect();
    let rows: String = found.iter().map(|stream| row(stream)).collect();
    let pipelines: String = catalog.pipelines.iter().map(pipeline).collect();
    let mut body = format!(
        "<header><h1>Streams</h1>\n<form action=\"/\" method=\"get\" role=\"search\">\
         <input id=\"search\" type=\"search\" name=\"q\" value=\"{}\" placeholder=\"Name, schema, topic or pipeline\" \
         aria-label=\"Search streams\"><button>Search</button></form>\n\
         <p><span id=\"count\">{}</span> of {} streams</p></header>\n<main>\n",
        escape(query),
        found.len(),
        catalog.streams.len()
    );
    if let Some(svg) = lineage::svg(catalog) {
        body.push_str(&format!(
            "<section><h2>What flows where</h2>\n<div class=\"wide\" tabindex=\"0\">{svg}</div></section>\n"
        ));
    }
    if !pipelines.is_empty() {
        body.push_str(&format!("<section><h2>Pipelines</h2>\n{pipelines}</section>\n"));
    }
    body.push_str(&format!("<section><h2>All streams</h2>\n<ul class=\"streams\">\n{rows}</ul></section>\n"));
    body.push_str("<p class=\"foot\"><a href=\"/catalog.json\">All of this as JSON</a></p>\n</main>\n");
    page("Streams", &body)
}

/// What a search looks at.
fn searched(stream: &StreamEntry) -> String {
    let uses =
        stream.readers.iter().chain(&stream.writers).flat_map(|used| [Some(&used.pipeline), used.plugin.as_ref()]);
    let parts = [Some(&stream.name), stream.schema_title.as_ref()].into_iter().chain(uses).flatten();
    let all: Vec<&str> = parts.chain(&stream.topics).map(String::as_str).collect();
    all.join(" ").to_lowercase()
}

fn row(stream: &StreamEntry) -> String {
    let (name, address) = (escape(&stream.name), segment(&stream.name));
    let schema = stream.schema_title.as_deref().map(escape).unwrap_or_else(|| "no schema".to_owned());
    let mut marks = String::new();
    for (shown, word) in [
        (!stream.declared, "not declared"),
        (stream.canary_events_enabled, "canary"),
        (!stream.writers.is_empty(), "made here"),
        (!stream.readers.is_empty(), "read here"),
    ] {
        if shown {
            marks.push_str(&format!(" <span class=\"mark\">{word}</span>"));
        }
    }
    format!(
        "<li data-search=\"{}\"><a href=\"/stream/{address}\">{name}</a>{marks}<br><small>{schema}</small></li>\n",
        escape(&searched(stream))
    )
}

fn pipeline(pipeline: &PipelineEntry) -> String {
    let link = |stream: &String| format!("<a href=\"/stream/{}\">{}</a>", segment(stream), escape(stream));
    let ports = |what: &str, port: &String, stream: &String| {
        let (port, link) = (escape(port), link(stream));
        format!("<tr><th scope=\"row\">{what}</th><td>{link}<br><small>as {port}</small></td></tr>\n")
    };
    let mut rows = String::new();
    if let Some(plugin) = &pipeline.plugin {
        let version = pipeline.version.as_deref().unwrap_or_default();
        rows.push_str(&format!(
            "<tr><th scope=\"row\">plugin</th><td>{} {}</td></tr>\n",
            escape(plugin),
            escape(version)
        ));
    }
    if let Some(digest) = &pipeline.digest {
        rows.push_str(&format!("<tr><th scope=\"row\">SHA-256</th><td><code>{}</code></td></tr>\n", escape(digest)));
    }
    if let Some(problem) = &pipeline.problem {
        rows.push_str(&format!(
            "<tr><th scope=\"row\">plugin</th><td class=\"problem\">{}</td></tr>\n",
            escape(problem)
        ));
    }
    pipeline.inputs.iter().for_each(|(port, stream)| rows.push_str(&ports("reads", port, stream)));
    pipeline.outputs.iter().for_each(|(port, stream)| rows.push_str(&ports("writes", port, stream)));
    rows.push_str(&format!("<tr><th scope=\"row\">errors</th><td>{}</td></tr>\n", link(&pipeline.errors)));
    format!(
        "<h3 id=\"pipeline-{}\">{}</h3>\n<div class=\"wide\"><table class=\"facts\">{rows}</table></div>\n",
        escape(&pipeline.name),
        escape(&pipeline.name)
    )
}

//! MediaWiki's export format, as far as its import needs it.

/// A page to import.
#[derive(Clone, Debug)]
pub struct ImportedPage {
    /// Its full title; a namespace's prefix is part of it.
    pub title: String,
    /// Its revisions, the oldest first; their timestamps must rise.
    pub revisions: Vec<ImportedRevision>,
}

/// A revision to import.
#[derive(Clone, Debug)]
pub struct ImportedRevision {
    /// When it was made: `2026-01-31T12:00:00Z`.
    pub timestamp: String,
    /// Its wikitext. MediaWiki cannot hold control characters other than tab and line feed.
    pub text: String,
}

/// The document that holds the pages.
pub(super) fn write(pages: &[ImportedPage]) -> String {
    let mut xml = String::from("<mediawiki xmlns=\"http://www.mediawiki.org/xml/export-0.10/\" version=\"0.10\">\n");
    let mut id: u64 = 0;
    for page in pages {
        xml.push_str("<page><title>");
        escape(&page.title, &mut xml);
        xml.push_str("</title>\n");
        for revision in &page.revisions {
            id += 1;
            xml.push_str(&format!("<revision><id>{id}</id><timestamp>{}</timestamp>", revision.timestamp));
            xml.push_str("<contributor><username>Author</username></contributor>");
            xml.push_str("<model>wikitext</model><format>text/x-wiki</format><text xml:space=\"preserve\">");
            escape(&revision.text, &mut xml);
            xml.push_str("</text></revision>\n");
        }
        xml.push_str("</page>\n");
    }
    xml.push_str("</mediawiki>\n");
    xml
}

fn escape(text: &str, xml: &mut String) {
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            other => xml.push(other),
        }
    }
}

//! What tests do to a wiki over its API, and what they ask of it to compare.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use serde_json::Value;

use super::{Wiki, http};

/// A bot password: a login for programs.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The account.
    pub user: String,
    /// The name of the bot password within the account.
    pub app: String,
    /// The password: 32 characters.
    pub password: String,
}

impl Credentials {
    /// Those of the account that both wikis have: an administrator and bot.
    #[must_use]
    pub fn of_bot() -> Self {
        Self {
            user: "Bot1".to_owned(),
            app: "test".to_owned(),
            password: "12345678901234567890123456789012".to_owned(),
        }
    }
}

/// What is hidden of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// Its text; MediaWiki refuses it for the current revision of a page.
    Content,
    /// Its edit summary.
    Comment,
    /// Who made it.
    User,
}

/// A revision as the wiki tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The page's title with its namespace.
    pub title: String,
    /// The page's id.
    pub page_id: u64,
    /// Its own id.
    pub rev_id: u64,
    /// The id of the revision before it; 0 for the first of a page.
    pub parent_id: u64,
    /// When it was made: `2026-01-31T12:00:00Z`.
    pub timestamp: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-1 of its content in hexadecimal digits, or nothing when it is hidden.
    pub sha1: Option<String>,
}

/// A logged-in client of one wiki. One request at a time.
#[derive(Debug)]
pub struct WikiClient {
    address: SocketAddr,
    wiki: Wiki,
    cookies: BTreeMap<String, String>,
    token: String,
}

impl WikiClient {
    /// Logs in.
    pub(super) fn log_in(address: SocketAddr, wiki: Wiki, credentials: &Credentials) -> anyhow::Result<Self> {
        let mut client = Self { address, wiki, cookies: BTreeMap::new(), token: String::new() };
        let tokens = client.query(&[("meta", "tokens"), ("type", "login")])?;
        let token = text_at(&tokens, "/query/tokens/logintoken")?;
        let name = format!("{}@{}", credentials.user, credentials.app);
        let login = [("lgname", name.as_str()), ("lgpassword", &credentials.password), ("lgtoken", &token)];
        let answer = client.post("login", &login)?;
        if answer.pointer("/login/result").and_then(Value::as_str) != Some("Success") {
            bail!("{} refuses the login: {answer}", wiki.domain());
        }
        let tokens = client.query(&[("meta", "tokens")])?;
        client.token = text_at(&tokens, "/query/tokens/csrftoken")?;
        Ok(client)
    }

    /// Asks `action=query` with these parameters, in format version 2, and answers MediaWiki's JSON.
    ///
    /// # Errors
    /// When the API answers an error or cannot be reached.
    pub fn query(&mut self, parameters: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.post("query", parameters)
    }

    /// Edits a page, or makes it; answers the id of the new revision.
    ///
    /// # Errors
    /// When the API refuses, or the text is what the page holds already.
    pub fn edit(&mut self, title: &str, text: &str) -> anyhow::Result<u64> {
        let answer = self.write("edit", &[("title", title), ("text", text), ("bot", "1")])?;
        answer.pointer("/edit/newrevid").and_then(Value::as_u64).with_context(|| format!("no new revision: {answer}"))
    }

    /// Deletes a page with its revisions.
    ///
    /// # Errors
    /// When the API refuses.
    pub fn delete(&mut self, title: &str) -> anyhow::Result<()> {
        self.write("delete", &[("title", title), ("reason", "test")]).map(drop)
    }

    /// Hides parts of a revision from ordinary readers.
    ///
    /// # Errors
    /// When the API refuses, as for the text of a current revision.
    pub fn hide(&mut self, rev_id: u64, hidden: &[Hidden]) -> anyhow::Result<()> {
        let words = hidden.iter().map(|part| match part {
            Hidden::Content => "content",
            Hidden::Comment => "comment",
            Hidden::User => "user",
        });
        let words = words.collect::<Vec<_>>().join("|");
        let revision = rev_id.to_string();
        let answer = self.write("revisiondelete", &[("type", "revision"), ("ids", &revision), ("hide", &words)])?;
        if answer.pointer("/revisiondelete/status").and_then(Value::as_str) != Some("Success") {
            bail!("revision {rev_id} is not hidden: {answer}");
        }
        Ok(())
    }

    /// Every revision of every page that is not deleted, by ascending id.
    ///
    /// # Errors
    /// When the API cannot be reached.
    pub fn revisions(&mut self) -> anyhow::Result<Vec<Revision>> {
        let mut revisions = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut ask = vec![("list", "allrevisions"), ("arvprop", "ids|timestamp|size|sha1"), ("arvlimit", "max")];
            if let Some(next) = &next {
                ask.push(("arvcontinue", next));
            }
            let answer = self.query(&ask)?;
            for page in array_at(&answer, "/query/allrevisions") {
                revisions.extend(array_at(page, "/revisions").iter().map(|revision| revision_of(page, revision)));
            }
            match answer.pointer("/continue/arvcontinue").and_then(Value::as_str) {
                Some(more) => next = Some(more.to_owned()),
                None => break,
            }
        }
        revisions.sort_by_key(|revision| revision.rev_id);
        Ok(revisions)
    }

    /// The text of a revision, byte for byte. It takes another way through MediaWiki than the API does.
    ///
    /// # Errors
    /// When the wiki does not have it.
    pub fn raw_text(&mut self, rev_id: u64) -> anyhow::Result<Vec<u8>> {
        self.send(&format!("/index.php?action=raw&oldid={rev_id}"), None)
    }

    fn write(&mut self, action: &str, parameters: &[(&str, &str)]) -> anyhow::Result<Value> {
        let token = self.token.clone();
        let mut all = parameters.to_vec();
        all.push(("token", &token));
        self.post(action, &all)
    }

    fn post(&mut self, action: &str, parameters: &[(&str, &str)]) -> anyhow::Result<Value> {
        let fixed = [("format", "json"), ("formatversion", "2")];
        let fields = parameters.iter().chain(&fixed).map(|(key, value)| format!("{key}={}", http::encode(value)));
        let form = fields.collect::<Vec<_>>().join("&");
        let body = self.send(&format!("/api.php?action={action}"), Some(form))?;
        let answer: Value = serde_json::from_slice(&body).context("the API's answer is not JSON")?;
        if let Some(error) = answer.get("error") {
            bail!("{} refuses {action}: {error}", self.wiki.domain());
        }
        Ok(answer)
    }

    fn send(&mut self, path: &str, form: Option<String>) -> anyhow::Result<Vec<u8>> {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let request = http::Request { host: self.wiki.domain(), path, cookies: &cookies, form };
        let answer = http::send(self.address, &request)?;
        self.cookies.extend(answer.cookies);
        Ok(answer.body)
    }
}

fn revision_of(page: &Value, revision: &Value) -> Revision {
    let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    Revision {
        title: text(page, "title").unwrap_or_default(),
        page_id: number(page, "pageid"),
        rev_id: number(revision, "revid"),
        parent_id: number(revision, "parentid"),
        timestamp: text(revision, "timestamp").unwrap_or_default(),
        size: number(revision, "size"),
        sha1: text(revision, "sha1"),
    }
}

fn text_at(answer: &Value, pointer: &str) -> anyhow::Result<String> {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("the API answers without {pointer}: {answer}"))
}

fn array_at<'a>(answer: &'a Value, pointer: &str) -> &'a [Value] {
    answer.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

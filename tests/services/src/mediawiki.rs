//! A real MediaWiki: two wikis behind one address, told apart by the Host header, on SQLite and PHP's own server.
//!
//! PHP's server closes the connection after every answer, so connection reuse is nothing to test with it.
//! This MediaWiki emits no events; tests make them from what [`WikiClient`] answers.

mod client;
mod dump;
mod http;
mod template;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::{bail, ensure};

use crate::child::Service;
use crate::claim::Port;
use crate::place::{self, RunFolder};
pub use client::{Credentials, Hidden, Revision, WikiClient};
pub use dump::{ImportedPage, ImportedRevision};
pub use template::Template;

/// PHP's server answers 0.4 s after its start on an idle machine; this is for one that compiles at the same time.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// One of the two wikis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiki {
    /// `en.wiki.test`, in English, with MediaWiki's own limit of 8 MiB for one API answer.
    English,
    /// `fr.wiki.test`, in French, with 64 MiB for one API answer.
    French,
}

impl Wiki {
    /// Both.
    pub const ALL: [Self; 2] = [Self::English, Self::French];

    /// The value of the Host header, which is also the wiki's domain.
    #[must_use]
    pub fn domain(self) -> &'static str {
        match self {
            Self::English => "en.wiki.test",
            Self::French => "fr.wiki.test",
        }
    }

    /// The name of its database (`wiki_id` in events).
    #[must_use]
    pub fn database(self) -> &'static str {
        match self {
            Self::English => "enwiki",
            Self::French => "frwiki",
        }
    }

    fn language(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }
}

/// How MediaWiki is started.
#[derive(Clone, Debug)]
pub struct MediaWikiOptions {
    /// Number of PHP processes, and so of requests answered at once; 2 or more, about 45 MB each.
    pub workers: usize,
}

impl Default for MediaWikiOptions {
    fn default() -> Self {
        Self { workers: 4 }
    }
}

/// A running MediaWiki. Dropping it kills PHP and removes both wikis.
#[derive(Debug)]
pub struct MediaWiki {
    service: Option<Service>,
    options: MediaWikiOptions,
    port: Port,
    folder: RunFolder,
}

impl MediaWiki {
    /// Starts both wikis, empty but for their main pages. It blocks.
    ///
    /// # Errors
    /// When the packages `mediawiki`, `php-cli` or `php-sqlite3` are missing, or PHP's server does not start.
    pub fn start(options: MediaWikiOptions) -> anyhow::Result<Self> {
        let template = Template::prepare()?;
        let folder = RunFolder::new("mediawiki")?;
        template.copy_to(folder.path())?;
        let mut wiki = Self { service: None, options, port: Port::claim()?, folder };
        wiki.restart()?;
        Ok(wiki)
    }

    /// Where both wikis are: `http://127.0.0.1:<port>`; the API is below it at `/api.php`, REST at `/rest.php`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Stops answering, as in an outage: connections are refused from here on. Does nothing when it is stopped.
    pub fn stop(&mut self) {
        self.service = None;
    }

    /// Answers again, at the same address and with the same content.
    ///
    /// # Errors
    /// When it still runs or does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        if self.service.is_some() {
            bail!("MediaWiki still runs: stop it first");
        }
        let mut command = template::php(self.folder.path());
        command.env("PHP_CLI_SERVER_WORKERS", self.options.workers.to_string());
        for setting in ["post_max_size=256M", "opcache.memory_consumption=256", "opcache.max_accelerated_files=20000"] {
            command.args(["-d", setting]);
        }
        command.args(["-S", &self.address().to_string(), "-t", template::PACKAGE]);
        let mut service = Service::start("MediaWiki", &command, &self.folder.path().join("php.log"))?;
        for wiki in Wiki::ALL {
            let address = self.address();
            service.wait_ready(START_DEADLINE, || http::get(address, wiki.domain(), SITE_INFO).is_ok())?;
        }
        self.service = Some(service);
        Ok(())
    }

    /// A client of one wiki that may do everything tests do, logged in with a bot password.
    ///
    /// # Errors
    /// When the login is refused.
    pub fn client(&self, wiki: Wiki) -> anyhow::Result<WikiClient> {
        WikiClient::log_in(self.address(), wiki, &Credentials::of_bot())
    }

    /// Adds pages with all their revisions at once: about 4 ms a revision, against 60 ms for an edit.
    /// MediaWiki chooses the page and revision ids; [`WikiClient::revisions`] tells them.
    ///
    /// # Errors
    /// When MediaWiki's import refuses them.
    pub fn import(&self, wiki: Wiki, pages: &[ImportedPage]) -> anyhow::Result<()> {
        let file = self.folder.path().join(format!("{}.xml", wiki.database()));
        fs::write(&file, dump::write(pages))?;
        let mut command = template::maintenance(self.folder.path(), wiki, "importDump.php");
        command.args(["--quiet", "--no-updates", "--username-prefix", "imported"]).arg(&file);
        let complaints = place::output(&mut command, template::ADVICE)?;
        // It ends with 0 in any case, and says something only of what it passed over.
        ensure!(complaints.trim().is_empty(), "import into {}: {complaints}", wiki.domain());
        fs::remove_file(file)?;
        Ok(())
    }

    /// Makes both wikis report that their databases lag behind by so many seconds, which is what `maxlag` asks for.
    /// With `None` there is no lag.
    ///
    /// # Errors
    /// When the file that says so cannot be written.
    pub fn set_lag(&self, seconds: Option<f64>) -> anyhow::Result<()> {
        self.say_by_file("lag", seconds.map(|seconds| seconds.to_string()))
    }

    /// Makes both wikis refuse writes for the reason given. With `None` they accept them again.
    ///
    /// # Errors
    /// When the file that says so cannot be written.
    pub fn set_read_only(&self, reason: Option<&str>) -> anyhow::Result<()> {
        self.say_by_file("readonly", reason.map(str::to_owned))
    }

    fn say_by_file(&self, name: &str, text: Option<String>) -> anyhow::Result<()> {
        let path = self.folder.path().join(name);
        match text {
            Some(text) => fs::write(path, text)?,
            None if path.exists() => fs::remove_file(path)?,
            None => {}
        }
        Ok(())
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.number()))
    }
}

const SITE_INFO: &str = "/api.php?action=query&meta=siteinfo&format=json";

/// A PHP command that finds the wikis' settings in `folder`.
fn php_with_settings(folder: &std::path::Path) -> Command {
    let mut command = Command::new("php");
    command.env("MW_CONFIG_FILE", folder.join("LocalSettings.php")).current_dir(folder);
    command
}

#[cfg(test)]
mod tests;

//! Both wikis as they are right after installation, prepared once and copied for every start.
//!
//! Only databases and settings are copied: the code runs from where Debian's package put it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::client::Credentials;
use super::{Wiki, php_with_settings};
use crate::place::{output, prepared};

/// Where Debian's package `mediawiki` has its code.
pub(super) const PACKAGE: &str = "/usr/share/mediawiki";
/// What helps when PHP cannot be started.
pub(super) const ADVICE: &str = "install Debian's mediawiki, php-cli and php-sqlite3, or run ./x test";

const SETTINGS: &str = include_str!("LocalSettings.php");
const GRANTS: &str = "basic,highvolume,editpage,createeditmovepage,delete,viewdeleted,viewrestrictedlogs,editprotected";

/// The prepared installation.
#[derive(Clone, Debug)]
pub struct Template {
    folder: PathBuf,
}

impl Template {
    /// Installs both wikis (about 6 s) unless that was done before, with these settings and this MediaWiki.
    ///
    /// # Errors
    /// When MediaWiki or PHP is missing or the installation fails.
    pub fn prepare() -> anyhow::Result<Self> {
        let version = fs::read_to_string(Path::new(PACKAGE).join("includes/Defines.php"));
        let version = version.with_context(|| format!("MediaWiki is not in {PACKAGE}: {ADVICE}"))?;
        let mut hasher = DefaultHasher::new();
        (SETTINGS, GRANTS, version).hash(&mut hasher);
        let folder = prepared(&format!("mediawiki-template-{:016x}", hasher.finish()), install)?;
        Ok(Self { folder })
    }

    /// Copies it into `folder`.
    pub(super) fn copy_to(&self, folder: &Path) -> anyhow::Result<()> {
        fs::copy(self.folder.join("LocalSettings.php"), folder.join("LocalSettings.php"))?;
        fs::create_dir_all(folder.join("db/locks"))?;
        for entry in fs::read_dir(self.folder.join("db"))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), folder.join("db").join(entry.file_name()))?;
            }
        }
        Ok(())
    }
}

fn install(draft: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(draft.join("db"))?;
    for wiki in Wiki::ALL {
        install_wiki(draft, wiki)?;
    }
    fs::write(draft.join("LocalSettings.php"), SETTINGS)?;
    for wiki in Wiki::ALL {
        let bot = Credentials::of_bot();
        let mut promote = maintenance(draft, wiki, "createAndPromote.php");
        output(promote.args(["--bureaucrat", "--sysop", "--bot", &bot.user, "B0t-pass-123"]), ADVICE)?;
        let mut password = maintenance(draft, wiki, "createBotPassword.php");
        password.args(["--appid", &bot.app, "--grants", GRANTS, &bot.user, &bot.password]);
        output(&mut password, ADVICE)?;
        // Fills the cache of translated messages, which would cost the first request of every run.
        output(maintenance(draft, wiki, "rebuildLocalisationCache.php").args(["--lang", wiki.language()]), ADVICE)?;
    }
    Ok(())
}

/// MediaWiki's installer makes the database; the settings it writes are replaced by ours.
fn install_wiki(draft: &Path, wiki: Wiki) -> anyhow::Result<()> {
    let settings = draft.join("installer").join(wiki.database());
    fs::create_dir_all(&settings)?;
    let mut command = Command::new("php");
    command.arg(script("install.php")).arg("--confpath").arg(&settings).arg("--dbpath").arg(draft.join("db"));
    command.args(["--dbtype", "sqlite", "--dbname", wiki.database(), "--lang", wiki.language()]);
    command.args(["--server", &format!("http://{}", wiki.domain()), "--scriptpath", ""]);
    command.args(["--pass", "Adm1n-pass-123", "Test wiki", "Admin"]);
    output(&mut command, ADVICE)?;
    let database = draft.join("db").join(format!("{}.sqlite", wiki.database()));
    ensure!(database.exists(), "MediaWiki's installer made no {}", database.display());
    Ok(())
}

/// PHP for the wikis in `folder`.
pub(super) fn php(folder: &Path) -> Command {
    php_with_settings(folder)
}

/// One of MediaWiki's maintenance scripts, for one wiki.
pub(super) fn maintenance(folder: &Path, wiki: Wiki, name: &str) -> Command {
    let mut command = php_with_settings(folder);
    command.env("MILLRACE_WIKI", wiki.domain()).arg(script(name));
    command
}

fn script(name: &str) -> PathBuf {
    Path::new(PACKAGE).join("maintenance").join(name)
}

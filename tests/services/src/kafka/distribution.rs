//! Kafka's jars, downloaded by Maven once, and how Java runs them.
//!
//! Only what a broker needs: the command line tools and Connect stay away. An archive of the loaded classes is made
//! once too; it halves the time of every start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use super::{Kafka, KafkaOptions, Purpose};
use crate::place::{output, prepared};

/// The version of the brokers.
pub(super) const VERSION: &str = "4.1.1";

/// The class of a broker.
pub(super) const BROKER: &str = "kafka.Kafka";

/// Class data of a broker that ran once.
const ARCHIVE: &str = "classes.jsa";

const POM: &str = r#"<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka-brokers</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>@VERSION@</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.2</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.25.2</version></dependency>
  </dependencies>
</project>
"#;

const LOGGING: &str = "status = error
appender.c.type = Console
appender.c.name = C
appender.c.layout.type = PatternLayout
appender.c.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = INFO
rootLogger.appenderRef.c.ref = C
";

/// The jars on disk, and what is done about the archive of classes.
#[derive(Clone, Debug)]
pub struct Distribution {
    folder: PathBuf,
    archive: Archive,
}

#[derive(Clone, Debug)]
enum Archive {
    None,
    Make(PathBuf),
    Use(PathBuf),
}

impl Distribution {
    /// Downloads the jars (46 of them, 43 MB, about 7 s) unless they are there, and makes the archive of classes.
    ///
    /// # Errors
    /// When Maven or Java is missing, or the download fails.
    pub fn prepare() -> anyhow::Result<Self> {
        let name = format!("kafka-{VERSION}");
        let folder = prepared(&name, download)?;
        let made = prepared(&format!("{name}-classes"), |draft| archive_classes(&folder, &draft.join(ARCHIVE)));
        // Without the archive brokers only start slower, and a Java that cannot make one is still a Java.
        let archive = made.map_or(Archive::None, |made| Archive::Use(made.join(ARCHIVE)));
        Ok(Self { folder, archive })
    }

    /// Java about to run `class` of the jars.
    pub(super) fn java(&self, purpose: Purpose, class: &str) -> Command {
        let mut command = Command::new("java");
        let flags: &[&str] = match purpose {
            Purpose::Test => &["-Xms64m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
            Purpose::Bench => &["-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"],
        };
        command.args(flags).args(["-Xshare:auto", "-Xlog:disable", "-Djava.awt.headless=true"]);
        match &self.archive {
            Archive::Use(path) => {
                command.arg(format!("-XX:SharedArchiveFile={}", path.display()));
            }
            Archive::Make(path) if class == BROKER => {
                command.arg(format!("-XX:ArchiveClassesAtExit={}", path.display()));
            }
            Archive::Make(_) | Archive::None => {}
        }
        command.arg(format!("-Dlog4j2.configurationFile=file:{}", self.folder.join("log4j2.properties").display()));
        command.arg("-cp").arg(self.folder.join("jars/*")).arg(class);
        command
    }
}

fn download(draft: &Path) -> anyhow::Result<()> {
    fs::write(draft.join("pom.xml"), POM.replace("@VERSION@", VERSION))?;
    fs::write(draft.join("log4j2.properties"), LOGGING)?;
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"]).current_dir(draft);
    output(&mut maven, "install maven and a Java 17, or run ./x test").map(drop)
}

/// Runs a broker for as long as it takes to start, to learn what it loads.
fn archive_classes(folder: &Path, archive: &Path) -> anyhow::Result<()> {
    let distribution = Distribution { folder: folder.to_owned(), archive: Archive::Make(archive.to_owned()) };
    let mut kafka = Kafka::start_from(distribution, KafkaOptions::default())?;
    kafka.create_topic("archived", 1, &[])?;
    kafka.stop(0)?;
    ensure!(archive.exists(), "Java made no archive of classes");
    Ok(())
}

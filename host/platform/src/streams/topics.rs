//! Which topics of a stream a host reads and writes, by its data centre: it writes those of its own alone, and reads its
//! own or all of them, because mirrors copy the topics of the others.

use super::StreamSettings;

/// A data centre, by the name that stands before the dot of a topic: `eqiad`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataCentre(String);

/// Which data centres' topics of a stream are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadScope {
    /// Those of the host's own: one host in each data centre does its share.
    Own,
    /// Those of all: one host does everything.
    All,
}

/// The topics of a stream cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicsError {
    /// Several data centres have topics, and it was not said which is ours.
    #[error("its topics are {topics}, and which data centre this is was not said")]
    DataCentreUnknown {
        /// The topics, listed.
        topics: String,
    },
    /// None of the topics is of our data centre.
    #[error("none of its topics begins with `{prefix}`: they are {topics}")]
    NoneOfDataCentre {
        /// The prefix of our data centre.
        prefix: String,
        /// The topics, listed.
        topics: String,
    },
    /// Several topics are ours, and only one can be written.
    #[error("several of its topics could be written: {topics}")]
    Several {
        /// Those, listed.
        topics: String,
    },
    /// Only a stream with a name of its own has topics.
    #[error("it stands for many streams; name one of them")]
    Pattern,
}

impl DataCentre {
    /// Takes its name: small letters, digits and dashes, so that it can stand before a dot.
    pub fn parse(name: &str) -> Option<Self> {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (!name.is_empty() && name.chars().all(letter)).then(|| Self(name.to_owned()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// What its topics begin with.
    pub fn prefix(&self) -> String {
        format!("{}.", self.0)
    }
}

impl StreamSettings {
    /// The topics that are read. Topics without any prefix are everybody's.
    ///
    /// # Errors
    /// They cannot be told; see [`TopicsError`].
    pub fn topics_read(&self, here: Option<&DataCentre>, scope: ReadScope) -> Result<Vec<String>, TopicsError> {
        if self.is_pattern() {
            return Err(TopicsError::Pattern);
        }
        match scope {
            ReadScope::All => Ok(self.topics().to_vec()),
            ReadScope::Own => self.own_topics(here),
        }
    }

    /// The one topic that is written.
    ///
    /// # Errors
    /// It cannot be told; see [`TopicsError`].
    pub fn topic_written(&self, here: Option<&DataCentre>) -> Result<String, TopicsError> {
        if self.is_pattern() {
            return Err(TopicsError::Pattern);
        }
        let own = self.own_topics(here)?;
        match own.as_slice() {
            [topic] => Ok(topic.clone()),
            several => Err(TopicsError::Several { topics: several.join(", ") }),
        }
    }

    /// The topics of our data centre, and those of none.
    fn own_topics(&self, here: Option<&DataCentre>) -> Result<Vec<String>, TopicsError> {
        let is_of_a_data_centre =
            |topic: &&String| self.topic_prefixes().iter().any(|prefix| topic.starts_with(prefix));
        let (of_data_centres, of_none): (Vec<&String>, Vec<&String>) =
            self.topics().iter().partition(is_of_a_data_centre);
        let listed = || self.topics().join(", ");
        let own: Vec<String> = match (here, of_data_centres.as_slice()) {
            (_, []) => Vec::new(),
            (None, [one]) if of_none.is_empty() => vec![(*one).clone()],
            (None, _) => return Err(TopicsError::DataCentreUnknown { topics: listed() }),
            (Some(here), several) => {
                let prefix = here.prefix();
                several.iter().filter(|topic| topic.starts_with(&prefix)).map(|topic| (*topic).clone()).collect()
            }
        };
        let own: Vec<String> = own.into_iter().chain(of_none.into_iter().cloned()).collect();
        match here.filter(|_| own.is_empty()) {
            Some(here) => Err(TopicsError::NoneOfDataCentre { prefix: here.prefix(), topics: listed() }),
            None => Ok(own),
        }
    }
}

/// The topics of the stream `name` where none are listed.
pub(super) fn of_name(name: &str, prefixes: &[String]) -> Vec<String> {
    if prefixes.is_empty() {
        return vec![name.to_owned()];
    }
    prefixes.iter().map(|prefix| format!("{prefix}{name}")).collect()
}

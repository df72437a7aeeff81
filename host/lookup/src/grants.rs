//! What a pipeline may ask, and the scope that its asks carry. Only what a plugin wants *and* the operator grants is
//! answered; everything else is `denied` without a call.

use crate::domain::DomainPattern;
use crate::error::LookupConfigError;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A kind of lookup. `wit/README.md` has the params and answers of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The content of a revision.
    Revision,
    /// The difference between two revisions.
    Compare,
    /// A revision as HTML.
    Html,
    /// Any reading query of the action API.
    Query,
    /// A request to a configured HTTP target.
    Http,
}

impl Kind {
    /// Every kind there is.
    pub const ALL: [Kind; 5] = [Kind::Revision, Kind::Compare, Kind::Html, Kind::Query, Kind::Http];

    /// The word that the contract uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Revision => "revision",
            Self::Compare => "compare",
            Self::Html => "html",
            Self::Query => "query",
            Self::Http => "http",
        }
    }

    /// The kind of that word; none: there is no such kind.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What an operator grants a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The kinds of lookup.
    pub kinds: BTreeSet<Kind>,
    /// The wikis, by domain or pattern, among those that are configured. Empty: all that are configured.
    pub wikis: Vec<String>,
    /// What may be asked of HTTP targets.
    pub http: Vec<HttpGrant>,
}

/// What may be asked of one HTTP target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGrant {
    /// The target's name.
    pub target: String,
    /// The methods, in capitals. Empty: `GET` and `HEAD`.
    pub methods: Vec<String>,
    /// The allowed paths: `/a/b` is that path alone, `/a/` everything below it, in normal form.
    pub paths: Vec<String>,
}

/// How a pipeline's questions stand to those of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It works on what happens now: its questions go first, and live pipelines take turns.
    #[default]
    Live,
    /// It works on what happened long ago. Its questions go in calls of their own, and while live ones wait for the same
    /// target it gets one call in twenty.
    Backfill {
        /// Of a target's call slots it takes at most so many percent, and one at least. From 1 to 100; all backfills
        /// together leave one slot to others, where there is more than one.
        share_percent: u8,
    },
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asker {
    pub(crate) pipeline: Arc<str>,
    pub(crate) standing: Standing,
}

/// Who asks, and what they may ask. One per pipeline, shared by all its asks.
pub struct Scope {
    pub(crate) asker: Asker,
    pub(crate) kinds: BTreeSet<Kind>,
    pub(crate) wikis: Vec<DomainPattern>,
    pub(crate) http: Vec<HttpGrant>,
    /// Answers are shared only between scopes of one class: those with equal grants.
    pub(crate) class: Arc<str>,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("asker", &self.asker).finish_non_exhaustive()
    }
}

impl Scope {
    /// The scope of a live `pipeline` with these grants.
    ///
    /// # Errors
    /// A wiki's pattern that is no host name.
    pub fn new(pipeline: &str, grants: &Grants) -> Result<Self, LookupConfigError> {
        let mut wikis = grants.wikis.iter().map(|text| DomainPattern::parse(text)).collect::<Result<Vec<_>, _>>()?;
        wikis.sort();
        let mut http = grants.http.clone();
        http.sort_by(|a, b| a.target.cmp(&b.target));
        let class = format!("{:?} {wikis:?} {http:?}", grants.kinds).into();
        let asker = Asker { pipeline: visible(pipeline).into(), standing: Standing::Live };
        Ok(Self { asker, kinds: grants.kinds.clone(), wikis, http, class })
    }

    /// The same, of a pipeline that stands so.
    #[must_use]
    pub fn standing(mut self, standing: Standing) -> Self {
        self.asker.standing = standing;
        self
    }

    /// Whether asks of that kind are granted.
    pub(crate) fn allows(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Whether a wiki, by its normal form, is granted.
    pub(crate) fn allows_wiki(&self, domain: &str) -> bool {
        self.wikis.is_empty() || self.wikis.iter().any(|pattern| pattern.matches(domain))
    }
}

/// A name as it can stand in a header.
fn visible(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_grants_make_one_class_in_any_order() {
        let grants = |wikis: &[&str]| Grants {
            kinds: BTreeSet::from([Kind::Revision]),
            wikis: wikis.iter().map(|w| (*w).to_owned()).collect(),
            http: vec![],
        };
        let class = |wikis: &[&str]| Scope::new("p", &grants(wikis)).unwrap().class;
        assert_eq!(class(&["a.org", "B.org"]), class(&["b.org", "a.org"]));
        assert_ne!(class(&["a.org"]), class(&["*.a.org"]));
    }

    #[test]
    fn a_pipeline_name_cannot_break_a_header() {
        assert_eq!(Scope::new("a\r\nb é", &Grants::default()).unwrap().asker.pipeline.as_ref(), "a__b__");
    }

    #[test]
    fn every_kind_has_its_word() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of_word(kind.word()), Some(kind));
        }
        assert_eq!(Kind::of_word("shell"), None);
    }
}

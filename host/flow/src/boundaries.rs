//! Which version of its plugin an event of a partition runs on. A version begins at an offset: what lies below ends on
//! the version that started it. What a version is, and how it is run, is not known here.

/// How many versions a partition may have at once: what was started on one that has been replaced is still open. The
/// next one waits until the oldest of them has ended, because progress names them all and its text is bounded.
pub const VERSIONS_MAX: usize = 8;

/// A version and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step<V> {
    from: i64,
    version: V,
}

/// The versions of one partition, oldest first. Never empty, and no two neighbours are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundaries<V> {
    first: V,
    /// Where each later version begins; rising.
    later: Vec<Step<V>>,
}

impl<V: Copy + PartialEq> Boundaries<V> {
    /// Everything runs on `version`.
    pub fn new(version: V) -> Self {
        Self { first: version, later: Vec::new() }
    }

    /// The version that the event at `offset` runs on.
    pub fn at(&self, offset: i64) -> V {
        let later = self.later.iter().rev().find(|step| step.from <= offset);
        later.map_or(self.first, |step| step.version)
    }

    /// The version that new events run on.
    pub fn present(&self) -> V {
        self.later.last().map_or(self.first, |step| step.version)
    }

    /// Whether another version may begin.
    pub fn may_begin(&self) -> bool {
        self.later.len() + 1 < VERSIONS_MAX
    }

    /// From `offset` on, events run on `version`. What was to begin at or above it never happened. Where no other version
    /// may begin, it takes the place of the newest.
    pub fn begin(&mut self, offset: i64, version: V) {
        self.later.retain(|step| step.from < offset);
        let newest = if self.may_begin() { None } else { self.later.pop() };
        if self.present() != version {
            self.later.push(Step { from: newest.map_or(offset, |step| step.from), version });
        }
    }

    /// Everything below `offset` has settled: versions that end there are no longer needed.
    pub fn settled_below(&mut self, offset: i64) {
        let ended = self.later.iter().take_while(|step| step.from <= offset).count();
        if let Some(step) = self.later.drain(..ended).last() {
            self.first = step.version;
        }
    }

    /// Every version with the offset that it begins at, oldest first; none: from the beginning.
    pub fn versions(&self) -> impl Iterator<Item = (Option<i64>, V)> {
        std::iter::once((None, self.first)).chain(self.later.iter().map(|step| (Some(step.from), step.version)))
    }

    /// The same boundaries between what `name` makes of each version. Neighbours that become equal are one.
    pub fn map<W: Copy + PartialEq>(&self, mut name: impl FnMut(V) -> W) -> Boundaries<W> {
        let mut mapped = Boundaries::new(name(self.first));
        for step in &self.later {
            mapped.begin(step.from, name(step.version));
        }
        mapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a` from the beginning, then each version from its offset on.
    fn boundaries(later: &[(i64, char)]) -> Boundaries<char> {
        let mut boundaries = Boundaries::new('a');
        later.iter().for_each(|(from, version)| boundaries.begin(*from, *version));
        boundaries
    }

    #[track_caller]
    fn check(later: &[(i64, char)], expected: &[(Option<i64>, char)]) {
        assert_eq!(boundaries(later).versions().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_event_runs_on_the_version_that_began_last_before_it() {
        let boundaries = boundaries(&[(10, 'b'), (20, 'c')]);
        let at: String = [0, 9, 10, 19, 20, i64::MAX].map(|offset| boundaries.at(offset)).into_iter().collect();
        assert_eq!(at, "aabbcc");
        assert_eq!(boundaries.present(), 'c');
    }

    #[test]
    fn a_version_that_no_event_ran_on_is_forgotten() {
        check(&[(10, 'b'), (10, 'c')], &[(None, 'a'), (Some(10), 'c')]);
        check(&[(10, 'b'), (10, 'a')], &[(None, 'a')]);
        check(&[(10, 'b'), (20, 'b')], &[(None, 'a'), (Some(10), 'b')]);
    }

    #[test]
    fn what_has_settled_needs_no_version() {
        for (settled, expected) in [(9, "abc"), (10, "bc"), (19, "bc"), (20, "c"), (99, "c")] {
            let mut boundaries = boundaries(&[(10, 'b'), (20, 'c')]);
            boundaries.settled_below(settled);
            assert_eq!(boundaries.versions().map(|(_, version)| version).collect::<String>(), expected);
        }
    }

    #[test]
    fn the_number_of_versions_is_bounded() {
        let mut boundaries = Boundaries::new(0);
        let count = (1..100)
            .take_while(|at| {
                boundaries.may_begin() && {
                    boundaries.begin(*at, *at);
                    true
                }
            })
            .count();
        assert_eq!(count + 1, VERSIONS_MAX);
        boundaries.begin(100, -1);
        assert_eq!(boundaries.versions().count(), VERSIONS_MAX);
        assert_eq!(boundaries.versions().last(), Some((Some(7), -1)));
        boundaries.settled_below(1);
        assert!(boundaries.may_begin());
    }

    #[test]
    fn versions_with_one_name_are_one() {
        let named = boundaries(&[(10, 'b'), (20, 'c'), (30, 'd')]).map(|version| version == 'd');
        assert_eq!(named.versions().collect::<Vec<_>>(), [(None, false), (Some(30), true)]);
    }
}

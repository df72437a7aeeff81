//! The places that calls take, over all targets: who goes first when there are more calls than places. How many calls
//! one target makes at once is its own business (`target`).
//!
//! A target that hangs must not hold back the others, so a call keeps its place only while it is brisk: one that takes
//! longer hands it on and goes on without. And a target that is known to be slow or out (it is *strained*) takes other
//! places than those that are well. Backfills together take half of the places of either kind at most, however many
//! targets they ask: a call of theirs needs a pass before it asks for a place.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// After this a call hands its place on. Ordinary answers take a tenth of it; with everything else beginning to hang,
/// this is about what a healthy target waits for its turn.
pub(crate) const BRISK: Duration = Duration::from_secs(1);

/// So many places of the strained for each ordinary one: 128 beside the default 32. Fewer, and targets that are back
/// would wait long for those that still hang; more, and an API that is slow because it is busy would be kept busier.
const STRAINED_PER_PLACE: usize = 4;

/// So many calls for each place may take long that nobody expected to. Beyond that they keep their places, so that
/// sockets and memory stay bounded, whatever hangs. With the default 30 s for a call, targets that hang are found out
/// before.
const LONG_PER_PLACE: usize = 32;

/// Of the places, backfills together leave so many to live calls: one in two.
const PLACES_PER_BACKFILL_CALL: usize = 2;

/// The places.
pub(crate) struct Places {
    /// Of targets that are well.
    brisk: Semaphore,
    /// Of those that are not.
    strained: Semaphore,
    /// Of brisk calls that turned out to be long.
    long: Semaphore,
    /// The passes of backfills to the places of targets that are well.
    brisk_passes: Arc<Semaphore>,
    /// And to the others.
    strained_passes: Arc<Semaphore>,
}

/// How a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// As far as is known, it answers.
    Well,
    /// Calls to it take long, or it counts as out.
    Strained,
}

/// What a call of a backfill needs before it asks for a place. Dropping it leaves it to others.
pub(crate) struct Pass {
    health: Health,
    _held: OwnedSemaphorePermit,
}

impl Pass {
    /// The health of the targets that it is for.
    pub(crate) fn health(&self) -> Health {
        self.health
    }
}

/// A place that is taken. Dropping it frees it.
pub(crate) struct Place<'a> {
    health: Health,
    held: SemaphorePermit<'a>,
    /// That of a backfill's call, as long as it keeps its place.
    pass: Option<Pass>,
    places: &'a Places,
}

impl Places {
    /// As many places as brisk calls may be under way at once.
    pub(crate) fn new(calls_max: usize) -> Self {
        let strained = calls_max * STRAINED_PER_PLACE;
        let passes = |places: usize| Arc::new(Semaphore::new(places.div_ceil(PLACES_PER_BACKFILL_CALL)));
        Self {
            brisk: Semaphore::new(calls_max),
            strained: Semaphore::new(strained),
            long: Semaphore::new(calls_max * LONG_PER_PLACE),
            brisk_passes: passes(calls_max),
            strained_passes: passes(strained),
        }
    }

    /// A pass for a backfill's call to a target of this health, if there is one and nobody waits for it.
    pub(crate) fn pass(&self, health: Health) -> Option<Pass> {
        let held = Arc::clone(self.passes(health)).try_acquire_owned().ok()?;
        Some(Pass { health, _held: held })
    }

    /// Waits for such a pass: first come, first served. None: there are none any more.
    pub(crate) async fn wait_for_pass(&self, health: Health) -> Option<Pass> {
        let held = Arc::clone(self.passes(health)).acquire_owned().await.ok()?;
        Some(Pass { health, _held: held })
    }

    /// Waits for a place: first come, first served. A call of a backfill brings its pass. None: there are no places any
    /// more.
    pub(crate) async fn take(&self, health: Health, pass: Option<Pass>) -> Option<Place<'_>> {
        let places = match health {
            Health::Well => &self.brisk,
            Health::Strained => &self.strained,
        };
        Some(Place { health, held: places.acquire().await.ok()?, pass, places: self })
    }

    fn passes(&self, health: Health) -> &Arc<Semaphore> {
        match health {
            Health::Well => &self.brisk_passes,
            Health::Strained => &self.strained_passes,
        }
    }
}

impl Place<'_> {
    /// The call in this place takes long: somebody else gets the place, and the pass with it, unless too many have handed
    /// theirs on already.
    pub(crate) fn hand_on(&mut self) {
        if let (Health::Well, Ok(long)) = (self.health, self.places.long.try_acquire()) {
            (self.health, self.held, self.pass) = (Health::Strained, long, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn take(places: &Places, health: Health) -> Option<Place<'_>> {
        places.take(health, None).now_or_never().flatten()
    }

    fn take_old(places: &Places, health: Health) -> Option<Place<'_>> {
        let pass = places.pass(health)?;
        places.take(health, Some(pass)).now_or_never().flatten()
    }

    /// Takes places for calls that take long, until there is none.
    fn take_all_long(places: &Places, health: Health) -> Vec<Place<'_>> {
        let long = || {
            let mut place = take(places, health)?;
            place.hand_on();
            Some(place)
        };
        std::iter::from_fn(long).take(1_000).collect()
    }

    #[test]
    fn there_are_no_more_brisk_calls_than_places() {
        let places = Places::new(2);
        let (_one, two) = (take(&places, Health::Well).unwrap(), take(&places, Health::Well).unwrap());
        assert!(take(&places, Health::Well).is_none());
        drop(two);
        assert!(take(&places, Health::Well).is_some());
    }

    #[test]
    fn a_long_call_hands_its_place_on_once() {
        let places = Places::new(1);
        let mut long = take(&places, Health::Well).unwrap();
        long.hand_on();
        long.hand_on();
        assert!(take(&places, Health::Well).is_some());
        drop(long);
        assert_eq!((places.brisk.available_permits(), places.long.available_permits()), (1, LONG_PER_PLACE));
    }

    #[test]
    fn beyond_their_bound_long_calls_keep_their_places() {
        let places = Places::new(1);
        let long = take_all_long(&places, Health::Well);
        assert_eq!(long.len(), LONG_PER_PLACE + 1);
    }

    #[test]
    fn backfills_leave_half_of_the_places_to_live_calls() {
        for (health, all) in [(Health::Well, 4), (Health::Strained, 4 * STRAINED_PER_PLACE)] {
            let places = Places::new(4);
            let mut old: Vec<Place<'_>> = std::iter::from_fn(|| take_old(&places, health)).take(1_000).collect();
            assert_eq!(old.len(), all / PLACES_PER_BACKFILL_CALL, "{health:?}");
            assert!(take(&places, health).is_some());
            old.pop();
            assert!(take_old(&places, health).is_some());
        }
    }

    #[test]
    fn a_long_call_of_a_backfill_hands_its_pass_on_too() {
        let places = Places::new(2);
        let mut long = take_old(&places, Health::Well).unwrap();
        assert!(take_old(&places, Health::Well).is_none());
        long.hand_on();
        assert!(take_old(&places, Health::Well).is_some());
    }

    #[test]
    fn the_strained_have_places_of_their_own_and_no_more() {
        let places = Places::new(1);
        let long = take_all_long(&places, Health::Strained);
        assert_eq!(long.len(), STRAINED_PER_PLACE);
        assert!(take(&places, Health::Well).is_some());
    }
}

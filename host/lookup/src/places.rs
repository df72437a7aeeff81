//! The places that calls take, over all targets: who goes first when there are more calls than places. How many calls
//! one target makes at once is its own business (`target`).
//!
//! A target that hangs must not hold back the others, so a call keeps its place only while it is brisk: one that takes
//! longer hands it on and goes on without. And a target that is known to be slow or out (it is *strained*) takes other
//! places than those that are well. Backfills together take half of the places at most, however many targets they ask.

use crate::ready::Turn;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

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
    /// Of calls of backfills, which take another place besides.
    backfills: Semaphore,
}

/// How a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// As far as is known, it answers.
    Well,
    /// Calls to it take long, or it counts as out.
    Strained,
}

/// A place that is taken. Dropping it frees it.
pub(crate) struct Place<'a> {
    health: Health,
    held: SemaphorePermit<'a>,
    /// That of a backfill, which keeps it to the end.
    _backfill: Option<SemaphorePermit<'a>>,
    places: &'a Places,
}

impl Places {
    /// As many places as brisk calls may be under way at once.
    pub(crate) fn new(calls_max: usize) -> Self {
        Self {
            brisk: Semaphore::new(calls_max),
            strained: Semaphore::new(calls_max * STRAINED_PER_PLACE),
            long: Semaphore::new(calls_max * LONG_PER_PLACE),
            backfills: Semaphore::new(calls_max.div_ceil(PLACES_PER_BACKFILL_CALL)),
        }
    }

    /// Waits for a place: first come, first served. None: there are no places any more.
    pub(crate) async fn take(&self, health: Health, turn: &Turn) -> Option<Place<'_>> {
        let backfill = match turn {
            Turn::Live => None,
            Turn::Backfill(_) => Some(self.backfills.acquire().await.ok()?),
        };
        let places = match health {
            Health::Well => &self.brisk,
            Health::Strained => &self.strained,
        };
        Some(Place { health, held: places.acquire().await.ok()?, _backfill: backfill, places: self })
    }
}

impl Place<'_> {
    /// The call in this place takes long: somebody else gets the place, unless too many have handed theirs on already.
    pub(crate) fn hand_on(&mut self) {
        if let (Health::Well, Ok(long)) = (self.health, self.places.long.try_acquire()) {
            (self.health, self.held) = (Health::Strained, long);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn take(places: &Places, health: Health) -> Option<Place<'_>> {
        places.take(health, &Turn::Live).now_or_never().flatten()
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
        let places = Places::new(4);
        let standing = crate::grants::Standing::Backfill { share_percent: 100 };
        let turn = Turn::Backfill(crate::grants::Asker { pipeline: "old".into(), standing });
        let take_old = || places.take(Health::Well, &turn).now_or_never().flatten();
        let (_one, two) = (take_old().unwrap(), take_old().unwrap());
        assert!(take_old().is_none());
        assert!(take(&places, Health::Well).is_some());
        drop(two);
        assert!(take_old().is_some());
    }

    #[test]
    fn the_strained_have_places_of_their_own_and_no_more() {
        let places = Places::new(1);
        let long = take_all_long(&places, Health::Strained);
        assert_eq!(long.len(), STRAINED_PER_PLACE);
        assert!(take(&places, Health::Well).is_some());
    }
}

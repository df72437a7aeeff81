//! The places that calls take, over all targets: who goes first when there are more calls than places. How many calls
//! one target makes at once is its own business (`target`).
//!
//! A target that hangs must not hold back the others, so a call keeps its place only while it is brisk: one that takes
//! longer hands it on and goes on without. And a target that is known to be slow or out (it is *strained*) takes places
//! that are free, but may queue for them with a quarter of all at most, so that whoever is well is served in between.

use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// After this a call hands its place on. Ordinary answers take a tenth of it; with everything else hanging, this is
/// about what a healthy target waits for its turn.
pub(crate) const BRISK: Duration = Duration::from_secs(1);

/// Strained targets queue with one in so many places.
const STRAINED_SHARE: usize = 4;

/// So many calls of strained targets for each place may be under way, with a place or without: 256 beside the default 32.
const STRAINED_PER_PLACE: usize = 8;

/// So many calls for each place may take long that nobody expected to. Beyond that they keep their places, so that sockets
/// and memory stay bounded, whatever hangs. With the default 30 s for a call, hanging targets are found out before.
const LONG_PER_PLACE: usize = 32;

/// The places.
pub(crate) struct Places {
    all: Semaphore,
    /// Those of strained targets that queue for a place.
    queueing: Semaphore,
    /// Calls of strained targets.
    strained: Semaphore,
    /// Other calls that handed their place on.
    long: Semaphore,
}

/// How a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// As far as is known, it answers.
    Well,
    /// Calls to it take long, or it counts as out.
    Strained,
}

/// A place that is taken, or handed on by a long call. Dropping it frees it.
pub(crate) struct Place<'a> {
    places: &'a Places,
    /// None once it is handed on.
    place: Option<SemaphorePermit<'a>>,
    /// What else the call counts against.
    beside: Option<SemaphorePermit<'a>>,
}

impl Places {
    /// As many places as brisk calls may be under way at once.
    pub(crate) fn new(calls_max: usize) -> Self {
        Self {
            all: Semaphore::new(calls_max),
            queueing: Semaphore::new((calls_max / STRAINED_SHARE).max(1)),
            strained: Semaphore::new(calls_max * STRAINED_PER_PLACE),
            long: Semaphore::new(calls_max * LONG_PER_PLACE),
        }
    }

    /// Waits for a place: first come, first served, but for the strained, of whom few may queue. None: there are no
    /// places any more.
    pub(crate) async fn take(&self, health: Health) -> Option<Place<'_>> {
        let beside = match health {
            Health::Well => None,
            Health::Strained => Some(self.strained.acquire().await.ok()?),
        };
        let place = match (health, self.all.try_acquire()) {
            (_, Ok(free)) => free,
            (Health::Well, Err(_)) => self.all.acquire().await.ok()?,
            (Health::Strained, Err(_)) => {
                let _queueing = self.queueing.acquire().await.ok()?;
                self.all.acquire().await.ok()?
            }
        };
        Some(Place { places: self, place: Some(place), beside })
    }
}

impl Place<'_> {
    /// The call in this place takes long: somebody else gets the place, unless too many have handed theirs on already.
    pub(crate) fn hand_on(&mut self) {
        if self.beside.is_none() {
            self.beside = self.places.long.try_acquire().ok();
        }
        if self.beside.is_some() {
            self.place = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn take(places: &Places, health: Health) -> Option<Place<'_>> {
        places.take(health).now_or_never().flatten()
    }

    #[test]
    fn there_are_no_more_brisk_calls_than_places() {
        let places = Places::new(2);
        let (_one, two) = (take(&places, Health::Well).unwrap(), take(&places, Health::Strained).unwrap());
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
        assert_eq!((places.all.available_permits(), places.long.available_permits()), (1, LONG_PER_PLACE));
    }

    #[test]
    fn beyond_their_bound_long_calls_keep_their_places() {
        let places = Places::new(1);
        let long = || {
            let mut place = take(&places, Health::Well).unwrap();
            place.hand_on();
            place
        };
        let _long: Vec<Place<'_>> = (0..=LONG_PER_PLACE).map(|_| long()).collect();
        assert!(take(&places, Health::Well).is_none());
    }

    #[test]
    fn calls_of_the_strained_are_bounded_with_and_without_a_place() {
        let places = Places::new(1);
        let long = || {
            let mut place = take(&places, Health::Strained)?;
            place.hand_on();
            Some(place)
        };
        let long: Vec<Place<'_>> = std::iter::from_fn(long).take(1_000).collect();
        assert_eq!(long.len(), STRAINED_PER_PLACE);
        assert!(take(&places, Health::Well).is_some());
    }

    #[test]
    fn few_of_the_strained_queue_before_one_that_is_well() {
        let places = Places::new(4);
        let taken: Vec<Place<'_>> = (0..4).map(|_| take(&places, Health::Well).unwrap()).collect();
        let mut strained: Vec<_> = (0..10).map(|_| Box::pin(places.take(Health::Strained))).collect();
        assert!(strained.iter_mut().all(|waiting| waiting.now_or_never().is_none()));
        let mut well = Box::pin(places.take(Health::Well));
        assert!((&mut well).now_or_never().is_none());
        drop(taken);
        // One of the strained was ahead of it.
        assert!(well.now_or_never().flatten().is_some());
    }
}

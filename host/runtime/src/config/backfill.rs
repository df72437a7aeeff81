//! `pipelines[].backfill`: a pipeline that works on what happened long ago, and leaves those that work on now their pace.

use super::reader::{Section, key};
use std::num::NonZeroU32;

/// Of an API's call slots, a backfill takes at most half: a live question finds one free, where there is more than one.
const API_PERCENT: u64 = 50;

/// What a backfill may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackfillConfig {
    /// Events that begin per second at most, on each host. None: as many as there is room for.
    pub events_per_second: Option<NonZeroU32>,
    /// Of an API's call slots, so many percent at most, from 1 to 100; one slot at least. All backfills together leave one
    /// to others, where there is more than one.
    pub api_percent: u8,
}

/// Reads the section.
pub(super) fn read(section: &Section<'_>) -> Option<BackfillConfig> {
    const BACKFILL: &str = "Makes it a backfill: questions of other pipelines go before its own, which get one call in twenty \
                            while others wait for the same API.";
    section.section(key("backfill", BACKFILL), |section| BackfillConfig {
        events_per_second: section
            .count(key("rate_per_second", "Events that begin per second at most, on each host."), 1..=1_000_000)
            .optional("as many as there is room for")
            .and_then(|rate| u32::try_from(rate).ok())
            .and_then(NonZeroU32::new),
        api_percent: u8::try_from(
            section
                .count(
                    key(
                        "api_percent",
                        "Of an API's call slots it takes at most so many percent; one slot at least. All backfills together \
                         leave one to others, where there is more than one: 100 is all but one.",
                    ),
                    1..=100,
                )
                .or(API_PERCENT, API_PERCENT.to_string()),
        )
        .unwrap_or(u8::MAX),
    })
}

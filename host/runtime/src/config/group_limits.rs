//! `group` of `mediawiki` and of every `http` service: what all hosts of a consumer group may ask together.

use super::reader::{Section, key};
use millrace_lookup::config::GroupLimits;

/// Calls at once or per second: more than any service takes from one client.
const CALLS_MAX: u64 = 100_000;

/// Reads the section.
pub(crate) fn read(section: &Section<'_>) -> GroupLimits {
    const GROUP: &str = "Limits of all hosts of the consumer groups together. Each host takes the part that its partitions are \
                         of all that are read, and one call at least; its own limits hold beside that.";
    section.defaults(key("group", GROUP), |section| {
        let small = |count: u64| u32::try_from(count).ok();
        GroupLimits {
            slots: section
                .count(key("call_slots", "Calls that may be under way at once, over all hosts."), 1..=CALLS_MAX)
                .optional("those of each host")
                .and_then(small),
            calls_per_second_max: section
                .count(key("rate_per_second", "Calls per second, over all hosts."), 1..=CALLS_MAX)
                .optional("that of each host")
                .and_then(small),
        }
    })
}

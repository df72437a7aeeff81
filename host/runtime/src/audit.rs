//! `millrace audit`: reads what a pipeline reads and what it writes, as any reader with `read_committed` would, and says
//! whether the one follows from the other as it is promised. It trusts nothing that the host counts: headers of results,
//! records of inputs and the progress that is kept are all that it goes by.
//!
//! In reading order: [`evidence`], which is what was read, [`judge`], which says what is wrong with it, [`written`], which
//! looks at single results, [`timers`], which compares those of timers, [`session`], which reads, [`report`]. The range is
//! [`window`]'s.

pub mod evidence;
pub mod finding;
pub mod judge;
pub mod report;
pub mod session;
pub mod timers;
pub mod window;
pub mod written;

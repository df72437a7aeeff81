//! Tests of crews and of loading, with plugins written in the text format. `puppet.wat` does what the key of its event
//! says and so breaks every rule; plugins that ship with the platform are tested where they are run.

mod bounds;
mod crew;
mod faults;
mod guests;
mod load;
mod puppet;
mod python;
mod state;
mod wasi;
mod without_sdk;

//! What `bindgen!` makes of the contract, and nothing else. `convert.rs` turns it into the plain data of `flow`.

mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "plugin",
        imports: { default: trappable },
        // What goes into a plugin is lowered straight from the buffers that hold it.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub(crate) use generated::millrace::plugin::{blobs, log, metrics, state, timers, types};
pub(crate) use generated::{Plugin, PluginPre};

//! Write a Millrace plugin as an `async fn`.
#![forbid(unsafe_code)]

// The macros below name this crate as a plugin does.
extern crate self as millrace_sdk;

#[doc(hidden)]
pub mod bindings;
mod blob;
mod describe;
mod event;
mod executor;
mod failure;
mod imports;
mod join;
pub mod lookup;
mod outcome;
mod plugin;
mod random;
mod settings;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod text;
mod ticket;

pub use blob::{Blob, Pieces};
pub use describe::{Describe, Input, Output};
pub use event::{Event, Level, Source};
pub use failure::{Failure, LookupError, LookupErrorKind};
pub use join::{join, join_all};
pub use lookup::MediaWiki;
pub use lookup::revision::{Content, Revision, Slot};
pub use outcome::{Emission, Outcome, Patch, pointer};
pub use plugin::Plugin;
pub use serde_json::{Value, json};
pub use text::Text;

/// Makes a crate the component of its plugin: `millrace_sdk::plugin!(MyPlugin);`, once, at the top level.
///
/// The crate needs `crate-type = ["cdylib"]` and no other dependency than this one and serde. It must not
/// `forbid(unsafe_code)`: the functions that the host calls are made here, and those need it.
/// Natively it does nothing, so that the same crate can be tested without WebAssembly.
#[macro_export]
macro_rules! plugin {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            ::std::thread_local! {
                static RUNNING: $crate::__private::Running<$plugin> = const { $crate::__private::Running::new() };
            }

            struct Component;

            impl $crate::__private::Guest for Component {
                fn describe() -> ::std::string::String {
                    <$plugin as $crate::Plugin>::describe().to_json()
                }

                fn configure(settings: ::std::string::String) -> ::std::result::Result<(), ::std::string::String> {
                    RUNNING.with(|running| running.configure(&settings))
                }

                fn turn(
                    now_ms: u64,
                    inputs: ::std::vec::Vec<$crate::__private::Input>,
                ) -> ::std::vec::Vec<$crate::__private::Output> {
                    RUNNING.with(|running| running.turn(now_ms, inputs))
                }
            }

    $crate::__private::bindings::export_component!(Component with_types_in $crate::__private::bindings);
        };

        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = $crate::__private::is_plugin::<$plugin>;
    };
}

/// What `plugin!` needs to see of this crate; nothing for authors.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings;
    pub use crate::bindings::exports::millrace::plugin::processor::Guest;
    pub use crate::bindings::millrace::plugin::types::{Input, Output};
    pub use crate::executor::Running;
    pub use wit_bindgen::rt;

    /// Compiles for plugins only.
    pub fn is_plugin<P: crate::Plugin>() {}
}

#[cfg(test)]
mod tests;

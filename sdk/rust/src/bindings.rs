//! What `wit-bindgen` makes of the contract, for every target: natively its types alone are used, and `imports` takes
//! the place of its functions. Nothing here is written by hand, and no author needs to look.
#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "plugin",
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "millrace_sdk::__private::bindings",
    runtime_path: "::millrace_sdk::__private::rt",
});

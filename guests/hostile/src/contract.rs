//! What `wit-bindgen` makes of the contract. Nothing here is written by hand.
#![allow(missing_docs, unreachable_pub, dead_code, clippy::all, reason = "generated")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "plugin",
    pub_export_macro: true,
    export_macro_name: "export_component",
});

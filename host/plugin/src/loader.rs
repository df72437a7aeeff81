//! From the bytes of a component to a plugin that can be started: what the bytes are, the compiled code, the imports
//! that it may have, and what it says of itself. Settings and instances come later, in `crew.rs`.

use crate::bindings::PluginPre;
use crate::compilers;
use crate::describe::Describe;
use crate::digest::Digest;
use crate::engine::Engine;
use crate::error::PluginError;
use crate::instance::{self, Instance};
use crate::limits::Limits;
use crate::memory::{Pool, Share};
use crate::view::View;
use crate::wasi;
use cpu_time::ThreadTime;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::types::{Component as ComponentType, ComponentItem};
use wasmtime::component::{Component, Linker};

/// Bytes of a component. Python's with a few packages has 18 MiB.
const COMPONENT_BYTES_MAX: usize = 64 << 20;

/// The package of the contract.
const PACKAGE: &str = "millrace:plugin/";

/// The version of the contract that this host serves.
const CONTRACT_VERSION: &str = "0.1.0";

/// The interfaces that the contract offers to a plugin.
const OFFERED: [&str; 6] = ["types", "blobs", "state", "timers", "log", "metrics"];

/// The interface that a plugin must export.
const PROCESSOR: &str = "processor";

/// The first bytes of every WebAssembly binary.
const MAGIC: &[u8] = b"\0asm";

/// What follows the magic in a core module, and in a component.
const CORE_VERSION: &[u8] = &[1, 0, 0, 0];
const COMPONENT_VERSION: &[u8] = &[0x0d, 0, 1, 0];

/// A plugin that can be started. Cloning shares it.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

struct Loaded {
    engine: Engine,
    digest: Digest,
    describe: Describe,
    /// The names of its stores.
    stores: Arc<[Arc<str>]>,
    contract: PluginPre<View>,
    /// The memory of all its instances.
    pool: Pool,
}

impl Plugin {
    /// What identifies it.
    pub fn digest(&self) -> &Digest {
        &self.0.digest
    }

    /// What it says of itself.
    pub fn describe(&self) -> &Describe {
        &self.0.describe
    }

    /// Starts an instance with these settings and throws it away, so that what is wrong with them is known before a thread
    /// that serves others tries it. Returns the CPU time that it took.
    ///
    /// # Errors
    /// The plugin refuses its settings, or fails before it saw an event.
    pub fn try_settings(&self, settings: &str, limits: &Limits) -> Result<Duration, PluginError> {
        let began = ThreadTime::now();
        drop(Instance::start(self, settings, &Arc::new(limits.clone()), Share::Own)?);
        Ok(began.elapsed())
    }

    pub(crate) fn stores(&self) -> &Arc<[Arc<str>]> {
        &self.0.stores
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn contract(&self) -> &PluginPre<View> {
        &self.0.contract
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plugin({} {} {})", self.0.describe.name, self.0.describe.version, self.0.digest)
    }
}

impl Engine {
    /// Makes a plugin of the bytes of a component. Compiling takes from 20 ms to 10 s a core, so it is kept.
    ///
    /// # Errors
    /// Whatever is wrong with the component, in words for the operator: see [`PluginError`].
    pub fn load(&self, bytes: &[u8]) -> Result<Plugin, PluginError> {
        check_form(bytes)?;
        let digest = Digest::of(bytes);
        let component = self.compile(&digest, bytes)?;
        check_contract(&component.component_type(), self.wasm())?;
        let mismatch = |error: wasmtime::Error| PluginError::Mismatch(format!("{error:#}"));
        let linked = self.linker_for(&component.component_type()).map_err(mismatch)?;
        let linked = linked.instantiate_pre(&component).map_err(mismatch)?;
        let contract = PluginPre::new(linked).map_err(mismatch)?;
        let describe = Describe::agreed(&instance::describe(self, &contract, &Arc::default())?)?;
        let stores = describe.stores.keys().map(|name| Arc::from(name.as_str())).collect();
        let engine = self.clone();
        Ok(Plugin(Arc::new(Loaded { engine, digest, describe, stores, contract, pool: Pool::default() })))
    }

    /// The contract, and what the component imports of WASI.
    fn linker_for(&self, component: &ComponentType) -> wasmtime::Result<Linker<View>> {
        let mut linker = self.linker().clone();
        for (name, import) in component.imports(self.wasm()) {
            if let (Some(interface), ComponentItem::ComponentInstance(import)) = (wasi::allowed(name), import.ty) {
                let mut instance = linker.instance(name)?;
                for (name, item) in import.exports(self.wasm()) {
                    wasi::link(&mut instance, interface, name, &item.ty)?;
                }
            }
        }
        Ok(linker)
    }

    fn compile(&self, digest: &Digest, bytes: &[u8]) -> Result<Component, PluginError> {
        if let Some(component) = self.cache().and_then(|cache| cache.get(self.wasm(), digest)) {
            return Ok(component);
        }
        let invalid = |error: wasmtime::Error| PluginError::Invalid(format!("{error:#}"));
        let component = compilers::run(|| Component::from_binary(self.wasm(), bytes)).map_err(invalid)?;
        if let Some(cache) = self.cache() {
            cache.put(digest, &component);
        }
        Ok(component)
    }
}

/// Says what the bytes are, if they are no component.
fn check_form(bytes: &[u8]) -> Result<(), PluginError> {
    let other = |what: &str| Err(PluginError::NotAComponent { what: what.to_owned() });
    if bytes.is_empty() {
        return Err(PluginError::Empty);
    }
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(PluginError::TooLarge { bytes: bytes.len(), bytes_max: COMPONENT_BYTES_MAX });
    }
    match bytes.strip_prefix(MAGIC) {
        Some(rest) if rest.starts_with(COMPONENT_VERSION) => Ok(()),
        Some(rest) if rest.starts_with(CORE_VERSION) => {
            other("a core module; make a component of it, as `wasm-tools component new` does")
        }
        Some(rest) if rest.len() < COMPONENT_VERSION.len() => other("the first few bytes of one; copy it whole"),
        Some(_) => other("a WebAssembly binary of an unknown version; build it with a current toolchain"),
        None if bytes.starts_with(b"\x7fELF") => other("a native program; build it for WebAssembly"),
        None if bytes.starts_with(&[0x1f, 0x8b]) => other("a gzip file; unpack it"),
        None if bytes.starts_with(b"PK") => other("a zip file; unpack it"),
        None if is_text(bytes) => other("text; only the binary format is taken"),
        None => other("something else; its first bytes are not those of WebAssembly"),
    }
}

/// Whether the first bytes are text: no control characters but white space.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().take(64).all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..))
}

/// Refuses what imports anything but the contract, or speaks another version of it.
fn check_contract(component: &ComponentType, wasm: &wasmtime::Engine) -> Result<(), PluginError> {
    let mut forbidden = Vec::new();
    for (name, _item) in component.imports(wasm) {
        match name.strip_prefix(PACKAGE).map(version_of) {
            Some((interface, version)) if OFFERED.contains(&interface) => check_version(name, version)?,
            _ if wasi::allowed(name).is_some() => {}
            _ => forbidden.push(name.to_owned()),
        }
    }
    if !forbidden.is_empty() {
        return Err(PluginError::ForbiddenImport { names: forbidden });
    }
    let wanted = || format!("{PACKAGE}{PROCESSOR}@{CONTRACT_VERSION}");
    for (name, _item) in component.exports(wasm) {
        if let Some((PROCESSOR, version)) = name.strip_prefix(PACKAGE).map(version_of) {
            return check_version(name, version);
        }
    }
    Err(PluginError::NoProcessor { wanted: wanted() })
}

/// `log@0.1.0` is `log` and `0.1.0`.
fn version_of(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

fn check_version(name: &str, version: &str) -> Result<(), PluginError> {
    if version == CONTRACT_VERSION {
        return Ok(());
    }
    Err(PluginError::WrongContract {
        found: name.to_owned(),
        spoken: format!("{PACKAGE}{PROCESSOR}@{CONTRACT_VERSION}"),
    })
}

//! The WebAssembly engine of a host: its settings, each with its reason, and the clock that ends guests. Loading a
//! plugin is in `loader.rs`, compiled code in `cache.rs`.

use crate::PluginError;
use crate::bindings::Plugin as Contract;
use crate::cache::CodeCache;
use crate::view::View;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, InstanceAllocationStrategy, OptLevel, Strategy, WasmBacktraceDetails, WasmFeatures};

/// The time between two ticks of the engine's clock, in milliseconds: how exactly a CPU deadline is kept. 200 ticks a
/// second cost nothing that can be measured.
pub(crate) const TICK_MS: u64 = 5;

/// The stack of a guest, in bytes. A worker's thread has 2 MiB, so the host's own frames always fit beside it.
const STACK_BYTES_MAX: usize = 512 << 10;

/// The frames of a backtrace: enough to see where a plugin was, few enough for an error event.
const FRAMES_MAX: usize = 32;

/// What of WebAssembly no plugin gets. Each is younger and less fuzzed than the rest, has had its share of security
/// advisories, or makes guests differ between machines; none of the guest toolchains needs it.
const FEATURES_OFF: [WasmFeatures; 12] = [
    // Shared memory between threads: a plugin has none.
    WasmFeatures::THREADS,
    WasmFeatures::SHARED_EVERYTHING_THREADS,
    // The result differs between processors.
    WasmFeatures::RELAXED_SIMD,
    // Accesses would need bounds checks, and 4 GiB are far beyond every limit.
    WasmFeatures::MEMORY64,
    // The collector and what is built upon it.
    WasmFeatures::GC_TYPES,
    WasmFeatures::GC,
    WasmFeatures::FUNCTION_REFERENCES,
    WasmFeatures::EXCEPTIONS,
    WasmFeatures::STACK_SWITCHING,
    // Not emitted by any toolchain unless asked to.
    WasmFeatures::TAIL_CALL,
    WasmFeatures::CUSTOM_PAGE_SIZES,
    // Turns are synchronous.
    WasmFeatures::CM_ASYNC,
];

/// Where an engine keeps what, and how its clock runs.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    /// The directory for compiled plugins: made if it is missing, private to the user, never the one that plugins are
    /// put into. None: every load compiles.
    pub cache_dir: Option<PathBuf>,
    /// What drives the deadlines of turns.
    pub ticker: Ticker,
}

/// What drives the deadlines of turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ticker {
    /// A thread of the engine's own. A guest ends once it has used its share of CPU time, however busy the machine is.
    #[default]
    Thread,
    /// [`Engine::tick`], for tests and replays: a guest ends at the first tick of its turn.
    ByHand,
}

/// The engine of a host. Cloning shares it; its clock stops with the last clone.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    wasm: wasmtime::Engine,
    linker: Linker<View>,
    cache: Option<CodeCache>,
    ticker: Ticker,
    /// Dropped last: it stops and joins the clock's thread.
    _clock: Option<Clock>,
}

impl Engine {
    /// Starts an engine.
    ///
    /// # Errors
    /// The directory for compiled code cannot be made or is open to others, or the clock's thread cannot be started.
    pub fn new(config: EngineConfig) -> Result<Self, PluginError> {
        let fail = |error: wasmtime::Error| PluginError::Engine(format!("{error:#}"));
        let wasm = wasmtime::Engine::new(&settings()).map_err(fail)?;
        let mut linker = Linker::new(&wasm);
        Contract::add_to_linker::<View, HasSelf<View>>(&mut linker, |view| view).map_err(fail)?;
        let cache = config.cache_dir.map(|dir| CodeCache::open(dir, &wasm)).transpose()?.flatten();
        let clock = match config.ticker {
            Ticker::Thread => Some(Clock::start(wasm.clone())?),
            Ticker::ByHand => None,
        };
        Ok(Self(Arc::new(Shared { wasm, linker, cache, ticker: config.ticker, _clock: clock })))
    }

    /// Moves the clock of an engine that is driven by hand. Any thread may, also while a guest runs on another.
    pub fn tick(&self) {
        self.0.wasm.increment_epoch();
    }

    pub(crate) fn wasm(&self) -> &wasmtime::Engine {
        &self.0.wasm
    }

    pub(crate) fn linker(&self) -> &Linker<View> {
        &self.0.linker
    }

    pub(crate) fn cache(&self) -> Option<&CodeCache> {
        self.0.cache.as_ref()
    }

    pub(crate) fn ticker(&self) -> Ticker {
        self.0.ticker
    }
}

/// The settings of the engine.
fn settings() -> Config {
    let mut config = Config::new();
    for feature in FEATURES_OFF {
        config.wasm_features(feature, false);
    }
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        // The other compiler has had most of the advisories, and compile time is no concern: code is cached.
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        // A turn is a function of its inputs: the bits of a NaN may not depend on the processor.
        .cranelift_nan_canonicalization(true)
        // Deadlines. Fuel would be exact and deterministic, and costs several times as much.
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES_MAX)
        // Instances live long and are made in 10-50 µs, so a pool would only reserve memory and share slots.
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        // A fresh instance maps the initial memory instead of copying it: Python's has 20 MB.
        .memory_init_cow(true)
        .parallel_compilation(true)
        // Names and offsets for the author; no lookup in debug information, which the environment could switch on.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES_MAX));
    config
}

/// The thread that moves the engine's epoch.
struct Clock {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Clock {
    fn start(wasm: wasmtime::Engine) -> Result<Self, PluginError> {
        let stopped = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stopped);
        let tick = move || {
            while !seen.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(TICK_MS));
                wasm.increment_epoch();
            }
        };
        let thread = std::thread::Builder::new()
            .name("plugin-clock".to_owned())
            .spawn(tick)
            .map_err(|error| PluginError::Engine(format!("the clock's thread cannot be started: {error}")))?;
        Ok(Self { stopped, thread: Some(thread) })
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread cannot panic, and there is nobody to tell.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the engine takes a core module in the text format.
    #[track_caller]
    fn check(wat: &str, accepted: bool) {
        let wasm = wasmtime::Engine::new(&settings()).unwrap();
        let module = wat::parse_str(wat).unwrap();
        assert_eq!(wasmtime::Module::validate(&wasm, &module).is_ok(), accepted, "{wat}");
    }

    #[test]
    fn what_no_plugin_needs_is_off() {
        check("(module (memory 1 1 shared))", false);
        check("(module (memory i64 1))", false);
        check("(module (type (struct (field i32))))", false);
        check("(module (func return_call 0))", false);
        check("(module (tag))", false);
        check(
            "(module (func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))",
            false,
        );
    }

    #[test]
    fn what_toolchains_emit_is_on() {
        check("(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 1))))", true);
        check("(module (func (param v128) (result v128) (i8x16.abs (local.get 0))))", true);
        check("(module (func (result i32 i32) (i32.const 1) (i32.const 2)))", true);
        check("(module (func (param i32) (result i32) (i32.extend8_s (local.get 0))))", true);
    }
}

//! One running plugin: a wasmtime store, the calls into it, and what a failed call means. An instance whose call
//! failed is never called again: its owner throws it away.

use crate::bindings::types::{Input, Output};
use crate::bindings::{Plugin as Contract, PluginPre};
use crate::engine::Engine;
use crate::error::PluginError;
use crate::event::{FaultKind, GuestFault};
use crate::limits::Limits;
use crate::loader::Plugin;
use crate::memory::{Memory, Pool, Refusal, Share};
use crate::view::{BrokenRule, View};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::{Store, Trap, WasmBacktrace};

/// Handles of resources that an instance may hold. The contract has none; language runtimes hold a few of WASI's.
const HANDLES_MAX: usize = 1_000;

/// One running plugin.
pub(crate) struct Instance {
    store: Store<View>,
    contract: Contract,
}

impl Instance {
    /// Instantiates and configures a plugin.
    pub(crate) fn start(
        plugin: &Plugin,
        settings: &str,
        limits: &Arc<Limits>,
        share: Share,
    ) -> Result<Self, PluginError> {
        let memory = Memory::new(share, plugin.pool().clone());
        let stores = Arc::clone(plugin.stores());
        let mut instance = Self::instantiate(plugin.engine(), plugin.contract(), limits, stores, memory)?;
        instance.begin(Duration::from_millis(u64::from(limits.start_ms)));
        let configured = instance.contract.millrace_plugin_processor().call_configure(&mut instance.store, settings);
        match configured {
            Ok(Ok(())) => {
                instance.view().started();
                Ok(instance)
            }
            Ok(Err(message)) => Err(PluginError::Settings(shorten(&message))),
            Err(error) => Err(instance.failed("configure", &error)),
        }
    }

    fn instantiate(
        engine: &Engine,
        contract: &PluginPre<View>,
        limits: &Arc<Limits>,
        stores: Arc<[Arc<str>]>,
        memory: Memory,
    ) -> Result<Self, PluginError> {
        let mut store = Store::new(engine.wasm(), View::new(Arc::clone(limits), stores, engine.ticker(), memory));
        store.limiter(|view| view);
        store.epoch_deadline_callback(|mut ctx| Ok(ctx.data_mut().on_tick()));
        store.set_hostcall_fuel(limits.result_bytes_max);
        store.set_max_component_handles(HANDLES_MAX);
        store.data_mut().begin(Duration::from_millis(u64::from(limits.start_ms)));
        store.set_epoch_deadline(1);
        match contract.instantiate(&mut store) {
            Ok(contract) => Ok(Self { store, contract }),
            Err(error) => Err(failed(&store, "start", &error)),
        }
    }

    /// Runs one turn. After an error the instance must not be used again.
    pub(crate) fn turn(
        &mut self,
        now_ms: u64,
        inputs: &[Input<'_>],
        allowance: Duration,
    ) -> Result<Vec<Output>, GuestFault> {
        self.begin(allowance);
        self.store.data_mut().set_now_ms(now_ms);
        let outputs = self.contract.millrace_plugin_processor().call_turn(&mut self.store, now_ms, inputs);
        outputs.map_err(|error| fault(&self.store, &error))
    }

    fn describe(&mut self) -> Result<String, PluginError> {
        self.begin(Duration::from_millis(u64::from(self.store.data().limits().start_ms)));
        let said = self.contract.millrace_plugin_processor().call_describe(&mut self.store);
        said.map_err(|error| self.failed("describe", &error))
    }

    pub(crate) fn view(&self) -> &View {
        self.store.data()
    }

    pub(crate) fn view_mut(&mut self) -> &mut View {
        self.store.data_mut()
    }

    fn begin(&mut self, allowance: Duration) {
        self.store.data_mut().begin(allowance);
        self.store.set_epoch_deadline(1);
    }

    fn failed(&self, function: &'static str, error: &wasmtime::Error) -> PluginError {
        failed(&self.store, function, error)
    }
}

fn failed(store: &Store<View>, function: &'static str, error: &wasmtime::Error) -> PluginError {
    let message = fault(store, error).to_string();
    match store.data().memory_refusal() {
        Some(Refusal::Pool) => PluginError::Crowded(message),
        _ => PluginError::Failed { function, message },
    }
}

/// Asks a plugin what it is: twice in one instance and once in another, which are thrown away. The first of what it said
/// comes first.
pub(crate) fn describe(
    engine: &Engine,
    contract: &PluginPre<View>,
    limits: &Arc<Limits>,
) -> Result<[String; 3], PluginError> {
    let start =
        || Instance::instantiate(engine, contract, limits, Arc::default(), Memory::new(Share::Own, Pool::default()));
    let mut first = start()?;
    let said = [first.describe()?, first.describe()?];
    let [once, again] = said;
    Ok([once, again, start()?.describe()?])
}

/// What the error of a call means, in words for the plugin's author.
fn fault(store: &Store<View>, error: &wasmtime::Error) -> GuestFault {
    let stack = error.downcast_ref::<WasmBacktrace>().map(frames).filter(|stack| !stack.is_empty());
    let (kind, mut message) = classify(store.data(), error);
    if let (FaultKind::Trap, Some(words)) = (kind, store.data().last_words()) {
        message = format!("{message}: {}", shorten(words));
    }
    GuestFault { kind, message, stack }
}

fn classify(view: &View, error: &wasmtime::Error) -> (FaultKind, String) {
    if let Some(BrokenRule(message)) = error.downcast_ref() {
        return (FaultKind::Rule, message.clone());
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => (FaultKind::Timeout, "it used up its CPU time: does it loop?".to_owned()),
        _ if view.memory_refusal().is_some() => (FaultKind::Memory, refused(view)),
        Some(trap) => (FaultKind::Trap, trap.to_string().replacen("wasm trap", "it trapped", 1)),
        None if is_out_of_fuel(error) => {
            let bytes_max = view.limits().result_bytes_max;
            (FaultKind::Rule, format!("it returned more bytes than a turn may, which is {bytes_max}"))
        }
        None if error.root_cause().is::<std::str::Utf8Error>() => {
            (FaultKind::Rule, format!("a string that it handed over is not UTF-8: {}", error.root_cause()))
        }
        None => (FaultKind::Trap, shorten(&format!("it was stopped: {}", error.root_cause()))),
    }
}

/// What was refused, and what to do about it.
fn refused(view: &View) -> String {
    let limits = view.limits();
    match view.memory_refusal() {
        Some(Refusal::Pool) => format!(
            "it wanted more memory than all instances of its pipeline may have together, which is {} bytes \
             (`limits.plugin.memory_total`)",
            limits.memory_total_bytes_max
        ),
        _ => format!(
            "it wanted more memory than an instance may have, which is {} bytes (`limits.plugin.memory`)",
            limits.memory_bytes_max
        ),
    }
}

/// Whether more was to be copied out of the guest than the limit allows. The engine has no type for this error.
fn is_out_of_fuel(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().contains("fuel allocated for hostcalls")
}

/// The guest's own frames, innermost first.
fn frames(backtrace: &WasmBacktrace) -> String {
    let mut text = String::new();
    for frame in backtrace.frames() {
        let name = frame.func_name().map_or_else(
            || format!("function {}", frame.func_index()),
            |name| format!("{:#}", rustc_demangle::demangle(name)),
        );
        let offset = frame.module_offset().unwrap_or_default();
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{name} (at {offset:#x})"));
    }
    text
}

/// Cuts a plugin's own words to what an operator reads.
fn shorten(message: &str) -> String {
    const BYTES_MAX: usize = 2_000;
    message.get(..message.floor_char_boundary(BYTES_MAX.min(message.len()))).unwrap_or_default().to_owned()
}

//! The WASI 0.2 interfaces that language runtimes insist on, answered without a look at the machine: the clock is
//! `now-ms`, random is seeded per instance, there is no file, no argument and no environment, what is printed is logged,
//! every socket is denied, and `exit` is a trap. A function that is not named here traps when it is called. HTTP is
//! refused at load.

use crate::report::LogLevel;
use crate::view::View;
use wasmtime::StoreContextMut;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource, ResourceType, Val};

/// The interfaces that a plugin may import, whatever their 0.2 version.
const ALLOWED: [&str; 27] = [
    "cli/environment",
    "cli/exit",
    "cli/stdin",
    "cli/stdout",
    "cli/stderr",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "cli/terminal-stderr",
    "clocks/monotonic-clock",
    "clocks/wall-clock",
    "filesystem/preopens",
    "filesystem/types",
    "io/error",
    "io/poll",
    "io/streams",
    "random/insecure",
    "random/insecure-seed",
    "random/random",
    "sockets/instance-network",
    "sockets/ip-name-lookup",
    "sockets/network",
    "sockets/tcp",
    "sockets/tcp-create-socket",
    "sockets/udp",
    "sockets/udp-create-socket",
];

/// Random bytes of one call. Seeds and keys take 16 to 64.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// Bytes that a stream takes at once; a guest writes more in parts.
const WRITE_BYTES_MAX: u64 = 64 << 10;

/// Nanoseconds of a millisecond, which is what the clocks move by.
const MS_IN_NS: u64 = 1_000_000;

/// The number of the stream that is standard error; standard output is 1.
const STDERR: u32 = 2;

struct Pollable;
struct StreamFault;
struct InputStream;
struct OutputStream;
struct TerminalInput;
struct TerminalOutput;
struct Descriptor;
struct DirectoryEntries;
struct Network;

/// `datetime` of `wasi:clocks/wall-clock`.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// `stream-error` of `wasi:io/streams`.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    Failed(Resource<StreamFault>),
    #[component(name = "closed")]
    Closed,
}

type Ctx<'a> = StoreContextMut<'a, View>;

/// The interface of an import, such as `io/poll`, if it is one that plugins get.
pub(crate) fn allowed(import: &str) -> Option<&'static str> {
    let (interface, version) = import.strip_prefix("wasi:")?.split_once('@')?;
    ALLOWED.into_iter().find(|known| version.starts_with("0.2.") && *known == interface)
}

/// Links one function or resource of an interface, as the component imports it.
pub(crate) fn link(
    instance: &mut LinkerInstance<'_, View>,
    interface: &str,
    name: &str,
    item: &ComponentItem,
) -> wasmtime::Result<()> {
    match item {
        ComponentItem::Resource(_) => instance.resource(name, resource(name), |_ctx, _rep| Ok(())),
        ComponentItem::ComponentFunc(_) => match interface.split_once('/') {
            Some(("clocks", _)) => clocks(instance, interface, name),
            Some(("random", _)) => random(instance, name),
            Some(("io", _)) => io(instance, name),
            Some(("sockets", _)) => sockets(instance, interface, name),
            _ => surroundings(instance, interface, name),
        },
        _ => Ok(()),
    }
}

fn resource(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<Pollable>(),
        "error" => ResourceType::host::<StreamFault>(),
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        "directory-entry-stream" => ResourceType::host::<DirectoryEntries>(),
        "network" => ResourceType::host::<Network>(),
        _ => ResourceType::host::<()>(),
    }
}

fn clocks(instance: &mut LinkerInstance<'_, View>, interface: &str, name: &str) -> wasmtime::Result<()> {
    match (interface, name) {
        ("clocks/wall-clock", "now") => {
            instance.func_wrap(name, |ctx: Ctx<'_>, (): ()| Ok((datetime(ctx.data().now_ms()),)))
        }
        ("clocks/wall-clock", "resolution") => instance.func_wrap(name, |_: Ctx<'_>, (): ()| Ok((datetime(1),))),
        (_, "now") => {
            instance.func_wrap(name, |ctx: Ctx<'_>, (): ()| Ok((ctx.data().now_ms().saturating_mul(MS_IN_NS),)))
        }
        (_, "resolution") => instance.func_wrap(name, |_: Ctx<'_>, (): ()| Ok((MS_IN_NS,))),
        // Time stands still in a turn, so whoever waits for it goes on at once.
        (_, "subscribe-instant" | "subscribe-duration") => {
            instance.func_wrap(name, |_: Ctx<'_>, (_when,): (u64,)| Ok((Resource::<Pollable>::new_own(0),)))
        }
        _ => trap(instance, interface, name),
    }
}

fn datetime(ms: u64) -> Datetime {
    let below = u32::try_from(ms % 1_000 * MS_IN_NS).unwrap_or(0);
    Datetime { seconds: ms / 1_000, nanoseconds: below }
}

fn random(instance: &mut LinkerInstance<'_, View>, name: &str) -> wasmtime::Result<()> {
    match name {
        "get-random-bytes" | "get-insecure-random-bytes" => {
            instance.func_wrap(name, |mut ctx: Ctx<'_>, (length,): (u64,)| {
                if length > RANDOM_BYTES_MAX {
                    return Err(wasmtime::Error::msg("it wanted more than 64 KiB of random bytes at once"));
                }
                let view = ctx.data_mut();
                let words = (0..length.div_ceil(8)).flat_map(|_| view.next_random().to_le_bytes());
                Ok((words.take(usize::try_from(length)?).collect::<Vec<u8>>(),))
            })
        }
        "get-random-u64" | "get-insecure-random-u64" => {
            instance.func_wrap(name, |mut ctx: Ctx<'_>, (): ()| Ok((ctx.data_mut().next_random(),)))
        }
        "insecure-seed" => instance.func_wrap(name, |mut ctx: Ctx<'_>, (): ()| {
            let view = ctx.data_mut();
            Ok(((view.next_random(), view.next_random()),))
        }),
        _ => trap(instance, "random", name),
    }
}

fn io(instance: &mut LinkerInstance<'_, View>, name: &str) -> wasmtime::Result<()> {
    match name {
        "poll" => instance.func_wrap(name, |_: Ctx<'_>, (polled,): (Vec<Resource<Pollable>>,)| {
            Ok(((0..u32::try_from(polled.len())?).collect::<Vec<u32>>(),))
        }),
        "[method]pollable.ready" => {
            instance.func_wrap(name, |_: Ctx<'_>, (_polled,): (Resource<Pollable>,)| Ok((true,)))
        }
        "[method]pollable.block" => instance.func_wrap(name, |_: Ctx<'_>, (_polled,): (Resource<Pollable>,)| Ok(())),
        "[method]error.to-debug-string" => {
            instance.func_wrap(name, |_: Ctx<'_>, (_error,): (Resource<StreamFault>,)| Ok((String::new(),)))
        }
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => {
            instance.func_wrap(name, |_: Ctx<'_>, (_stream, _length): (Resource<InputStream>, u64)| {
                Ok((Err::<Vec<u8>, StreamError>(StreamError::Closed),))
            })
        }
        "[method]input-stream.subscribe" => instance
            .func_wrap(name, |_: Ctx<'_>, (_stream,): (Resource<InputStream>,)| {
                Ok((Resource::<Pollable>::new_own(0),))
            }),
        "[method]output-stream.subscribe" => instance
            .func_wrap(name, |_: Ctx<'_>, (_stream,): (Resource<OutputStream>,)| {
                Ok((Resource::<Pollable>::new_own(0),))
            }),
        "[method]output-stream.check-write" => instance
            .func_wrap(name, |_: Ctx<'_>, (_stream,): (Resource<OutputStream>,)| {
                Ok((Ok::<u64, StreamError>(WRITE_BYTES_MAX),))
            }),
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => {
            instance.func_wrap(name, |mut ctx: Ctx<'_>, (stream, bytes): (Resource<OutputStream>, Vec<u8>)| {
                print(ctx.data_mut(), stream.rep(), &bytes);
                Ok((Ok::<(), StreamError>(()),))
            })
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => instance
            .func_wrap(name, |_: Ctx<'_>, (_stream,): (Resource<OutputStream>,)| Ok((Ok::<(), StreamError>(()),))),
        _ => trap(instance, "io", name),
    }
}

/// Logs what was printed, under no ticket. Standard error is where language runtimes say why they end.
fn print(view: &mut View, stream: u32, bytes: &[u8]) {
    let level = if stream == STDERR { LogLevel::Error } else { LogLevel::Info };
    for line in String::from_utf8_lossy(bytes).lines().filter(|line| !line.trim().is_empty()) {
        view.log(None, level, line);
    }
}

/// Arguments, environment, files, terminals: there is nothing around a plugin.
fn surroundings(instance: &mut LinkerInstance<'_, View>, interface: &str, name: &str) -> wasmtime::Result<()> {
    match name {
        "get-environment" => instance.func_wrap(name, |_: Ctx<'_>, (): ()| Ok((Vec::<(String, String)>::new(),))),
        "get-arguments" => instance.func_wrap(name, |_: Ctx<'_>, (): ()| Ok((Vec::<String>::new(),))),
        "initial-cwd" => instance.func_wrap(name, |_: Ctx<'_>, (): ()| Ok((None::<String>,))),
        "get-directories" => {
            instance.func_wrap(name, |_: Ctx<'_>, (): ()| Ok((Vec::<(Resource<Descriptor>, String)>::new(),)))
        }
        "get-stdin" => instance.func_wrap(name, |_: Ctx<'_>, (): ()| Ok((Resource::<InputStream>::new_own(0),))),
        "get-stdout" => instance.func_wrap(name, |_: Ctx<'_>, (): ()| Ok((Resource::<OutputStream>::new_own(1),))),
        "get-stderr" => instance.func_wrap(name, |_: Ctx<'_>, (): ()| Ok((Resource::<OutputStream>::new_own(STDERR),))),
        "get-terminal-stdin" => instance.func_wrap(name, |_: Ctx<'_>, (): ()| Ok((None::<Resource<TerminalInput>>,))),
        "get-terminal-stdout" | "get-terminal-stderr" => {
            instance.func_wrap(name, |_: Ctx<'_>, (): ()| Ok((None::<Resource<TerminalOutput>>,)))
        }
        _ => trap(instance, interface, name),
    }
}

/// Python's runtime imports sockets whether or not its program does. All that begins with one is answered by an error,
/// which becomes an exception at the line that wanted it, and not a trap: the instance is worth keeping.
fn sockets(instance: &mut LinkerInstance<'_, View>, interface: &str, name: &str) -> wasmtime::Result<()> {
    match name {
        "instance-network" => instance.func_wrap(name, |_: Ctx<'_>, (): ()| Ok((Resource::<Network>::new_own(0),))),
        "create-tcp-socket" | "create-udp-socket" | "resolve-addresses" => {
            instance.func_new(name, |mut ctx, _type, params, results| {
                // What was lent for the call has to be given back: the network that names would be resolved in.
                for param in params {
                    if let Val::Resource(lent) = param {
                        lent.resource_drop(&mut ctx)?;
                    }
                }
                let denied = Val::Enum("access-denied".to_owned());
                results.iter_mut().for_each(|result| *result = Val::Result(Err(Some(Box::new(denied.clone())))));
                Ok(())
            })
        }
        _ => trap(instance, interface, name),
    }
}

/// Nothing that a plugin can do leads here in the ordinary course: there are no files to work on. `exit` does.
fn trap(instance: &mut LinkerInstance<'_, View>, interface: &str, name: &str) -> wasmtime::Result<()> {
    let message = format!("it called `{name}` of wasi:{interface}, which no plugin gets");
    instance.func_new(name, move |_ctx, _type, _params, _results| Err(wasmtime::Error::msg(message.clone())))
}

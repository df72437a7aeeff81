//! What language runtimes ask of WASI, asked by a puppet with a few more letters: `C` stops unless the clock says 1 s,
//! `N` stops unless two random numbers differ, `P` prints to standard error, `S` stops unless a socket is denied, `X`
//! calls `exit`.

use super::puppet::{ENGINE, PUPPET, Stage, component_of, contract};
use crate::{FaultKind, Limits, LogLevel};

const IMPORTS: &str = r#"(module
  (import "wasi:clocks/wall-clock@0.2.3" "now" (func $wall (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $monotonic (result i64)))
  (import "wasi:random/random@0.2.3" "get-random-u64" (func $random (result i64)))
  (import "wasi:cli/stderr@0.2.3" "get-stderr" (func $stderr (result i32)))
  (import "wasi:cli/exit@0.2.3" "exit" (func $exit (param i32)))
  (import "wasi:sockets/tcp-create-socket@0.2.3" "create-tcp-socket" (func $socket (param i32 i32)))
  (import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.3" "[resource-drop]output-stream" (func $close (param i32)))
"#;

const LETTERS: &str = r#"
      (if (call $is (local.get $c) (i32.const 0x43)) (then                                                        ;; C
        (call $wall (i32.const 1216))
        (if (i64.ne (i64.load (i32.const 1216)) (i64.const 1)) (then (unreachable)))
        (if (i64.ne (call $monotonic) (i64.const 1000000000)) (then (unreachable)))))
      (if (call $is (local.get $c) (i32.const 0x4e)) (then                                                        ;; N
        (if (i64.eq (call $random) (call $random)) (then (unreachable)))))
      (if (call $is (local.get $c) (i32.const 0x50)) (then                                                        ;; P
        (global.set $stream (call $stderr))
        (call $write (global.get $stream) (i32.const 144) (i32.const 5) (i32.const 1216))
        (call $close (global.get $stream))))
      (if (call $is (local.get $c) (i32.const 0x53)) (then                                                        ;; S
        (call $socket (i32.const 0) (i32.const 1216))
        (if (i32.ne (i32.load8_u (i32.const 1216)) (i32.const 1)) (then (unreachable)))
        (if (i32.ne (i32.load8_u (i32.const 1220)) (i32.const 1)) (then (unreachable)))))
      (if (call $is (local.get $c) (i32.const 0x58)) (then (call $exit (i32.const 1))))                           ;; X
"#;

const WIT: &str = r#"
package wasi:clocks@0.2.3 {
  interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
  interface monotonic-clock { now: func() -> u64; }
}
package wasi:random@0.2.3 { interface random { get-random-u64: func() -> u64; } }
package wasi:io@0.2.3 {
  interface error { resource error; }
  interface streams {
    use error.{error};
    variant stream-error { last-operation-failed(error), closed }
    resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
  }
}
package wasi:cli@0.2.3 {
  interface stderr { use wasi:io/streams@0.2.3.{output-stream}; get-stderr: func() -> output-stream; }
  interface exit { exit: func(status: result); }
}
package wasi:sockets@0.2.3 {
  interface network {
    enum error-code { unknown, access-denied }
    enum ip-address-family { ipv4, ipv6 }
  }
  interface tcp { resource tcp-socket; }
  interface tcp-create-socket {
    use network.{error-code, ip-address-family};
    use tcp.{tcp-socket};
    create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
  }
}
package wasi:http@0.2.3 { interface outgoing-handler { dial: func(); } }
"#;

const WORLD: &str = "import wasi:clocks/wall-clock@0.2.3; import wasi:clocks/monotonic-clock@0.2.3;
  import wasi:random/random@0.2.3; import wasi:io/streams@0.2.3; import wasi:cli/stderr@0.2.3;
  import wasi:cli/exit@0.2.3; import wasi:sockets/tcp-create-socket@0.2.3;";

fn stage() -> Stage {
    let first = "      (if (i32.eqz (local.get $c)) (then (return)))\n";
    let core = PUPPET.replacen("(module\n", IMPORTS, 1).replacen(first, &format!("{first}{LETTERS}"), 1);
    let core = core.replacen("  (global $now", "  (global $stream (mut i32) (i32.const 0))\n  (global $now", 1);
    let wit = contract().replacen("  import metrics;", &format!("  import metrics; {WORLD}"), 1) + WIT;
    Stage::of(&ENGINE.load(&component_of(&core, &wit)).unwrap(), Limits::default())
}

#[test]
fn the_clock_is_the_turns_and_random_numbers_differ() {
    let mut stage = stage();
    let ticket = stage.start("CNs");
    stage.settle();
    stage.assert_skipped(ticket);
}

#[test]
fn what_is_printed_is_logged_under_no_ticket() {
    let mut stage = stage();
    let ticket = stage.start("PPs");
    stage.settle();
    stage.assert_skipped(ticket);
    let logs = stage.crew.take_report().logs;
    assert_eq!((logs.len(), logs[0].level, logs[0].message.as_str()), (2, LogLevel::Error, "hello"));
}

#[test]
fn exit_is_a_trap() {
    let mut stage = stage();
    let ticket = stage.start("X");
    stage.settle();
    stage.assert_fault(ticket, FaultKind::Trap, "it called `exit` of wasi:cli/exit, which no plugin gets");
}

#[test]
fn a_socket_is_denied_without_a_trap() {
    let mut stage = stage();
    let ticket = stage.start("Ss");
    stage.settle();
    stage.assert_skipped(ticket);
}

#[test]
fn http_is_refused() {
    let wit = contract().replacen("  import metrics;", "  import metrics; import wasi:http/outgoing-handler@0.2.3;", 1);
    let core = PUPPET.replacen("(module\n", r#"(module (import "wasi:http/outgoing-handler@0.2.3" "dial" (func))"#, 1);
    let message = ENGINE.load(&component_of(&core, &(wit + WIT))).unwrap_err().to_string();
    assert!(message.contains("imports what no plugin gets: wasi:http/outgoing-handler@0.2.3"), "{message}");
}

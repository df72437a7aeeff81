//! The command line: which words there are, what they print, how the process ends (0 done, 1 failed, 2 wrong usage or
//! configuration). What the words do is elsewhere.

mod audit;
mod offsets;
mod reprocess;
mod until_interrupted;

use crate::catalog::{self, Catalog};
use crate::check::{self, Reach};
use crate::config::{HostConfig, printable};
use crate::consume::{self, ConsumeArguments};
use crate::orders::{self, Order, parse_until};
use crate::partition::Until;
use crate::supervisor::{self, EmbeddedBroker};
use crate::{inspect, reference, telemetry};
use clap::{CommandFactory as _, Parser, Subcommand};
use millrace_kafka::failpoint::{self, DieAt};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Done.
const DONE: u8 = 0;
/// Failed.
const FAILED: u8 = 1;
/// Wrong usage or configuration.
const WRONG: u8 = 2;

const EXAMPLES: &str = "Examples:
  millrace check host.yaml            find every mistake in a configuration
  millrace check --online host.yaml   the same, and ask the Kafka clusters for the topics
  millrace run host.yaml              run its pipelines until Ctrl-C or SIGTERM
  millrace inspect enrich.wasm        show what a plugin reads, emits and asks for
  millrace reprocess host.yaml --pipeline enrich --dry-run
                                      show which failed events can be given back
  millrace audit host.yaml --pipeline enrich
                                      verify what a pipeline wrote against what it read
  millrace offsets show host.yaml --pipeline enrich
                                      show how far a pipeline is, and set it elsewhere
  millrace consume mediawiki.recentchange --limit 3
                                      show events of a public stream
  millrace catalog host.yaml          show all streams, and who reads and writes them

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.";

/// Runs stream processors written as WebAssembly plugins between Kafka topics.
#[derive(Debug, Parser)]
#[command(name = "millrace", version, after_help = EXAMPLES, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the pipelines of a configuration until a signal stops them.
    #[command(
        after_help = "Example:\n  millrace run host.yaml\n\nThe first SIGTERM or Ctrl-C finishes what is in flight; \
                            a second one ends at once."
    )]
    Run {
        /// The YAML file that describes the host.
        file: PathBuf,
        /// Takes the demo's embedded broker for a Kafka. It keeps no promise.
        #[arg(long, hide = true)]
        allow_embedded_broker: bool,
        /// Dies at a place on the way of a record, for tests: PLACE or PLACE:TIME.
        #[arg(long, hide = true)]
        die_at: Option<DieAt>,
    },
    /// Check a configuration and its plugins without running anything.
    #[command(after_help = "Examples:\n  millrace check host.yaml\n  millrace check --online host.yaml\n  \
                            millrace check --json host.yaml | jq .mistakes")]
    Check {
        /// The YAML file that describes the host.
        file: PathBuf,
        /// Ask the Kafka clusters too: whether they can be reached, and have the topics.
        #[arg(long)]
        online: bool,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what a plugin is and what it says of itself.
    #[command(
        after_help = "Examples:\n  millrace inspect enrich.wasm\n  millrace inspect --json enrich.wasm | jq -r .digest"
    )]
    Inspect {
        /// The plugin: a WebAssembly component.
        plugin: PathBuf,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look after the pipelines of a running host: list them, drain one, let it go on.
    Pipeline {
        /// Where the host's admin server listens.
        #[arg(long, global = true, value_name = "ADDRESS", default_value = "127.0.0.1:9180")]
        admin: SocketAddr,
        /// Print the result as JSON.
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        order: PipelineOrder,
    },
    /// Give the events of a pipeline that failed back to it.
    #[command(after_help = reprocess::HELP)]
    Reprocess(reprocess::Arguments),
    /// Verify what a pipeline wrote against what it read: what is missing, doubled, out of order, invalid.
    #[command(after_help = audit::HELP)]
    Audit(Box<audit::Arguments>),
    /// Show how far a pipeline is in each partition, set it elsewhere, or skip single events.
    #[command(after_help = offsets::HELP)]
    Offsets(Box<offsets::Arguments>),
    /// Show the events of a stream: from Kafka, from EventStreams or from files.
    #[command(after_help = consume::EXAMPLES)]
    Consume(Box<ConsumeArguments>),
    /// Show all streams: their schemas, topics and keys, and the pipelines that read or write them.
    #[command(
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true,
        after_help = "Examples:\n  millrace catalog host.yaml\n  millrace catalog --json host.yaml | jq '.streams[].name'\n  \
                      millrace catalog serve host.yaml"
    )]
    Catalog {
        /// The YAML file that describes the host.
        #[arg(required = true)]
        file: Option<PathBuf>,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        command: Option<CatalogCommand>,
    },
    /// Print the reference of all configuration keys and metrics as Markdown.
    #[command(after_help = "Example:\n  millrace reference > docs/reference.md")]
    Reference,
}

#[derive(Debug, Subcommand)]
enum PipelineOrder {
    /// Show the pipelines and how they are.
    List,
    /// Take no more events, finish what was taken, commit, and hold still.
    ///
    /// The host stays in its consumer group and keeps its partitions, so no other host goes on with them; drain the
    /// pipeline on every host of the group. It holds still until `resume`, or until the host is started again.
    #[command(
        after_help = "Examples:\n  millrace pipeline drain enrich\n  millrace pipeline drain enrich --until 12345\n  \
                            millrace pipeline drain enrich --until eqiad.pages/0=500,codfw.pages/0=20 --wait 600"
    )]
    Drain {
        /// The pipeline.
        name: String,
        /// Up to where events are still taken: `now`, the offset to stop before (in every partition), or
        /// TOPIC/PARTITION=OFFSET, several with commas in between.
        #[arg(long, default_value = "now", value_parser = parse_until)]
        until: Until,
        /// Seconds to wait for it; 0: only give the order.
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        wait: u64,
    },
    /// Let a drained pipeline go on.
    Resume {
        /// The pipeline.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum CatalogCommand {
    /// Serve the catalog as a web page, until Ctrl-C.
    #[command(after_help = "Example:\n  millrace catalog serve host.yaml")]
    Serve {
        /// The YAML file that describes the host.
        file: PathBuf,
        /// Where to listen: an address of loopback. Port 0 lets the system choose.
        #[arg(long, default_value = "127.0.0.1:9181")]
        listen: SocketAddr,
    },
}

/// What the process does, from its arguments to its exit code.
pub fn main() -> ExitCode {
    let code = match Arguments::parse().command {
        Command::Run { file, allow_embedded_broker, die_at } => {
            if let Some(at) = die_at {
                failpoint::arm(at);
            }
            let broker = if allow_embedded_broker { EmbeddedBroker::Allowed } else { EmbeddedBroker::Refused };
            run(&file, broker)
        }
        Command::Check { file, online, json } => check(
            &file,
            if online { Reach::Online } else { Reach::Offline },
            if json { Form::Json } else { Form::Text },
        ),
        Command::Inspect { plugin, json } => show_plugin(&plugin, if json { Form::Json } else { Form::Text }),
        Command::Pipeline { admin, json, order } => {
            let order = match order {
                PipelineOrder::List => Order::List,
                PipelineOrder::Resume { name } => Order::Resume { pipeline: name },
                PipelineOrder::Drain { name, until, wait } => {
                    let wait = (wait > 0).then(|| Duration::from_secs(wait));
                    Order::Drain { pipeline: name, until, wait }
                }
            };
            give_order(admin, order, if json { Form::Json } else { Form::Text })
        }
        Command::Reprocess(arguments) => reprocess::run(arguments),
        Command::Audit(arguments) => audit::run(*arguments),
        Command::Offsets(arguments) => offsets::run(*arguments),
        Command::Consume(arguments) => match consume::run(&arguments) {
            consume::Ended::Done => DONE,
            consume::Ended::Failed => FAILED,
            consume::Ended::Wrong => WRONG,
        },
        Command::Catalog { command: Some(CatalogCommand::Serve { file, listen }), .. } => {
            show_catalog(&file, CatalogForm::Page(listen))
        }
        Command::Catalog { file, json, command: None } => {
            let form = if json { Form::Json } else { Form::Text };
            show_catalog(&file.unwrap_or_default(), CatalogForm::Print(form))
        }
        Command::Reference => say(&reference::markdown(), DONE),
    };
    ExitCode::from(code)
}

/// Who reads the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A person.
    Text,
    /// A machine.
    Json,
}

fn run(file: &Path, broker: EmbeddedBroker) -> u8 {
    let (config, source) = match HostConfig::load_with_source(file) {
        Ok(loaded) => loaded,
        Err(mistakes) => return complain(&mistakes.to_string(), WRONG),
    };
    if let Err(error) = telemetry::begin(config.log) {
        return complain(&format!("{error:#}"), FAILED);
    }
    match supervisor::run(config, source, broker) {
        Ok(()) => DONE,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "The host could not run.");
            FAILED
        }
    }
}

fn check(file: &Path, reach: Reach, form: Form) -> u8 {
    let result = check::check(file, reach);
    let code = if result.is_ok() { DONE } else { WRONG };
    match (form, &result) {
        (Form::Json, _) => say(&format!("{:#}\n", check::as_json(file, &result)), code),
        (Form::Text, Err(mistakes)) => complain(&mistakes.to_string(), code),
        (Form::Text, Ok(config)) => {
            let names: Vec<&str> = config.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect();
            say(&format!("{} is fine: {}\n", file.display(), names.join(", ")), code)
        }
    }
}

fn show_plugin(plugin: &Path, form: Form) -> u8 {
    match (inspect::inspect(plugin), form) {
        (Ok(facts), Form::Json) => say(&format!("{facts:#}\n"), DONE),
        (Ok(facts), Form::Text) => say(&inspect::as_text(&facts), DONE),
        (Err(error), _) => complain(&printable(&format!("{error:#}")), FAILED),
    }
}

fn give_order(admin: SocketAddr, order: Order, form: Form) -> u8 {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("the I/O thread could not be started: {error}"), FAILED),
    };
    match (runtime.block_on(orders::carry_out(admin, order.clone())), form) {
        (Ok(answer), Form::Json) => say(&format!("{answer:#}\n"), DONE),
        (Ok(answer), Form::Text) => say(&orders::as_text(&order, &answer), DONE),
        (Err(error), _) => complain(&printable(&format!("{error:#}")), FAILED),
    }
}

/// How the catalog is shown.
#[derive(Clone, Copy, Debug)]
enum CatalogForm {
    /// Once.
    Print(Form),
    /// As a web page at this address.
    Page(SocketAddr),
}

fn show_catalog(file: &Path, form: CatalogForm) -> u8 {
    let (config, source) = match HostConfig::load_with_source(file) {
        Ok(loaded) => loaded,
        Err(mistakes) => return complain(&mistakes.to_string(), WRONG),
    };
    let show = async {
        let catalog = Catalog::collect(&config, &source).await?;
        match form {
            CatalogForm::Print(Form::Json) => Ok(say(&format!("{:#}\n", serde_json::to_value(&catalog)?), DONE)),
            CatalogForm::Print(Form::Text) => Ok(say(&catalog::as_text(&catalog), DONE)),
            CatalogForm::Page(listen) => {
                let ready = |address| {
                    say(&format!("The catalog is at http://{address}/\n"), DONE);
                };
                catalog::serve::serve(catalog, listen, ready).await.map(|()| DONE)
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    match runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(show)) {
        Ok(code) => code,
        Err(error) => complain(&printable(&format!("{error:#}")), FAILED),
    }
}

/// Prints a result. A reader that has gone (`| head`) is no failure.
fn say(text: &str, code: u8) -> u8 {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => FAILED,
        Ok(()) | Err(_) => code,
    }
}

/// Prints what is wrong. There is nobody left to tell when even that fails.
fn complain(text: &str, code: u8) -> u8 {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
    code
}

/// The help of the whole command line, in the order of the commands.
pub fn help() -> String {
    let mut command = Arguments::command().term_width(100);
    command.build();
    let mut text = command.render_long_help().to_string();
    for name in
        ["run", "check", "inspect", "pipeline", "reprocess", "audit", "offsets", "consume", "catalog", "reference"]
    {
        if let Some(sub) = command.find_subcommand_mut(name) {
            text.push_str(&format!("\n=== {name} ===\n{}", sub.render_long_help()));
        }
    }
    text
}

//! The configuration of a host with one pipeline or more: Simple Enrichment, page_change in, page_content_change out.

use crate::host::root;
use std::path::{Path, PathBuf};

/// The schema of what plugins emit that make no event of the platform's: everything goes.
pub const ANY_SCHEMA: &str = "/test/any/1.0.0";

/// What differs from one enrichment to another.
#[derive(Clone, Debug)]
pub struct Enrichment {
    /// The pipeline's name.
    pub name: String,
    /// The consumer group.
    pub group: String,
    /// Where Kafka is.
    pub brokers: String,
    /// The host's name in its consumer groups; empty: it has none.
    pub instance_id: String,
    /// Settings of librdkafka, as YAML between braces.
    pub kafka_settings: String,
    /// Where compiled plugins are kept.
    pub cache_dir: PathBuf,
    /// Where the API is; every wiki is routed there by its Host header.
    pub api: String,
    /// The authorities to trust for an API over HTTPS, as PEM.
    pub ca_file: Option<PathBuf>,
    /// The paths of the action API and the REST API.
    pub paths: (&'static str, &'static str),
    /// Which wikis may be asked.
    pub wikis: Vec<String>,
    /// Calls at once per wiki.
    pub call_slots: usize,
    /// Calls at once in all.
    pub call_slots_total: usize,
    /// Further lines of the section `mediawiki`, as YAML on one line each.
    pub mediawiki: Vec<String>,
    /// The input topic.
    pub input: String,
    /// Further input topics of the same stream.
    pub more_inputs: Vec<String>,
    /// The output topic.
    pub output: String,
    /// Where outputs are posted in place of the topic: the section `event_service`, as YAML on one line; empty: nowhere.
    pub event_service: String,
    /// The error topic.
    pub errors: String,
    /// The topic through which failed events come back; empty: there is none.
    pub reprocess: String,
    /// What it may have as a backfill: the section `backfill`, as YAML on one line; empty: it is live.
    pub backfill: String,
    /// The topic of progress records of exactly-once; empty: the promise is at-least-once.
    pub progress: String,
    /// The stores that the plugin is granted, and the topic that keeps them; none: there are none.
    pub state: Option<(Vec<&'static str>, String)>,
    /// The most bytes of state of one partition, as YAML.
    pub state_bytes: &'static str,
    /// Where a new group begins: `earliest`, `latest` or a time.
    pub start: String,
    /// Which events run one after the other: those of a `key`, or of a `partition`.
    pub order: &'static str,
    /// The plugin's names for its input and its output.
    pub names: (&'static str, &'static str),
    /// The plugin's component.
    pub plugin: PathBuf,
    /// The schema of the outputs: `page_change`'s, or [`ANY_SCHEMA`].
    pub schema: &'static str,
    /// The fields of the outputs' keys, as YAML on one line; empty: outputs without key.
    pub key: String,
    /// What the plugin may ask, as YAML on one line.
    pub lookups: String,
    /// The section `http`, as YAML on one line; empty: there is none.
    pub http: String,
    /// The plugin's settings, as YAML on one line.
    pub settings: String,
    /// Further lines of the pipeline's `limits`, as YAML on one line each.
    pub limits: Vec<String>,
    /// The largest output, as YAML.
    pub message_bytes: &'static str,
    /// Threads that run plugins; none: as many as there are cores.
    pub workers: Option<usize>,
}

impl Enrichment {
    /// An enrichment of everything by `plugin`, with the topics `NAME.in`, `NAME.out` and `NAME.error`.
    pub fn new(name: &str, brokers: &str, api: &str, plugin: &Path) -> Self {
        Self {
            name: "enrichment".to_owned(),
            group: format!("millrace.{name}.in"),
            brokers: brokers.to_owned(),
            instance_id: String::new(),
            kafka_settings: "session.timeout.ms: \"6000\"".to_owned(),
            cache_dir: "./plugin-cache".into(),
            api: api.to_owned(),
            ca_file: None,
            paths: ("/w/api.php", "/w/rest.php"),
            wikis: vec!["*.wikipedia.org".to_owned()],
            call_slots: 4,
            call_slots_total: 64,
            mediawiki: Vec::new(),
            input: format!("{name}.in"),
            more_inputs: Vec::new(),
            output: format!("{name}.out"),
            event_service: String::new(),
            errors: format!("{name}.error"),
            reprocess: String::new(),
            backfill: String::new(),
            progress: String::new(),
            state: None,
            state_bytes: "64 MiB",
            start: "earliest".to_owned(),
            order: "key",
            names: ("page_change", "page_content_change"),
            plugin: plugin.to_owned(),
            schema: "/mediawiki/page/change/1.2.0",
            key: "{ wiki_id: /wiki_id, page_id: /page/page_id }".to_owned(),
            lookups: "{ kinds: [revision] }".to_owned(),
            http: String::new(),
            settings: "{}".to_owned(),
            limits: Vec::new(),
            message_bytes: "10 MiB",
            workers: None,
        }
    }

    /// The configuration of a host with this pipeline. `{admin}` stands where the address of the admin server goes.
    pub fn yaml(&self) -> String {
        format!("{}{}", self.host_yaml(), self.pipeline_yaml())
    }

    /// The same with further pipelines, which share what is the host's of this one.
    pub fn yaml_with(&self, others: &[Self]) -> String {
        self.yaml() + &others.iter().map(Self::pipeline_yaml).collect::<String>()
    }

    fn host_yaml(&self) -> String {
        let wikis: Vec<String> = self.wikis.iter().map(|wiki| format!("\"{wiki}\"")).collect();
        let ca_file =
            self.ca_file.as_ref().map(|path| format!("  ca_file: \"{}\"\n", path.display())).unwrap_or_default();
        let mediawiki: String = self.mediawiki.iter().map(|line| format!("  {line}\n")).collect();
        let http = if self.http.is_empty() { String::new() } else { format!("http: {}\n", self.http) };
        let instance_id =
            if self.instance_id.is_empty() { String::new() } else { format!("instance_id: {}, ", self.instance_id) };
        let workers = self.workers.map(|workers| format!("workers: {workers}\n")).unwrap_or_default();
        format!(
            "{workers}kafka:
  clusters:
    main: {{ brokers: \"{brokers}\", {instance_id}settings: {{ {kafka_settings} }} }}
mediawiki:
  endpoint: \"{api}\"
  api_path: {api_path}
  rest_path: {rest_path}
{ca_file}  wikis: [{wikis}]
  call_slots: {call_slots}
  call_slots_total: {call_slots_total}
  contact: \"mailto:tests@example.org\"
{mediawiki}{http}schemas: {{ repositories: [\"{schemas}\", \"{own_schemas}\"] }}
plugins: {{ cache_dir: \"{cache_dir}\" }}
admin: {{ listen: \"{{admin}}\" }}
pipelines:
",
            brokers = self.brokers,
            schemas = root().join("examples/schemas/jsonschema").display(),
            own_schemas = root().join("tests/bed/schemas/jsonschema").display(),
            kafka_settings = self.kafka_settings,
            cache_dir = self.cache_dir.display(),
            api = self.api,
            ca_file = ca_file,
            api_path = self.paths.0,
            rest_path = self.paths.1,
            wikis = wikis.join(", "),
            call_slots = self.call_slots,
            call_slots_total = self.call_slots_total,
            http = http,
        )
    }

    fn pipeline_yaml(&self) -> String {
        let key = if self.key.is_empty() { String::new() } else { format!("        key: {}\n", self.key) };
        let inputs: String =
            [&self.input].into_iter().chain(&self.more_inputs).map(|topic| format!("\"{topic}\",")).collect();
        let (topic, event_service) = if self.event_service.is_empty() {
            (format!("        topic: \"{}\"\n", self.output), String::new())
        } else {
            (String::new(), format!("    event_service: {}\n", self.event_service))
        };
        let reprocess = match self.reprocess.as_str() {
            "" => String::new(),
            topic => format!("    reprocess: {{ topic: \"{topic}\" }}\n"),
        };
        let backfill = match self.backfill.as_str() {
            "" => String::new(),
            section => format!("    backfill: {section}\n"),
        };
        let delivery = match self.progress.as_str() {
            "" => String::new(),
            topic => format!("    delivery: exactly_once\n    progress_topic: \"{topic}\"\n"),
        };
        let state = self.state.as_ref().map(|(stores, topic)| {
            let stores: Vec<String> = stores.iter().map(|store| format!("{store}: {{}}")).collect();
            let (stores, bytes) = (stores.join(", "), self.state_bytes);
            format!("    stores: {{ {stores} }}\n    state: {{ topic: \"{topic}\", bytes: {bytes} }}\n")
        });
        let state = state.unwrap_or_default();
        let limits: String = self.limits.iter().map(|line| format!("      {line}\n")).collect();
        let limits = if limits.is_empty() { String::new() } else { format!("    limits:\n{limits}") };
        format!(
            "  - name: {name}
    plugin: \"{plugin}\"
    settings: {settings}
    cluster: main
    order: {order}
    group: \"{group}\"
    start: {start}
{delivery}{state}{event_service}    inputs:
      {input_name}: {{ stream: mediawiki.page_change.v1, topics: [{inputs}] }}
    outputs:
      {output_name}:
        stream: mediawiki.page_content_change.v1
{topic}        schema: {schema}
{key}        max_message_bytes: {message_bytes}
    errors: {{ stream: page_content_change.error, topic: \"{errors}\" }}
{reprocess}{backfill}    lookups: {lookups}
{limits}",
            name = self.name,
            message_bytes = self.message_bytes,
            schema = self.schema,
            plugin = self.plugin.display(),
            key = key,
            lookups = self.lookups,
            settings = self.settings,
            start = self.start,
            order = self.order,
            group = self.group,
            input_name = self.names.0,
            output_name = self.names.1,
            inputs = inputs.trim_end_matches(','),
            errors = self.errors,
        )
    }
}

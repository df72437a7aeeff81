//! Binds what a plugin says of itself to what the operator granted: inputs, outputs, lookups, settings.

use crate::config::PipelineConfig;
use crate::job::PipelineId;
use crate::spec::{InputBinding, PipelineSpec};
use crate::supervisor::Host;
use anyhow::{Context as _, bail};
use millrace_flow::retry::RetryPolicy;
use millrace_platform::{DecodeLimits, ErrorStream, KeyField, OutputStream, Pointer, Projection};
use millrace_plugin::{Describe, Plugin};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What a worker must know of the pipeline.
pub(super) fn bind(
    host: &Host,
    id: PipelineId,
    config: &PipelineConfig,
    plugin: Plugin,
    cluster_id: String,
) -> anyhow::Result<PipelineSpec> {
    let describe = plugin.describe();
    let inputs = inputs(config, describe)?;
    let outputs = outputs(config, describe)?;
    let granted = |kind: &&String| !config.lookups.kinds.contains(kind);
    if let Some(kind) = describe.lookups.iter().find(granted) {
        bail!("the plugin asks for lookups of kind `{kind}`, which `lookups.kinds` does not grant");
    }
    if !describe.stores.is_empty() {
        bail!("the plugin wants state stores, which this version of the host does not grant yet");
    }
    let limits = &config.limits;
    let digest = plugin.digest().to_string();
    let metrics = host.metrics.pipeline(&config.name);
    host.metrics.plugin_runs(&config.name, &plugin);
    Ok(PipelineSpec {
        id,
        name: config.name.clone(),
        cluster_id,
        plugin_digest: digest,
        settings: config.settings.to_string(),
        plugin_limits: limits.plugin.clone(),
        inputs,
        outputs,
        errors: ErrorStream {
            stream: config.errors.stream.clone(),
            topic: config.errors.topic.as_str().into(),
            emitter_id: config.name.clone(),
            bytes_max: bytes(config.errors.message_bytes_max),
        },
        decode: DecodeLimits { bytes_max: bytes(limits.event_bytes_max), ..DecodeLimits::default() },
        retry: RetryPolicy {
            attempts_max: limits.retries.attempts_max,
            base_ms: millis(limits.retries.base),
            cap_ms: millis(limits.retries.cap),
        },
        event_deadline: limits.event_deadline,
        inline_bytes_max: bytes(limits.plugin.inline_bytes_max as u64),
        scope: super::lookups::scope(config)?,
        metrics,
        plugin,
    })
}

/// Every topic of every input, with the fields that the plugin reads.
fn inputs(config: &PipelineConfig, describe: &Describe) -> anyhow::Result<FxHashMap<Arc<str>, InputBinding>> {
    let mut bindings = FxHashMap::default();
    for (name, input) in &config.inputs {
        let Some(wanted) = describe.inputs.get(name) else {
            let known: Vec<&str> = describe.inputs.keys().map(String::as_str).collect();
            bail!("the plugin has no input `{name}`; it has {}", known.join(", "));
        };
        for topic in &input.topics {
            let binding = InputBinding {
                name: name.as_str().into(),
                projection: projection(wanted.fields.as_deref())?,
                headers: wanted.headers.clone(),
                tombstones: wanted.tombstones,
            };
            bindings.insert(topic.as_str().into(), binding);
        }
    }
    for name in describe.inputs.keys() {
        if !config.inputs.contains_key(name) {
            bail!("the plugin's input `{name}` is bound to no topics; add it under `inputs`");
        }
    }
    Ok(bindings)
}

fn projection(fields: Option<&[String]>) -> anyhow::Result<Projection> {
    let Some(fields) = fields else { return Ok(Projection::everything()) };
    let pointers: Result<Vec<Pointer>, _> = fields.iter().map(|field| Pointer::parse(field)).collect();
    Ok(Projection::compile(&pointers.context("the plugin describes a field that is no JSON Pointer")?))
}

fn outputs(config: &PipelineConfig, describe: &Describe) -> anyhow::Result<FxHashMap<String, OutputStream>> {
    let mut streams = FxHashMap::default();
    for (name, output) in &config.outputs {
        let Some(wanted) = describe.outputs.get(name) else {
            let known: Vec<&str> = describe.outputs.keys().map(String::as_str).collect();
            bail!("the plugin has no output `{name}`; it has {}", known.join(", "));
        };
        if let Some(title) = &wanted.schema
            && !output.schema.trim_start_matches('/').starts_with(&format!("{title}/"))
        {
            bail!("output `{name}` is of schema {title}, and the stream's schema is {}", output.schema);
        }
        let fields: anyhow::Result<Vec<KeyField>> =
            output.key.iter().map(|(name, pointer)| key_field(name, pointer)).collect();
        streams.insert(
            name.clone(),
            OutputStream {
                stream: output.stream.clone(),
                topic: output.topic.as_str().into(),
                schema_uri: output.schema.clone(),
                key_fields: fields?,
                bytes_max: bytes(output.message_bytes_max),
            },
        );
    }
    for name in describe.outputs.keys() {
        if !config.outputs.contains_key(name) {
            bail!("the plugin's output `{name}` is bound to no stream; add it under `outputs`");
        }
    }
    Ok(streams)
}

fn key_field(name: &str, pointer: &str) -> anyhow::Result<KeyField> {
    let pointer = Pointer::parse(pointer).with_context(|| format!("key field `{name}`"))?;
    Ok(KeyField { name: name.to_owned(), pointer })
}

fn bytes(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

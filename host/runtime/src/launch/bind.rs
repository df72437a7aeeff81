//! Binds what a plugin says of itself to what the operator granted: inputs, outputs, lookups, settings.

use crate::binding::mismatches;
use crate::config::{OutputConfig, PipelineConfig};
use crate::contract::Contract;
use crate::job::{PipelineId, VersionId};
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
    contract: Contract,
) -> anyhow::Result<PipelineSpec> {
    let describe = plugin.describe();
    let found: Vec<String> = mismatches(config, describe).iter().map(ToString::to_string).collect();
    if !found.is_empty() {
        bail!("the plugin does not fit its pipeline: {}", found.join("; "));
    }
    let limits = &config.limits;
    let digest = plugin.digest().to_string();
    let metrics = host.metrics.pipeline(&config.name);
    Ok(PipelineSpec {
        id,
        version: VersionId::next()?,
        name: config.name.clone(),
        cluster_id,
        plugin_digest: digest,
        settings: config.settings.to_string(),
        plugin_limits: limits.plugin.clone(),
        inputs: inputs(config, describe)?,
        outputs: outputs(config, &contract)?,
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
        inline_bytes_max: limits.plugin.inline_bytes_max,
        has_state: config.state.is_some(),
        scope: super::lookups::scope(config)?,
        metrics,
        plugin,
    })
}

/// Every topic of every input, with the fields that the plugin reads.
fn inputs(config: &PipelineConfig, describe: &Describe) -> anyhow::Result<FxHashMap<Arc<str>, InputBinding>> {
    let mut bindings = FxHashMap::default();
    for (name, input) in &config.inputs {
        let wanted = describe.inputs.get(name).with_context(|| format!("the plugin has no input `{name}`"))?;
        for topic in &input.topics {
            let binding = InputBinding {
                name: name.as_str().into(),
                projection: projection(wanted.fields.as_deref())?,
                schema: input.schema_title.clone().map(|title| (title, input.unfit)),
                headers: wanted.headers.clone(),
                tombstones: wanted.tombstones,
            };
            bindings.insert(topic.as_str().into(), binding);
        }
    }
    Ok(bindings)
}

fn projection(fields: Option<&[String]>) -> anyhow::Result<Projection> {
    let Some(fields) = fields else { return Ok(Projection::everything()) };
    let pointers: Result<Vec<Pointer>, _> = fields.iter().map(|field| Pointer::parse(field)).collect();
    Ok(Projection::compile(&pointers.context("the plugin describes a field that is no JSON Pointer")?))
}

fn outputs(config: &PipelineConfig, contract: &Contract) -> anyhow::Result<FxHashMap<String, OutputStream>> {
    let bind = |(name, output): (&String, &OutputConfig)| {
        let fields: anyhow::Result<Vec<KeyField>> =
            output.key.iter().map(|(name, pointer)| key_field(name, pointer)).collect();
        let schema = contract.outputs.get(name).with_context(|| format!("the schema of `{name}` was not read"))?;
        let stream = OutputStream {
            schema: Arc::clone(schema),
            stream: output.stream.clone(),
            topic: output.topic.as_str().into(),
            key_fields: fields?,
            bytes_max: bytes(output.message_bytes_max),
        };
        Ok((name.clone(), stream))
    };
    config.outputs.iter().map(bind).collect()
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

//! Rules that need more than one section to be seen: names that must differ, loops, grants without anything behind them.

use super::HostConfig;
use super::pipeline::{DeliveryConfig, PipelineConfig};
use super::reader::Section;
use std::collections::HashMap;
use std::path::Path;

/// Reports every breach.
pub(crate) fn check(section: &Section<'_>, config: &HostConfig) {
    unique(section, config, "name", "name", |pipeline| &pipeline.name);
    unique(section, config, "group", "consumer group", |pipeline| &pipeline.group);
    for (index, pipeline) in config.pipelines.iter().enumerate() {
        topics(section, index, pipeline);
        reprocess(section, config, index, pipeline);
        progress(section, config, index, pipeline);
        state(section, config, index, pipeline);
        brokerless(section, index, pipeline);
        grants(section, config, index, pipeline);
    }
    folders(section, config);
    loops(section, config);
}

/// No two pipelines write into one folder: each would take the other's position for its own.
fn folders(section: &Section<'_>, config: &HostConfig) {
    let mut first: HashMap<&Path, usize> = HashMap::new();
    for (index, pipeline) in config.pipelines.iter().enumerate() {
        // One that was not said is a mistake of its own.
        let Some(brokerless) = pipeline.brokerless.as_ref().filter(|one| !one.folder.as_os_str().is_empty()) else {
            continue;
        };
        let earlier = *first.entry(&brokerless.folder).or_insert(index);
        if earlier != index {
            let problem = format!("pipelines[{earlier}] writes into the same folder");
            section.pipeline_mistake(index, &["sink", "file", "dir"], problem, "give each pipeline its own");
        }
    }
}

/// No two pipelines share `what`.
fn unique(
    section: &Section<'_>,
    config: &HostConfig,
    key: &str,
    what: &str,
    value: impl Fn(&PipelineConfig) -> &String,
) {
    let mut first: HashMap<&String, usize> = HashMap::new();
    for (index, pipeline) in config.pipelines.iter().enumerate() {
        if pipeline.name.is_empty() {
            continue;
        }
        let earlier = *first.entry(value(pipeline)).or_insert(index);
        if earlier != index {
            let problem = format!("pipelines[{earlier}] has the same {what}, `{}`", value(pipeline));
            section.pipeline_mistake(index, &[key], problem, "give each pipeline its own");
        }
    }
}

/// A pipeline without Kafka has nothing that needs it.
fn brokerless(section: &Section<'_>, index: usize, pipeline: &PipelineConfig) {
    let has = [
        ("event_service", pipeline.event_service.is_some()),
        ("reprocess", pipeline.reprocess.is_some()),
        ("state", pipeline.state.is_some()),
    ];
    for (name, _) in has.iter().filter(|(_, is_there)| *is_there && pipeline.brokerless.is_some()) {
        let problem = "this section means something with Kafka only".to_owned();
        section.pipeline_mistake(index, &[name], problem, "remove it, or `source` and `sink`");
    }
}

/// A topic feeds one input, and a pipeline never reads what it writes.
fn topics(section: &Section<'_>, index: usize, pipeline: &PipelineConfig) {
    let mut readers: HashMap<&String, &String> = HashMap::new();
    for (name, input) in &pipeline.inputs {
        for topic in &input.topics {
            if let Some(other) = readers.insert(topic, name) {
                let problem = format!("the topic `{topic}` feeds the input `{other}` already");
                section.pipeline_mistake(index, &["inputs", name, "topics"], problem, "name each topic once");
            }
        }
    }
    let posts = pipeline.event_service.is_some();
    if pipeline.cluster != pipeline.output_cluster {
        return;
    }
    let own = "a pipeline that reads what it writes never ends";
    for (name, output) in pipeline.outputs.iter().filter(|_| !posts) {
        if readers.contains_key(&output.topic) {
            let problem = format!("`{}` is an input of the same pipeline: {own}", output.topic);
            section.pipeline_mistake(index, &["outputs", name, "topic"], problem, "write to another topic");
        }
        if output.topic == pipeline.errors.topic {
            let problem = format!("`{}` takes the output `{name}` too", output.topic);
            section.pipeline_mistake(index, &["errors", "topic"], problem, "give error events a topic of their own");
        }
    }
    if readers.contains_key(&pipeline.errors.topic) {
        let problem = format!("`{}` is an input of the same pipeline: {own}", pipeline.errors.topic);
        section.pipeline_mistake(index, &["errors", "topic"], problem, "write to another topic");
    }
}

/// The topic through which failed events come back serves nothing else.
fn reprocess(section: &Section<'_>, config: &HostConfig, index: usize, pipeline: &PipelineConfig) {
    let Some(reprocess) = &pipeline.reprocess else { return };
    for (other_index, other) in config.pipelines.iter().enumerate() {
        let is_here = |topic: &str| topic == reprocess.topic;
        let reads = pipeline.cluster == other.cluster
            && (other.inputs.values().flat_map(|input| &input.topics).any(|topic| is_here(topic))
                || (other_index != index && other.reprocess.iter().any(|other| is_here(&other.topic))));
        let writes = pipeline.cluster == other.output_cluster && other.written().any(|(topic, _)| is_here(topic));
        if reads || writes {
            let does = if reads { "read" } else { "written" };
            let problem = format!("`{}` is {does} by the pipeline `{}` already", reprocess.topic, other.name);
            section.pipeline_mistake(index, &["reprocess", "topic"], problem, "give it a topic of its own");
        }
    }
}

/// The topic of progress records holds nothing else. Pipelines may share it.
fn progress(section: &Section<'_>, config: &HostConfig, index: usize, pipeline: &PipelineConfig) {
    let DeliveryConfig::ExactlyOnce { progress_topic: topic } = &pipeline.delivery else { return };
    for other in &config.pipelines {
        let reads = pipeline.output_cluster == other.cluster && other.consumed().any(|read| read == topic);
        let writes = pipeline.output_cluster == other.output_cluster && other.written().any(|(it, _)| it == topic);
        if reads || writes {
            let does = if reads { "read" } else { "written" };
            let problem = format!("`{topic}` is {does} by the pipeline `{}`", other.name);
            section.pipeline_mistake(index, &["progress_topic"], problem, "give progress a topic of its own");
        }
    }
}

/// State is kept with exactly-once, in a topic of its own.
fn state(section: &Section<'_>, config: &HostConfig, index: usize, pipeline: &PipelineConfig) {
    let Some(state) = &pipeline.state else { return };
    let mistake = |keys: &[&str], problem: String, remedy| section.pipeline_mistake(index, keys, problem, remedy);
    let DeliveryConfig::ExactlyOnce { progress_topic } = &pipeline.delivery else {
        let problem = "state is kept in the transactions of exactly-once".to_owned();
        return mistake(&["stores"], problem, "add `delivery: exactly_once`, or use a plugin without state");
    };
    let topic = &state.topic;
    let keys = ["state", "topic"];
    if topic == progress_topic {
        let problem = format!("`{topic}` keeps the progress of this pipeline already");
        mistake(&keys, problem, "give state a topic of its own");
    }
    for (other_index, other) in config.pipelines.iter().enumerate() {
        let here = pipeline.output_cluster == other.output_cluster;
        let reads = pipeline.output_cluster == other.cluster && other.consumed().any(|read| read == topic);
        let writes = here && other.written().any(|(written, _)| written == topic);
        let shares = here && other_index < index && other.state.iter().any(|other| other.topic == *topic);
        if reads || writes || shares {
            let does = if reads { "read" } else { "written" };
            let problem = format!("`{topic}` is {does} by the pipeline `{}`", other.name);
            mistake(&keys, problem, "give state a topic of its own");
        }
    }
}

/// What is granted exists.
fn grants(section: &Section<'_>, config: &HostConfig, index: usize, pipeline: &PipelineConfig) {
    let grant = &pipeline.lookups;
    for http in &grant.http {
        if !config.http_targets.iter().any(|target| target.name == http.target) {
            let keys = ["lookups", "http", &http.target];
            let problem = format!("`{}` is none of the services in the section `http`", http.target);
            section.pipeline_mistake(index, &keys, problem, "add it there, or remove it here");
        }
    }
    let asks_wikis = grant.kinds.iter().any(|kind| kind != "http");
    let Some(mediawiki) = &config.mediawiki else {
        if asks_wikis {
            let problem = "no wiki is configured that could be asked".to_owned();
            section.pipeline_mistake(index, &["lookups"], problem, "add the section `mediawiki`, or remove the grant");
        }
        return;
    };
    if grant.wikis.as_ref().is_some_and(Vec::is_empty) {
        let problem = "an empty list grants no wiki at all".to_owned();
        let remedy = "name the wikis, or leave the key out to grant all of `mediawiki.wikis`";
        section.pipeline_mistake(index, &["lookups", "wikis"], problem, remedy);
    }
    for wiki in grant.wikis.iter().flatten() {
        if !mediawiki.wikis.iter().any(|known| covers(known, wiki)) {
            let problem = format!("`{wiki}` is none of the wikis in `mediawiki.wikis`");
            section.pipeline_mistake(index, &["lookups", "wikis"], problem, "add it there, or remove it here");
        }
    }
}

/// Whether the pattern `known` covers everything that `wanted` does.
fn covers(known: &str, wanted: &str) -> bool {
    let inside = |parent: &str| wanted.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'));
    known == wanted || known.strip_prefix("*.").is_some_and(inside)
}

/// Pipelines that feed each other in a circle would never end.
fn loops(section: &Section<'_>, config: &HostConfig) {
    let pipelines = &config.pipelines;
    let feeds = |from: usize, to: usize| match (pipelines.get(from), pipelines.get(to)) {
        (Some(from), Some(to))
            if from.brokerless.is_none() && from.event_service.is_none() && from.output_cluster == to.cluster =>
        {
            let read = |topic: &String| to.inputs.values().any(|input| input.topics.contains(topic));
            from.outputs.values().any(|output| read(&output.topic))
        }
        _ => false,
    };
    for start in 0..pipelines.len() {
        let mut reached: Vec<usize> = (0..pipelines.len()).filter(|to| *to != start && feeds(start, *to)).collect();
        let mut looked_at = 0;
        while let Some(from) = reached.get(looked_at).copied() {
            looked_at += 1;
            if from > start && feeds(from, start) {
                let name = pipelines.get(from).map_or("", |pipeline| &pipeline.name);
                let problem = format!("its output comes back to it through `{name}`: the two would never end");
                section.pipeline_mistake(
                    start,
                    &["outputs"],
                    problem,
                    "write to a topic that no pipeline before it reads",
                );
                break;
            }
            for to in 0..pipelines.len() {
                if to != start && !reached.contains(&to) && feeds(from, to) {
                    reached.push(to);
                }
            }
        }
    }
}

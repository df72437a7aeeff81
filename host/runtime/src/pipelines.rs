//! Finding the pipeline that a command names.

use crate::config::{HostConfig, PipelineConfig};
use std::path::Path;

/// There is no such pipeline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no pipeline `{name}` in {file}; its pipelines are: {known}")]
pub struct NoPipeline {
    /// The name that was asked for.
    pub name: String,
    /// The file.
    pub file: String,
    /// The names that there are.
    pub known: String,
}

/// The pipeline of this name.
///
/// # Errors
/// There is none.
pub fn find_pipeline(config: HostConfig, file: &Path, name: &str) -> Result<PipelineConfig, NoPipeline> {
    let known: Vec<&str> = config.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect();
    let known = known.join(", ");
    let found = config.pipelines.into_iter().find(|pipeline| pipeline.name == name);
    found.ok_or_else(|| NoPipeline { name: name.to_owned(), file: file.display().to_string(), known })
}

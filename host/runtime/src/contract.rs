//! The schemas that a pipeline's streams are pinned to, and whether the pipeline fits them. Everything that does not is
//! told at once; validating events against them is `platform`'s business.

use crate::binding::Mismatch;
use crate::config::{OutputConfig, PipelineConfig};
use crate::registry::{SchemaLookupError, Schemas};
use millrace_platform::{ERROR_SCHEMA_URI, Pointer, Presence, Schema, SchemaUri};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The schemas of a pipeline. Read once for each version of it.
#[derive(Clone, Debug)]
pub struct Contract {
    /// Of each output, by its name.
    pub outputs: BTreeMap<String, Arc<Schema>>,
    /// Of error events.
    pub errors: Arc<Schema>,
}

/// Reads the schemas of `pipeline` and compares it with them.
///
/// # Errors
/// Everything that does not fit, schemas that cannot be had included.
pub async fn read(schemas: &Schemas, pipeline: &PipelineConfig) -> Result<Contract, Vec<Mismatch>> {
    let mut found = Vec::new();
    let mut outputs = BTreeMap::new();
    // One without a schema has been told so.
    for (name, output) in pipeline.outputs.iter().filter(|(_, output)| !output.schema.is_empty()) {
        match look_up(schemas, &output.schema).await {
            Ok(schema) => {
                key_fields(name, output, &schema, &mut found);
                outputs.insert(name.clone(), schema);
            }
            Err(error) => found.push(missing(&["outputs", name, "schema"], &error)),
        }
    }
    let errors = look_up(schemas, ERROR_SCHEMA_URI).await;
    match errors {
        Ok(errors) if found.is_empty() => Ok(Contract { outputs, errors }),
        Ok(_) => Err(found),
        Err(error) => {
            found.push(missing(&["errors"], &error));
            Err(found)
        }
    }
}

async fn look_up(schemas: &Schemas, uri: &str) -> Result<Arc<Schema>, Unread> {
    let uri = SchemaUri::parse(uri).map_err(|error| Unread::Uri(error.to_string()))?;
    schemas.get(&uri).await.map_err(Unread::Lookup)
}

enum Unread {
    Uri(String),
    Lookup(SchemaLookupError),
}

fn missing(keys: &[&str], error: &Unread) -> Mismatch {
    match error {
        Unread::Uri(problem) => Mismatch::new(keys, problem.clone(), "write it like /mediawiki/page/change/1.2.0"),
        Unread::Lookup(error) => {
            let remedy = match error {
                SchemaLookupError::Missing { versions, .. } if versions.is_empty() => {
                    "correct the title, or add the repository that has it to `schemas.repositories`"
                }
                SchemaLookupError::Missing { .. } => "name one of these versions, or add this one to a repository",
                SchemaLookupError::Unreachable { .. } => "have the repository back, or set `schemas.cache_dir`",
                SchemaLookupError::Unusable { .. } => "have the schema corrected, or name another version",
            };
            Mismatch::new(keys, error.to_string(), remedy)
        }
    }
}

/// Every field of the key is one of the schema.
fn key_fields(name: &str, output: &OutputConfig, schema: &Schema, found: &mut Vec<Mismatch>) {
    for (field, path) in &output.key {
        let keys = ["outputs", name, "key", field];
        match Pointer::parse(path).map(|pointer| schema.has_field(&pointer)) {
            Ok(Presence::Absent) => {
                let problem = format!("no event of {} has the field {path} that the key is made of", schema.uri());
                found.push(Mismatch::new(&keys, problem, "name a field of the schema, here or in the declaration"));
            }
            Ok(_) => {}
            Err(error) => {
                found.push(Mismatch::new(&keys, error.to_string(), "write a JSON Pointer like /page/page_id"))
            }
        }
    }
}

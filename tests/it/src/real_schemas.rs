//! The platform's own schemas, where they lie beside this repository. They are not part of it, so a clone without them
//! passes these checks over, and says so.

use anyhow::{Context as _, anyhow, ensure};
use jsonschema::Validator;
use millrace_bed::host::root;
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value};

/// A schema of the primary repository.
pub struct RealSchema(Validator);

impl RealSchema {
    /// Reads a version of a schema, `mediawiki/page/change/1.2.0`; none where the repository is not there.
    ///
    /// # Errors
    /// It is there, and has no such schema, or one that does not compile.
    #[expect(clippy::print_stderr, reason = "whoever runs the test is to see that it checked nothing")]
    pub fn read(title_and_version: &str) -> anyhow::Result<Option<Self>> {
        let folder = root().join("../shared/data/schemas-event-primary/jsonschema");
        if !folder.is_dir() {
            eprintln!("not checked, because the real schemas are not beside this repository: {title_and_version}");
            return Ok(None);
        }
        let path = folder.join(format!("{title_and_version}.yaml"));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let documents = Yaml::load_from_str(&text)?;
        let mut schema = json(documents.first().context("an empty file")?)?;
        // Equal ids stand for different things within one materialised schema, and the dialect's URI is not the official one.
        forget_ids(&mut schema);
        let compiled = jsonschema::draft7::options().should_validate_formats(true).build(&schema);
        Ok(Some(Self(compiled.map_err(|error| anyhow!("{title_and_version}: {error}"))?)))
    }

    /// Checks an event.
    ///
    /// # Errors
    /// Everything in which it is not valid.
    pub fn check(&self, event: &Value) -> anyhow::Result<()> {
        let faults: Vec<String> =
            self.0.iter_errors(event).map(|error| format!("{}: {error}", error.instance_path())).collect();
        ensure!(faults.is_empty(), "{}\n{event}", faults.join("\n"));
        Ok(())
    }
}

fn forget_ids(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|name, value| !(matches!(name.as_str(), "$id" | "$schema") && value.is_string()));
            fields.values_mut().for_each(forget_ids);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_ids),
        _ => {}
    }
}

fn json(yaml: &Yaml<'_>) -> anyhow::Result<Value> {
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => (*value).into(),
        Yaml::Value(Scalar::Integer(value)) => (*value).into(),
        Yaml::Value(Scalar::FloatingPoint(value)) => value.into_inner().into(),
        Yaml::Value(Scalar::String(value)) => value.as_ref().into(),
        Yaml::Sequence(items) => items.iter().map(json).collect::<anyhow::Result<Vec<_>>>()?.into(),
        Yaml::Mapping(fields) => {
            let field = |(name, value): (&Yaml<'_>, &Yaml<'_>)| {
                Ok((name.as_str().context("a name that is no text")?.to_owned(), json(value)?))
            };
            fields.iter().map(field).collect::<anyhow::Result<Map<_, _>>>()?.into()
        }
        other => return Err(anyhow!("{other:?} has no place in a schema")),
    })
}

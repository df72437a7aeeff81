//! The records of all topics as a broker has them, for somebody to look at after a run.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Copies the segments below the data folder of a broker: a folder for each partition, without their indexes.
///
/// # Errors
/// What goes wrong with files. One that the broker removes meanwhile, as it does when it compacts, is passed over.
pub(super) fn copy(data: &Path, into: &Path) -> anyhow::Result<()> {
    for partition in fs::read_dir(data)? {
        let partition = partition?;
        if partition.file_type()?.is_dir() {
            copy_segments(&partition.path(), &into.join(partition.file_name()))?;
        }
    }
    Ok(())
}

fn copy_segments(partition: &Path, into: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(into)?;
    for file in fs::read_dir(partition)? {
        let file = file?;
        if file.path().extension().is_some_and(|extension| extension == "log") {
            match fs::copy(file.path(), into.join(file.file_name())) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_copied_and_nothing_else() {
        let (data, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (partition, copied) = (data.path().join("in-0"), kept.path().join("in-0"));
        fs::create_dir(&partition).unwrap();
        fs::write(data.path().join("meta.properties"), "").unwrap();
        fs::write(partition.join("00000000000000000000.log"), "records").unwrap();
        fs::write(partition.join("00000000000000000000.index"), "").unwrap();
        copy(data.path(), kept.path()).unwrap();
        assert_eq!(fs::read_dir(kept.path()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(&copied).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(copied.join("00000000000000000000.log")).unwrap(), "records");
    }
}

//! What the edits of one outcome may cost the host. What an edit is and does is in `edit.rs`.

use super::EditError;

/// Values that edits may look at, as if each edit looked at every value of its document: some 0.1 s of a core, what a turn
/// may take. A thousand edits of a document of 60,000 values fit.
const LOOKS_MAX: usize = 64_000_000;

/// Bytes that edits may set: as many as a plugin may return in a turn.
const SET_BYTES_MAX: usize = 64 << 20;

/// What the edits of one outcome may cost. They are the host's work, so no deadline of the plugin ends them: without a
/// bound, many edits of one large object would take quadratic time.
#[derive(Clone, Debug)]
pub struct EditBudget {
    looks: usize,
    bytes: usize,
}

impl Default for EditBudget {
    fn default() -> Self {
        Self { looks: LOOKS_MAX, bytes: SET_BYTES_MAX }
    }
}

impl EditBudget {
    pub(super) fn look(&mut self, values: usize) -> Result<(), EditError> {
        self.looks = self.looks.checked_sub(values).ok_or(EditError::TooManyLooks { looks_max: LOOKS_MAX })?;
        Ok(())
    }

    pub(super) fn set(&mut self, path: &str, bytes: usize) -> Result<(), EditError> {
        let too_large = || EditError::TooLarge { path: path.to_owned(), bytes_max: SET_BYTES_MAX };
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(too_large)?;
        Ok(())
    }
}

//! Which characters do more than stand there. What plugins, files and other machines say is shown to people without them;
//! what takes their place is up to whoever shows it.

/// Whether `character` can move the cursor, change colours, or reorder the text around it (Unicode TR 9), so that a line
/// reads as something else.
pub fn drives_display(character: char) -> bool {
    let reorders =
        matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || reorders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_every_script_only_stand_there() {
        assert!(!"aß水🌊שלום ".chars().any(drives_display));
        assert!("\n\u{1b}\u{7f}\u{85}\u{202e}\u{2066}\u{200f}\u{61c}".chars().all(drives_display));
    }
}

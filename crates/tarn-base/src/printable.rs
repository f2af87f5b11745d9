//! Which characters a line may show that holds what a stranger wrote.

/// Whether a character shows as itself and leaves the others where they are. Those that do not can make a line look like
/// another one: control characters, what separates lines and paragraphs, what turns the direction of writing, and what has
/// no width (Unicode Standard, sections 23.2 to 23.8).
pub fn is_printable(character: char) -> bool {
    let unseen = matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    );
    !unseen && !character.is_control()
}

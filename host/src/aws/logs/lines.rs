//! The events of a text: one for each line, as Lambda has them.

use crate::limits::logs::EVENT_BYTES;

/// The lines, each with its line break; an empty line is no event. A line that is too long for one event is several.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').filter(|line| !matches!(*line, "\n" | "\r\n")).flat_map(pieces)
}

fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let (piece, later) = rest.split_at(rest.floor_char_boundary(EVENT_BYTES));
        rest = later;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_an_event() {
        let text = "START\n\n  one\r\n\r\ntwo";
        assert_eq!(lines(text).collect::<Vec<_>>(), ["START\n", "  one\r\n", "two"]);
        assert_eq!(lines("").count(), 0);
        for (length, pieces) in [(EVENT_BYTES - 1, 1), (EVENT_BYTES, 1), (EVENT_BYTES + 1, 2)] {
            assert_eq!(lines(&"x".repeat(length)).count(), pieces, "{length}");
        }
        let text = format!("x{}", "ä".repeat(EVENT_BYTES / 2));
        let found: Vec<&str> = lines(&text).collect();
        assert_eq!((found.len(), found.concat() == text), (2, true), "no character is cut");
    }
}

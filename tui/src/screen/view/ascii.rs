//! The screen in ASCII alone: the last step of a picture, for terminals and fonts that have nothing else.
//!
//! Each cell stays one cell. A sign of ours has a likeness; what somebody else wrote in another script is a `?` for
//! each cell, which is told in the flag's help.

use ratatui::buffer::Buffer;

/// Replaces everything that is not ASCII.
pub(super) fn fold(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            let likeness = likeness(cell.symbol());
            cell.set_symbol(likeness);
        }
    }
}

fn likeness(symbol: &str) -> &'static str {
    match symbol {
        "─" => "-",
        "│" | "▏" => "|",
        "╭" | "╮" | "╰" | "╯" | "┌" | "┐" | "└" | "┘" => "+",
        "●" | "•" | "◔" => "*",
        "◌" | "○" => "o",
        "■" => "#",
        "▌" | "▸" | "→" => ">",
        "✓" => "+",
        "×" => "x",
        "…" => "~",
        "▲" | "↑" => "^",
        "▼" | "↓" => "v",
        "·" => ".",
        "–" => "-",
        "“" | "”" => "\"",
        "⏎" => "$",
        "⇥" => ">",
        // A wide sign has a second cell that nothing was drawn into: two of these, so that its width stays visible.
        wide if unicode_width::UnicodeWidthStr::width(wide) > 1 => "??",
        _ => "?",
    }
}

//! The colours, by meaning. Every one of them stands beside a word or a sign that says the same.
//!
//! One dark theme, and one without colours for `NO_COLOR` (<https://no-color.org>).

use ratatui::style::{Color, Modifier, Style};

/// A style for each meaning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Theme {
    /// Ordinary text.
    pub text: Style,
    /// What matters most in its place.
    pub strong: Style,
    /// Labels, ages, hints.
    pub dim: Style,
    /// Keys in the footer and in help.
    pub key: Style,
    /// A connection or a thing granted at this depth: requests are judged one by one.
    pub l7: Style,
    /// The whole host and port, whatever is said to it.
    pub l4: Style,
    /// Live, loaded, approved.
    pub good: Style,
    /// Look here first.
    pub warn: Style,
    /// Offline, rejected, failed.
    pub bad: Style,
    /// Frames.
    pub frame: Style,
    /// The frame of the pane that has the keys.
    pub frame_focused: Style,
    /// The row that the detail is about.
    pub selected: Style,
    /// The frame round what somebody else wrote.
    pub unverified: Style,
}

impl Theme {
    /// For dark backgrounds, in the terminal's own sixteen colours and two greys.
    #[must_use]
    pub fn dark() -> Self {
        let color = |color| Style::new().fg(color);
        Self {
            text: Style::new(),
            strong: Style::new().add_modifier(Modifier::BOLD),
            dim: color(Color::Indexed(245)),
            key: color(Color::Cyan).add_modifier(Modifier::BOLD),
            l7: color(Color::Cyan),
            l4: color(Color::Yellow).add_modifier(Modifier::BOLD),
            good: color(Color::Green),
            warn: color(Color::Yellow),
            bad: color(Color::LightRed),
            frame: color(Color::Indexed(240)),
            frame_focused: color(Color::Cyan),
            selected: Style::new().bg(Color::Indexed(236)),
            unverified: color(Color::Magenta),
        }
    }

    /// Without colours: weight and inversion only.
    #[must_use]
    pub fn plain() -> Self {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        Self {
            strong: bold,
            key: bold,
            l4: bold,
            warn: bold,
            bad: bold,
            frame_focused: bold,
            selected: Style::new().add_modifier(Modifier::REVERSED),
            ..Self::default()
        }
    }

    /// The theme that the environment asks for.
    #[must_use]
    pub fn from_environment() -> Self {
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if is_plain { Self::plain() } else { Self::dark() }
    }
}

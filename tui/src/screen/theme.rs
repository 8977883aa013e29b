//! The colours, by meaning. Every one of them stands beside a word or a sign that says the same.
//!
//! Dark, light and high contrast are colours of our own, each readable on every background of its kind (`tests`
//! holds them to the contrast of WCAG 2.2, 1.4.3); where the terminal has fewer, the nearest of its 256, or its own
//! sixteen. `NO_COLOR` (<https://no-color.org>) is weight and inversion alone.

mod choice;

use ratatui::style::{Color, Modifier, Style};

use crate::review::Tone;

pub use choice::{Background, Depth, Look, Surroundings, ThemeName};

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
    /// Whether only ASCII may reach the terminal.
    pub is_ascii: bool,
}

/// The colours of a theme: of text, of what is beside it, and behind the chosen row.
struct Palette {
    dim: Color,
    cyan: Color,
    yellow: Color,
    green: Color,
    red: Color,
    magenta: Color,
    frame: Color,
    chosen: Color,
}

const DARK: Palette = Palette {
    dim: Color::Rgb(0xb2, 0xb2, 0xb2),
    cyan: Color::Rgb(0x5f, 0xd7, 0xff),
    yellow: Color::Rgb(0xff, 0xd7, 0x5f),
    green: Color::Rgb(0x87, 0xd7, 0x87),
    red: Color::Rgb(0xff, 0x87, 0x87),
    magenta: Color::Rgb(0xff, 0x87, 0xff),
    frame: Color::Rgb(0xa0, 0xa0, 0xa0),
    chosen: Color::Rgb(0x30, 0x30, 0x30),
};

const LIGHT: Palette = Palette {
    dim: Color::Rgb(0x58, 0x58, 0x58),
    cyan: Color::Rgb(0x00, 0x5f, 0x87),
    yellow: Color::Rgb(0x87, 0x3f, 0x00),
    green: Color::Rgb(0x00, 0x5f, 0x00),
    red: Color::Rgb(0xaf, 0x00, 0x00),
    magenta: Color::Rgb(0x87, 0x00, 0x87),
    frame: Color::Rgb(0x62, 0x62, 0x62),
    chosen: Color::Rgb(0xe4, 0xe4, 0xe4),
};

const STARK_DARK: Palette = Palette {
    dim: Color::Rgb(0xff, 0xff, 0xff),
    cyan: Color::Rgb(0x00, 0xff, 0xff),
    yellow: Color::Rgb(0xff, 0xff, 0x00),
    green: Color::Rgb(0x5f, 0xff, 0x5f),
    red: Color::Rgb(0xff, 0xaf, 0xaf),
    magenta: Color::Rgb(0xff, 0xaf, 0xff),
    frame: Color::Rgb(0xff, 0xff, 0xff),
    chosen: Color::Rgb(0x00, 0x00, 0x5f),
};

const STARK_LIGHT: Palette = Palette {
    dim: Color::Rgb(0x00, 0x00, 0x00),
    cyan: Color::Rgb(0x00, 0x00, 0x87),
    yellow: Color::Rgb(0x5f, 0x2f, 0x00),
    green: Color::Rgb(0x00, 0x3f, 0x00),
    red: Color::Rgb(0x87, 0x00, 0x00),
    magenta: Color::Rgb(0x5f, 0x00, 0x5f),
    frame: Color::Rgb(0x00, 0x00, 0x00),
    chosen: Color::Rgb(0xff, 0xff, 0xaf),
};

/// The terminal's own colours, the bright ones: what people who use a dark background have made readable there.
const SIXTEEN_DARK: Palette = Palette {
    dim: Color::Gray,
    cyan: Color::LightCyan,
    yellow: Color::LightYellow,
    green: Color::LightGreen,
    red: Color::LightRed,
    magenta: Color::LightMagenta,
    frame: Color::Gray,
    chosen: Color::Reset,
};

/// The dark ones; yellow is not readable on white in most terminals, so blue stands for it.
const SIXTEEN_LIGHT: Palette = Palette {
    dim: Color::Reset,
    cyan: Color::Blue,
    yellow: Color::Magenta,
    green: Color::Green,
    red: Color::Red,
    magenta: Color::Magenta,
    frame: Color::Reset,
    chosen: Color::Reset,
};

impl Theme {
    fn of(palette: &Palette) -> Self {
        let color = |color| Style::new().fg(color);
        let is_own = palette.chosen == Color::Reset;
        Self {
            text: Style::new(),
            strong: Style::new().add_modifier(Modifier::BOLD),
            dim: color(palette.dim),
            key: color(palette.cyan).add_modifier(Modifier::BOLD),
            l7: color(palette.cyan),
            l4: color(palette.yellow).add_modifier(Modifier::BOLD),
            good: color(palette.green),
            warn: color(palette.yellow),
            bad: color(palette.red),
            frame: color(palette.frame),
            frame_focused: color(palette.cyan),
            // Of the terminal's own colours none is known to be readable behind the others.
            selected: if is_own {
                Style::new().add_modifier(Modifier::REVERSED)
            } else {
                Style::new().bg(palette.chosen)
            },
            unverified: color(palette.magenta),
            is_ascii: false,
        }
    }

    /// For dark backgrounds.
    #[must_use]
    pub fn dark() -> Self {
        Self::of(&DARK)
    }

    /// For light backgrounds.
    #[must_use]
    pub fn light() -> Self {
        Self::of(&LIGHT)
    }

    /// The strongest colours that a background allows.
    #[must_use]
    pub fn high_contrast(background: Background) -> Self {
        match background {
            Background::Dark => Self::of(&STARK_DARK),
            Background::Light => Self::of(&STARK_LIGHT),
        }
    }

    /// The terminal's own sixteen colours.
    #[must_use]
    pub fn sixteen(background: Background) -> Self {
        match background {
            Background::Dark => Self::of(&SIXTEEN_DARK),
            Background::Light => Self::of(&SIXTEEN_LIGHT),
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

    /// The style of a line that is to be taken so.
    #[must_use]
    pub fn tone(&self, tone: Tone) -> Style {
        match tone {
            Tone::Plain => self.text,
            Tone::L7 => self.l7,
            Tone::L4 => self.l4,
            Tone::Note => self.dim,
            Tone::Warn => self.warn,
            Tone::Alarm => self.bad,
        }
    }

    /// Every role with its name, for what holds of all of them.
    #[must_use]
    pub fn roles(&self) -> [(&'static str, Style); 13] {
        [
            ("text", self.text),
            ("strong", self.strong),
            ("dim", self.dim),
            ("key", self.key),
            ("l7", self.l7),
            ("l4", self.l4),
            ("good", self.good),
            ("warn", self.warn),
            ("bad", self.bad),
            ("frame", self.frame),
            ("frame_focused", self.frame_focused),
            ("selected", self.selected),
            ("unverified", self.unverified),
        ]
    }

    /// The same with each colour through `change`.
    fn map(self, change: impl Fn(Color) -> Color) -> Self {
        let each = |style: Style| Style { fg: style.fg.map(&change), bg: style.bg.map(&change), ..style };
        Self {
            text: each(self.text),
            strong: each(self.strong),
            dim: each(self.dim),
            key: each(self.key),
            l7: each(self.l7),
            l4: each(self.l4),
            good: each(self.good),
            warn: each(self.warn),
            bad: each(self.bad),
            frame: each(self.frame),
            frame_focused: each(self.frame_focused),
            selected: each(self.selected),
            unverified: each(self.unverified),
            is_ascii: self.is_ascii,
        }
    }
}

#[cfg(test)]
mod tests;

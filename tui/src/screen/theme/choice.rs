//! Which theme it is: what was asked for, what the terminal can do, what it says of its background. Pure.

use clap::{Args, ValueEnum};
use ratatui::style::Color;

use super::Theme;

/// What a screen is to look like, as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub struct Look {
    /// The colours of the screen; `auto` asks the terminal for its background. NO_COLOR takes all away.
    #[arg(long, value_enum, default_value = "auto", env = "OPENSHELL_INBOX_THEME")]
    pub theme: ThemeName,
    /// Draw with ASCII alone: `?` stands for a sign that has no likeness in it.
    #[arg(long)]
    pub ascii: bool,
}

/// A theme by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ThemeName {
    /// Dark or light, as the terminal's background is.
    #[default]
    Auto,
    /// For dark backgrounds.
    Dark,
    /// For light backgrounds.
    Light,
    /// The strongest colours that the background allows.
    HighContrast,
    /// The terminal's own sixteen colours.
    #[value(name = "16")]
    Sixteen,
    /// No colours.
    None,
}

/// What is behind the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Background {
    /// Dark, also where nobody knows.
    #[default]
    Dark,
    /// Light.
    Light,
}

/// How many colours the terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Any.
    Full,
    /// The 256 of xterm.
    Indexed,
    /// Sixteen of its own.
    Sixteen,
    /// None.
    None,
}

/// What the environment says of colours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `NO_COLOR`.
    pub no_color: Option<String>,
    /// `COLORTERM`.
    pub colorterm: Option<String>,
    /// `TERM`.
    pub term: Option<String>,
    /// `COLORFGBG`, as rxvt and Konsole set it: `15;0`.
    pub colorfgbg: Option<String>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn here() -> Self {
        let read = |key| std::env::var_os(key).map(|value| value.to_string_lossy().into_owned());
        Self {
            no_color: read("NO_COLOR"),
            colorterm: read("COLORTERM"),
            term: read("TERM"),
            colorfgbg: read("COLORFGBG"),
        }
    }

    /// How many colours there are.
    #[must_use]
    pub fn depth(&self) -> Depth {
        let term = self.term.as_deref().unwrap_or_default();
        if self.no_color.as_ref().is_some_and(|value| !value.is_empty()) || term == "dumb" {
            return Depth::None;
        }
        match self.colorterm.as_deref() {
            Some("truecolor" | "24bit") => Depth::Full,
            _ if term.contains("direct") => Depth::Full,
            _ if term.contains("256color") => Depth::Indexed,
            _ => Depth::Sixteen,
        }
    }

    /// The background, where the environment names it.
    #[must_use]
    pub fn background(&self) -> Option<Background> {
        let last = self.colorfgbg.as_deref()?.rsplit(';').next()?;
        match last.parse().ok()? {
            7_u8 | 9..=15 => Some(Background::Light),
            0..=6 | 8 => Some(Background::Dark),
            _ => None,
        }
    }
}

impl Look {
    /// Whether the terminal's background matters.
    #[must_use]
    pub fn needs_background(self, surroundings: &Surroundings) -> bool {
        let is_open = matches!(self.theme, ThemeName::Auto | ThemeName::HighContrast | ThemeName::Sixteen);
        is_open && surroundings.depth() != Depth::None && surroundings.background().is_none()
    }

    /// The theme, with `background` as the terminal has told it.
    #[must_use]
    pub fn theme(self, surroundings: &Surroundings, background: Option<Background>) -> Theme {
        let background = surroundings.background().or(background).unwrap_or_default();
        let depth = surroundings.depth();
        let theme = match (depth, self.theme, background) {
            (Depth::None, ..) | (_, ThemeName::None, _) => Theme::plain(),
            (Depth::Sixteen, ThemeName::Dark, _) => Theme::sixteen(Background::Dark),
            (Depth::Sixteen, ThemeName::Light, _) => Theme::sixteen(Background::Light),
            (Depth::Sixteen, ..) | (_, ThemeName::Sixteen, _) => Theme::sixteen(background),
            (_, ThemeName::HighContrast, _) => Theme::high_contrast(background),
            (_, ThemeName::Dark, _) | (_, ThemeName::Auto, Background::Dark) => Theme::dark(),
            (_, ThemeName::Light, _) | (_, ThemeName::Auto, Background::Light) => Theme::light(),
        };
        let theme = if depth == Depth::Indexed { theme.map(indexed) } else { theme };
        Theme { is_ascii: self.ascii, ..theme }
    }
}

/// The steps of the colour cube of xterm's 256 colours.
pub(super) const STEPS: [u8; 6] = [0, 0x5f, 0x87, 0xaf, 0xd7, 0xff];

/// The nearest of xterm's 256 colours: of the cube, or of the greys.
fn indexed(color: Color) -> Color {
    let Color::Rgb(red, green, blue) = color else { return color };
    let nearest =
        |value: u8| (0_u8..).zip(STEPS).min_by_key(|(_, step)| step.abs_diff(value)).unwrap_or((0, 0));
    if red == green && green == blue && (0x08..=0xee).contains(&red) {
        return Color::Indexed(232 + (red - 0x08) / 10);
    }
    let [red, green, blue] = [red, green, blue].map(|value| nearest(value).0);
    Color::Indexed(16 + 36 * red + 6 * green + blue)
}

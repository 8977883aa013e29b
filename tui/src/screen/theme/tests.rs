//! What holds of every theme.

use super::choice::STEPS;
use super::*;

/// The relative luminance of WCAG 2.2.
fn luminance(color: Color) -> Option<f64> {
    let (red, green, blue) = match color {
        Color::Rgb(red, green, blue) => (red, green, blue),
        Color::Indexed(index @ 232..) => {
            let grey = 8 + (index - 232) * 10;
            (grey, grey, grey)
        }
        Color::Indexed(index @ 16..) => {
            let step = |at: u8| STEPS[usize::from(at % 6)];
            (step((index - 16) / 36), step((index - 16) / 6), step(index - 16))
        }
        _ => return None,
    };
    let linear = |value: u8| {
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    Some(0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue))
}

fn contrast(one: f64, other: f64) -> f64 {
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

const BLACK: Color = Color::Rgb(0, 0, 0);
const WHITE: Color = Color::Rgb(255, 255, 255);
/// What many terminals call dark and light by default.
const GREY: Color = Color::Rgb(0x2e, 0x34, 0x36);
const PAPER: Color = Color::Rgb(0xee, 0xee, 0xec);

fn with(term: &str, colorterm: Option<&str>) -> Surroundings {
    Surroundings {
        term: Some(term.to_owned()),
        colorterm: colorterm.map(str::to_owned),
        ..Surroundings::default()
    }
}

/// Every theme that has colours of its own, with the backgrounds that it is for.
fn themes() -> Vec<(String, Theme, [Color; 2])> {
    let mut all = Vec::new();
    for surroundings in [with("xterm", Some("truecolor")), with("xterm-256color", None)] {
        for (background, behind) in [(Background::Dark, [BLACK, GREY]), (Background::Light, [WHITE, PAPER])] {
            for theme in [ThemeName::Auto, ThemeName::HighContrast] {
                let look = Look { theme, ascii: false };
                let name = format!("{theme:?} {background:?} {:?}", surroundings.depth());
                all.push((name, look.theme(&surroundings, Some(background)), behind));
            }
        }
    }
    all
}

#[test]
fn every_role_of_every_theme_can_be_read() {
    for (name, theme, backgrounds) in themes() {
        let chosen = theme.selected.bg.unwrap();
        for (role, style) in theme.roles() {
            let Some(text) = style.fg.and_then(luminance) else { continue };
            for behind in backgrounds.into_iter().chain([chosen]) {
                let ratio = contrast(text, luminance(behind).unwrap());
                assert!(ratio >= 4.5, "{name}: {role} on {behind:?} has {ratio:.2}");
            }
        }
    }
}

/// The text itself is the terminal's, so what is behind the chosen row must be like its background.
#[test]
fn the_chosen_row_can_be_read_in_the_terminals_own_text() {
    for (name, theme, backgrounds) in themes() {
        let behind = luminance(theme.selected.bg.unwrap()).unwrap();
        let text =
            luminance(if backgrounds[0] == BLACK { Color::Rgb(0xd3, 0xd7, 0xcf) } else { BLACK }).unwrap();
        assert!(contrast(behind, text) >= 4.5, "{name}");
    }
}

#[test]
fn l4_and_l7_differ_by_colour_or_weight_in_every_theme() {
    let sixteen = [Background::Dark, Background::Light].map(Theme::sixteen);
    for theme in themes().into_iter().map(|(_, theme, _)| theme).chain(sixteen).chain([Theme::plain()]) {
        assert_ne!(theme.l4, theme.l7);
        assert_ne!(theme.good, theme.l4);
    }
}

#[test]
fn no_color_and_a_dumb_terminal_have_none() {
    let mut surroundings = with("xterm-256color", Some("truecolor"));
    surroundings.no_color = Some("1".to_owned());
    for surroundings in [surroundings, with("dumb", None)] {
        for theme in [ThemeName::Auto, ThemeName::Light, ThemeName::HighContrast, ThemeName::Sixteen] {
            let theme = Look { theme, ascii: false }.theme(&surroundings, None);
            assert!(theme.roles().iter().all(|(_, style)| style.fg.is_none() && style.bg.is_none()));
        }
    }
    let empty = Surroundings { no_color: Some(String::new()), ..with("xterm-256color", None) };
    assert_eq!(empty.depth(), Depth::Indexed);
}

#[test]
fn a_terminal_of_sixteen_colours_gets_its_own() {
    for surroundings in [with("xterm", None), with("linux", None)] {
        let theme = Look::default().theme(&surroundings, Some(Background::Light));
        assert_eq!(theme, Theme::sixteen(Background::Light));
    }
}

#[test]
fn the_environment_names_the_background_and_nobody_is_asked_then() {
    let of = |text: &str| Surroundings { colorfgbg: Some(text.to_owned()), ..with("rxvt-256color", None) };
    assert_eq!(of("0;15").background(), Some(Background::Light));
    assert_eq!(of("15;default;0").background(), Some(Background::Dark));
    assert_eq!(of("15;x").background(), None);
    assert!(!Look::default().needs_background(&of("0;15")));
    assert!(Look::default().needs_background(&of("x")));
    let dark = Look { theme: ThemeName::Dark, ascii: false };
    assert!(!dark.needs_background(&of("x")));
}

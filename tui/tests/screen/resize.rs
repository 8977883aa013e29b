//! A window that changes its size while something is on it.

use crate::stage::Stage;
use crate::terminal::{Screen, wait_until};

/// What a screen shows that is opened at this size. Kills: a frame drawn for the size before, and what is left of it.
fn is_as_if_opened(stage: &Stage, screen: &Screen, columns: u16, lines: u16) {
    let other = Screen::open(stage, columns, lines);
    other.shows(if columns < 50 { "needs 50×14 cells" } else { "● live" });
    wait_until(
        || format!("{}\nshould be\n{}", screen.text(), other.text()),
        || screen.text() == other.text(),
    );
    other.press("q");
    other.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_size_is_drawn_as_if_it_had_been_opened_so() {
    let stage = Stage::new().await;
    let mut supervisor = stage.supervisor().await;
    supervisor.submit("/v1/first", "words of an agent that are long enough to be wrapped somewhere").await;
    let screen = Screen::open(&stage, 80, 24);
    screen.shows("all of it");
    for (columns, lines) in [(200, 60), (40, 10), (100, 30), (50, 14), (1, 1), (120, 24), (80, 24)] {
        screen.resize(columns, lines);
        if columns >= 40 {
            is_as_if_opened(&stage, &screen, columns, lines);
        }
    }
    screen.is_armed();
    screen.press("a");
    screen.shows("→ loaded in");
    screen.press("q");
    assert!(screen.ends().success());
}

/// Pulled at without a pause, through sizes of which most are over before they are drawn. Kills: a size that is lost
/// because a key came with it, and cells that were cut off and are as large as before when the next frame is drawn.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_last_of_many_sizes_counts() {
    let stage = Stage::new().await;
    let mut supervisor = stage.supervisor().await;
    supervisor.submit("/v1/pulled", "").await;
    let screen = Screen::open(&stage, 80, 24);
    screen.shows("all of it");
    for step in 1..200 {
        screen.resize(20 + step, 5 + step / 4);
        if step % 7 == 0 {
            screen.press("j");
        }
    }
    screen.resize(80, 24);
    is_as_if_opened(&stage, &screen, 80, 24);
    screen.press("q");
    assert!(screen.ends().success());
}

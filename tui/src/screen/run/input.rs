//! Keys, the mouse and pastes as messages, with the time at which they were read.
//!
//! Says of each key whether it came alone: what is read in one piece was pasted or typed ahead, and may not decide.

use std::future::poll_fn;
use std::task::Poll;

use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::background::{self, Answer, Gate};
use super::signals;
use crate::clock::Stopwatch;
use crate::screen::arming::Press;
use crate::screen::msg::What;
use crate::screen::update::mouse;

/// The most events that are looked at as one piece.
const PIECE: usize = 256;

/// Passes on what the terminal sends. Ends the screen when that has gone away.
pub(super) async fn read(inlet: mpsc::Sender<What>, asked: Answer, watch: Stopwatch) {
    let mut events = EventStream::new();
    for key in asked.typed {
        // Typed before there was anything to be seen.
        let press = Press { key, read: watch.elapsed(), is_alone: false };
        inlet.send(What::Key(press)).await.unwrap_or_default();
    }
    let (mut gate, late) = (Gate::default(), watch.elapsed() + background::LATE);
    while let Some(Ok(first)) = events.next().await {
        let read = watch.elapsed();
        gate.is_early = read < late;
        let (piece, is_over) = piece(first, &mut events).await;
        let is_alone = piece.iter().filter(|event| is_typed(event)).count() < 2;
        for event in piece {
            let what = match event {
                Event::Key(key) if key.kind == KeyEventKind::Release => continue,
                Event::Key(key) if asked.is_open && !gate.passes(key) => continue,
                Event::Key(key) => What::Key(Press { key, read, is_alone }),
                Event::Mouse(event) if mouse::is_of_use(event.kind) => What::Mouse(event),
                Event::Paste(text) => What::Paste(text),
                // Sizes come with the signals.
                _ => continue,
            };
            if inlet.send(what).await.is_err() {
                return;
            }
        }
        if is_over {
            break;
        }
    }
    inlet.send(What::Signal(signals::HANG_UP)).await.unwrap_or_default();
}

fn is_typed(event: &Event) -> bool {
    matches!(event, Event::Key(key) if key.kind != KeyEventKind::Release) || matches!(event, Event::Paste(_))
}

/// An event with all that are there without waiting, and whether there will be no more.
///
/// Polled in the context of this task: the stream wakes only the first one that has asked.
async fn piece(first: Event, events: &mut EventStream) -> (Vec<Event>, bool) {
    let mut piece = vec![first];
    while piece.len() < PIECE {
        match poll_fn(|context| Poll::Ready(events.poll_next_unpin(context))).await {
            Poll::Ready(Some(Ok(event))) => piece.push(event),
            Poll::Ready(_) => return (piece, true),
            Poll::Pending => break,
        }
    }
    (piece, false)
}

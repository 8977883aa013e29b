//! What reaches the screen, and what the screen wants done: the two sides of `update`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use crossterm::event::MouseEvent;
use openshell_domain::event::Envelope;
use openshell_domain::id::{ProposalId, SandboxName, Seq};
use openshell_domain::proposal::Proposal;
use openshell_domain::review::Review;

use super::arming::Press;
use super::edit::Unknown;
use super::{Exit, Notice};
use crate::client::asks::{Asked, Explained, Wording};
use crate::client::watch::Update;
use crate::client::{ClientError, Decision, Effective, Recorded, Verified};

/// Something that happened, and when.
#[derive(Debug)]
pub struct Msg {
    /// When it reached the screen, by the clock on the wall.
    pub at: DateTime<Utc>,
    /// How long the screen had been open then, by a clock that never goes back. `update` knows no other clocks.
    pub uptime: Duration,
    /// What.
    pub what: What,
}

/// Something that happened.
#[derive(Debug)]
pub enum What {
    /// A key was pressed.
    Key(Press),
    /// The mouse was clicked, or its wheel turned.
    Mouse(MouseEvent),
    /// A text was pasted in one piece.
    Paste(String),
    /// The terminal has this many columns and rows now.
    Resize(u16, u16),
    /// The gateway has news.
    Feed(Update),
    /// The gateway has answered a decision.
    Answer(Box<Answer>),
    /// The gateway has answered several decisions that were sent together.
    Answers(Vec<Answer>),
    /// The gateway has answered what the policy of a sandbox is.
    Policy(SandboxName, Result<Box<Effective>, String>),
    /// The gateway has read its log.
    Log(Result<Vec<Envelope>, String>),
    /// The gateway has proven its log, or found something wrong in it.
    Proven(Result<Verified, String>),
    /// The gateway has answered why a request would pass, or not.
    Explained(Asked, Result<Explained, String>),
    /// The gateway has answered what a wording would change, or it is not known.
    Previewed(Box<Wording>, Result<Box<Review>, Unknown>),
    /// The gateway has answered a new wording of a proposal.
    Revised(ProposalId, Result<Box<(Seq, Proposal)>, ClientError>),
    /// The reviewer's own editor has ended, and has left this.
    Written(ProposalId, Result<String, String>),
    /// Whoever opened the screen has something to say.
    Notice(Notice),
    /// A second has passed.
    Tick,
    /// The model is on the screen as it is now.
    Drawn,
    /// Something has been on the screen for long enough to be decided.
    Armed,
    /// The program runs again after it was suspended.
    Resumed,
    /// The program is to end: a signal came.
    Signal(i32),
}

impl From<Update> for What {
    fn from(update: Update) -> Self {
        Self::Feed(update)
    }
}

/// What became of a decision.
#[derive(Debug)]
pub struct Answer {
    /// The decision.
    pub decision: Decision,
    /// The gateway's answer.
    pub result: Result<Recorded, ClientError>,
}

/// Something to be done outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a decision; its [`Answer`] comes back.
    Decide(Decision),
    /// Send several decisions in one piece; their [`Answer`]s come back.
    DecideMany(Vec<Decision>),
    /// Begin again with a snapshot: an event was missed.
    Resync,
    /// Read the policy of a sandbox; [`What::Policy`] comes back.
    ReadPolicy(SandboxName),
    /// Read the log after this event; [`What::Log`] comes back.
    ReadLog(Seq),
    /// Have the log proven; [`What::Proven`] comes back.
    VerifyLog,
    /// Ask why a request would pass, or not; [`What::Explained`] comes back.
    Explain(Box<Asked>),
    /// Ask what a wording would change, once nothing else was asked for a moment; [`What::Previewed`] comes back for
    /// the latest one.
    Preview(Box<Wording>),
    /// Send a new wording; [`What::Revised`] comes back.
    Revise(Box<Wording>),
    /// Give the terminal to the reviewer's own editor with this text; [`What::Written`] comes back.
    Edit(ProposalId, String),
    /// Take the terminal again.
    Reclaim,
    /// Give a text to the clipboard of the terminal.
    Copy(String),
    /// Call the reviewer: this many asks have come.
    Alert(usize),
    /// Paint everything again with the next frame.
    Repaint,
    /// Take the terminal again, and paint everything.
    Redraw,
    /// Give the terminal back and stop until the shell says otherwise.
    Suspend,
    /// End.
    Quit(Exit),
}

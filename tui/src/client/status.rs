//! The one table from the gateway's statuses to what a reviewer can do about them.

use std::path::PathBuf;

use openshell_domain::proposal::Proposal;
use openshell_wire::WireError;
use openshell_wire::pb::inbox as pb;
use prost::Message as _;
use tonic::{Code, Status};

/// Where the gateway puts the proposal as it is, when a decision was about something else.
const FRESH_PROPOSAL: &str = "openshell-proposal-bin";

/// The word by which the gateway tells its refusals apart.
const WORD: &str = "openshell-refusal";

/// The proposal as it is now, where it is small enough to come with a refusal.
pub type Fresh = Option<Box<Proposal>>;

/// Why the gateway did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers.
    #[error("no gateway answers at {}: {cause}", .path.display())]
    Unreachable {
        /// Where.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// The connection broke before the answer: whether anything was done is not known.
    #[error("the connection to the gateway broke: {0}")]
    Broken(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The ask itself makes no sense, such as a prefix that several ids have.
    #[error("{0}")]
    Invalid(String),
    /// The decision was about another wording than the one in force.
    #[error("the proposal is not the one that was shown")]
    Stale(Fresh),
    /// Somebody decided first.
    #[error("the proposal is already {}", .0.as_ref().map_or("decided", |now| now.status.as_str()))]
    AlreadyDecided(Fresh),
    /// The events that were asked for are not there: a new snapshot is needed.
    #[error("{0}")]
    OutOfRange(String),
    /// The gateway said no.
    #[error("{0}")]
    Refused(String),
    /// The answer means nothing to this program.
    #[error("the gateway's answer cannot be read: {0}")]
    Unreadable(#[from] WireError),
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        let message = status.message().to_owned();
        let word = status.metadata().get(WORD).and_then(|word| word.to_str().ok());
        match (status.code(), word) {
            (_, Some("stale")) => fresh(&status).map_or_else(Self::Unreadable, Self::Stale),
            (_, Some("already_decided")) => {
                fresh(&status).map_or_else(Self::Unreadable, Self::AlreadyDecided)
            }
            (Code::NotFound, _) => Self::NotFound(message),
            (Code::InvalidArgument, _) => Self::Invalid(message),
            (Code::OutOfRange, _) => Self::OutOfRange(message),
            (_, Some(_)) => Self::Refused(message),
            // Without a word it was not the gateway that spoke but the connection that broke.
            (Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Unknown, None) => {
                Self::Broken(message)
            }
            (_, None) => Self::Refused(message),
        }
    }
}

impl ClientError {
    /// What the gateway says of one decision among several.
    pub(super) fn refused(refused: pb::Refused) -> Self {
        let fresh = refused.proposal.as_ref().map(|now| Proposal::try_from(now).map(Box::new)).transpose();
        match (refused.word.as_str(), fresh) {
            (_, Err(error)) => Self::Unreadable(error),
            ("stale", Ok(fresh)) => Self::Stale(fresh),
            ("already_decided", Ok(fresh)) => Self::AlreadyDecided(fresh),
            _ => Self::Refused(refused.message),
        }
    }
}

fn fresh(status: &Status) -> Result<Fresh, WireError> {
    let bytes = status.metadata().get_bin(FRESH_PROPOSAL).and_then(|value| value.to_bytes().ok());
    let message = bytes.and_then(|bytes| pb::Proposal::decode(bytes).ok());
    message.map(|message| Proposal::try_from(&message).map(Box::new)).transpose()
}

//! The tabs: what there is to look at, in the order of their keys.

/// One of the five pictures that the screen can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tab {
    /// What awaits a decision, and the whole of one ask.
    Pending,
    /// What was decided, by whom, and what became of it.
    Decided,
    /// What a sandbox may do, and where each rule comes from.
    Policy,
    /// Who is there, and how it is kept in.
    Sandboxes,
    /// The events as they are stored.
    Log,
}

impl Tab {
    /// All of them, in the order of their keys `1…5`.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Decided, Self::Policy, Self::Sandboxes, Self::Log];

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Decided => "Decided",
            Self::Policy => "Policy",
            Self::Sandboxes => "Sandboxes",
            Self::Log => "Log",
        }
    }

    /// The digit that opens it.
    #[must_use]
    pub fn digit(self) -> char {
        match self {
            Self::Pending => '1',
            Self::Decided => '2',
            Self::Policy => '3',
            Self::Sandboxes => '4',
            Self::Log => '5',
        }
    }
}

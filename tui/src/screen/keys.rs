//! The keys: one table from which keymap, footer, help and the README's list are made.
//!
//! Owns which key does what where, unless a reviewer says otherwise ([`Keymap`]). What an action means is `update`'s
//! business. The keys of questions are in no row of it: what confirms is the same for everybody.

mod chord;
mod custom;
mod keymap;

use crossterm::event::KeyCode;

use super::tab::Tab;
pub use chord::Chord;
use chord::{ctrl, key, letter};
pub use custom::{Custom, MAX_FILE};
pub use keymap::{Bound, Keymap};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The row or line above.
    Up,
    /// The row or line below.
    Down,
    /// The first row.
    Top,
    /// The last row.
    Bottom,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// Show the row as it is now, in full.
    Open,
    /// The other pane.
    Switch,
    /// Back to the list, or close what lies on top.
    Back,
    /// Another tab.
    Show(Tab),
    /// Grant what is shown.
    Approve,
    /// Grant what is shown, for a time to choose.
    Lease,
    /// Refuse what is shown.
    Reject,
    /// Word what is shown anew.
    Edit,
    /// Take back the last decision, or the one that is shown.
    Undo,
    /// End a grant.
    Revoke,
    /// Choose this one too, or not any more.
    Choose,
    /// Choose all up to here.
    Range,
    /// The policy of the sandbox that is shown.
    Policy,
    /// The policy whole, or only what was granted beside its file.
    Difference,
    /// Prove the log.
    Verify,
    /// Leave out what does not have these words.
    Filter,
    /// Another order of the rows.
    Sort,
    /// Put the row aside for a while.
    Hide,
    /// Take back what was put aside.
    Unhide,
    /// Copy what is shown.
    Copy,
    /// Ask why a request would pass, or not.
    Why,
    /// Call nobody, or call again.
    Pause,
    /// All keys.
    Help,
    /// Paint everything again.
    Redraw,
    /// Stop for a while.
    Suspend,
    /// End.
    Quit,
}

impl Action {
    /// What the file of settings calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Top => "top",
            Self::Bottom => "bottom",
            Self::PageUp => "page-up",
            Self::PageDown => "page-down",
            Self::Open => "open",
            Self::Switch => "pane",
            Self::Back => "back",
            Self::Show(Tab::Pending) => "tab-pending",
            Self::Show(Tab::Decided) => "tab-decided",
            Self::Show(Tab::Policy) => "tab-policy",
            Self::Show(Tab::Sandboxes) => "tab-sandboxes",
            Self::Show(Tab::Log) => "tab-log",
            Self::Approve => "approve",
            Self::Lease => "approve-for",
            Self::Reject => "reject",
            Self::Edit => "edit",
            Self::Undo => "undo",
            Self::Revoke => "revoke",
            Self::Choose => "choose",
            Self::Range => "choose-range",
            Self::Policy => "policy",
            Self::Difference => "difference",
            Self::Verify => "verify",
            Self::Filter => "filter",
            Self::Sort => "sort",
            Self::Hide => "hide",
            Self::Unhide => "unhide",
            Self::Copy => "copy",
            Self::Why => "why",
            Self::Pause => "pause",
            Self::Help => "help",
            Self::Redraw => "redraw",
            Self::Suspend => "suspend",
            Self::Quit => "quit",
        }
    }

    /// Whether it decides, or opens a question that does.
    #[must_use]
    pub fn decides(self) -> bool {
        matches!(self, Self::Approve | Self::Lease | Self::Reject | Self::Undo | Self::Revoke)
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The keys, the one to show first.
    pub keys: &'static [Chord],
    /// What they do.
    pub action: Action,
    /// On which tabs.
    pub tabs: &'static [Tab],
    /// What help says.
    pub help: &'static str,
    /// What the footer says; empty: nothing.
    pub footer: &'static str,
}

const fn row(keys: &'static [Chord], action: Action, help: &'static str, footer: &'static str) -> Binding {
    Binding { keys, action, tabs: &Tab::ALL, help, footer }
}

impl Binding {
    const fn on(mut self, tabs: &'static [Tab]) -> Self {
        self.tabs = tabs;
        self
    }
}

/// Where there is a list beside a detail.
const PANES: &[Tab] = &[Tab::Pending, Tab::Decided, Tab::Policy, Tab::Sandboxes];

/// Where there are proposals.
const PROPOSALS: &[Tab] = &[Tab::Pending, Tab::Decided];

/// Where something is about one sandbox.
const OF_SANDBOX: &[Tab] = &[Tab::Pending, Tab::Decided, Tab::Sandboxes];

/// Beside the proposals.
const ELSEWHERE: &[Tab] = &[Tab::Decided, Tab::Policy, Tab::Sandboxes];

/// All keys, in the order of the footer.
pub const TABLE: &[Binding] = &[
    row(&[letter('a')], Action::Approve, "approve what is shown, with the default lease", "approve")
        .on(&[Tab::Pending]),
    row(&[letter('A')], Action::Lease, "approve what is shown, for how long you choose", "for…")
        .on(&[Tab::Pending]),
    row(&[letter('r')], Action::Reject, "reject what is shown, with a reason", "reject").on(&[Tab::Pending]),
    row(&[letter('e')], Action::Edit, "word it anew, beside what that would change", "edit")
        .on(&[Tab::Pending]),
    row(&[letter('u')], Action::Undo, "undo the last decision, for 10 s", "undo").on(&[Tab::Pending]),
    row(&[letter('u')], Action::Undo, "undo the decision that is shown", "undo").on(&[Tab::Decided]),
    row(&[letter('x')], Action::Revoke, "revoke the grant", "revoke").on(&[Tab::Decided, Tab::Policy]),
    row(&[key(KeyCode::Enter)], Action::Open, "show it in full, as it is now", "open").on(&[Tab::Pending]),
    row(&[letter(' ')], Action::Choose, "choose it, and down: what is chosen is decided together", "choose")
        .on(&[Tab::Pending]),
    row(&[letter('V')], Action::Range, "choose all from the last one chosen to here", "").on(&[Tab::Pending]),
    row(&[key(KeyCode::Enter)], Action::Open, "to the details", "details").on(ELSEWHERE),
    row(&[letter('/')], Action::Filter, "only lines with these words", "filter").on(&[Tab::Log]),
    row(&[letter('v')], Action::Verify, "have the gateway prove its log", "verify").on(&[Tab::Log]),
    row(&[letter('v')], Action::Policy, "the policy of its sandbox", "policy").on(OF_SANDBOX),
    row(&[letter('d')], Action::Difference, "only what was granted beside the file, or all", "difference")
        .on(&[Tab::Policy]),
    row(&[letter('/')], Action::Filter, "filter: words, host: sandbox: binary: status: layer:", "filter")
        .on(PROPOSALS),
    row(&[key(KeyCode::Tab)], Action::Switch, "the other pane", "pane").on(PANES),
    row(&[letter('s')], Action::Sort, "sort: waiting, newest, oldest, host, findings", "")
        .on(&[Tab::Pending]),
    row(&[letter('z')], Action::Hide, "hide the row here for 15 m", "").on(&[Tab::Pending]),
    row(&[letter('Z')], Action::Unhide, "show what is hidden", "").on(&[Tab::Pending]),
    row(&[letter('y')], Action::Copy, "copy its id; again: its rule as YAML (OSC 52)", "").on(PROPOSALS),
    row(&[letter('w')], Action::Why, "why a request would pass there, or not", "").on(PROPOSALS),
    row(&[letter('p')], Action::Pause, "pause the bell and notifications, or go on", "").on(&[Tab::Pending]),
    row(&[letter('j'), key(KeyCode::Down)], Action::Down, "down", "down"),
    row(&[letter('k'), key(KeyCode::Up)], Action::Up, "up", ""),
    row(&[letter('g'), key(KeyCode::Home)], Action::Top, "to the first", ""),
    row(&[letter('G'), key(KeyCode::End)], Action::Bottom, "to the last", ""),
    row(&[key(KeyCode::PageUp), ctrl('b')], Action::PageUp, "a page up", ""),
    row(&[key(KeyCode::PageDown), ctrl('f')], Action::PageDown, "a page down", ""),
    row(&[key(KeyCode::Esc)], Action::Back, "to the list; there: choose nothing, then all rows", "")
        .on(PANES),
    row(&[key(KeyCode::Esc)], Action::Back, "all lines again, and the latest", "").on(&[Tab::Log]),
    row(&[letter('1')], Action::Show(Tab::Pending), "what awaits a decision", ""),
    row(&[letter('2')], Action::Show(Tab::Decided), "what was decided", ""),
    row(&[letter('3')], Action::Show(Tab::Policy), "what a sandbox may do, and why", ""),
    row(&[letter('4')], Action::Show(Tab::Sandboxes), "who is there", ""),
    row(&[letter('5')], Action::Show(Tab::Log), "the log of events", ""),
    row(&[letter('?')], Action::Help, "these keys", "help"),
    row(&[ctrl('l')], Action::Redraw, "paint again", ""),
    row(&[ctrl('z')], Action::Suspend, "suspend", ""),
    row(&[letter('q'), ctrl('c')], Action::Quit, "quit; nothing is decided by that", "quit"),
];

/// The keys while a filter is typed: label, what the footer says.
pub const FILTER: &[(&str, &str)] = &[("enter", "keep"), ("esc", "all again")];

/// The same where there are proposals.
pub const LOOK: &[(&str, &str)] =
    &[("enter", "keep"), ("esc", "all again"), ("host: sandbox: binary: status: layer: finding:", "")];

/// The keys while it is asked why.
pub const WHY: &[(&str, &str)] = &[
    ("enter", "ask"),
    ("tab", "request or program"),
    ("ctrl-u", "clear"),
    ("↑ ↓", "scroll"),
    ("esc", "close"),
];

/// The table as the README has it.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from("| key | action | where | does |\n|---|---|---|---|\n");
    for row in TABLE {
        let keys: Vec<String> = row.keys.iter().map(|chord| format!("`{}`", chord.label())).collect();
        let tabs: Vec<&str> = row.tabs.iter().map(|tab| tab.name()).collect();
        let tabs = if row.tabs.len() == Tab::ALL.len() { String::new() } else { tabs.join(", ") };
        let action = row.action.name();
        out.push_str(&format!("| {} | {action} | {tabs} | {} |\n", keys.join(" "), row.help));
    }
    for (when, keys) in MODES {
        for (key, help) in *keys {
            out.push_str(&format!("| `{key}` | | {when} | {help} |\n"));
        }
    }
    out
}

/// The keys while a reason is typed: label, what footer and help say.
pub const PROMPT: &[(&str, &str)] = &[
    ("enter", "send"),
    ("esc", "cancel, keep the text"),
    ("alt-1…7", "a hint"),
    ("↑ ↓", "earlier reasons"),
    ("tab space", "hints without alt"),
    ("ctrl-j", "new line"),
    ("ctrl-u", "clear"),
];

/// The keys while an ask is worded anew.
pub const EDIT: &[(&str, &str)] = &[
    ("ctrl-s", "save a new draft"),
    ("esc", "close, keep text"),
    ("tab", "next field"),
    ("ctrl-e", "$EDITOR"),
    ("shift-tab", "field before"),
    ("ctrl-u", "clear the field"),
    ("ctrl-r", "wording in force, and back"),
    ("pgup pgdn", "scroll what it would change"),
];

/// The keys while a lease is chosen.
pub const LEASE: &[(&str, &str)] =
    &[("1 … 5", "approve for that"), ("enter", "approve for the marked one"), ("esc", "back")];

/// The keys while a risk is named.
pub const ACCEPT: &[(&str, &str)] = &[("y", "accept the risk, approve"), ("any other key", "cancel")];

/// The keys while it is asked whether a grant is to end.
pub const REVOKE: &[(&str, &str)] = &[("y", "revoke it"), ("any other key", "cancel")];

/// The keys while it is asked which grant is to end.
pub const GRANTS: &[(&str, &str)] = &[("j k", "choose"), ("enter", "this one"), ("esc", "back")];

/// The keys while several are to be approved.
pub const MANY: &[(&str, &str)] = &[("y", "approve these"), ("j k", "scroll"), ("any other key", "cancel")];

/// The keys when several were decided.
pub const SENT: &[(&str, &str)] = &[("j k", "scroll"), ("any other key", "close")];

/// What has keys of its own, and when.
const MODES: &[(&str, &[(&str, &str)])] = &[
    ("while a reason is typed", PROMPT),
    ("while an ask is worded anew", EDIT),
    ("while it is asked why", WHY),
    ("while a lease is chosen", LEASE),
    ("while a risk is named", ACCEPT),
    ("while a grant is chosen", GRANTS),
    ("before a grant ends", REVOKE),
    ("before several are approved", MANY),
];

#[cfg(test)]
mod tests;

//! What a reviewer is told of how a sandbox's command is kept in: one wording for screen and verbs.
//!
//! Two things are warned of wherever a sandbox is named to a reviewer: a command that may go round the proxy, and
//! one that is root outside. Beside them, that nothing passes at all, since its policy does not load. Called by the
//! header, the detail, `list`, `show` and `sandboxes`.

use openshell_domain::event::Isolation;
use openshell_domain::inbox::SandboxView;

use crate::shown;

/// Whether a sandbox is in quarantine: as its supervisor has told it, and not after its run.
#[must_use]
pub fn is_quarantined(view: &SandboxView) -> bool {
    view.load_error.is_some() && view.ended.is_none() && !view.is_retained
}

/// What holds for a sandbox whose latest policy its supervisor could not load, and why it could not; `None` where it
/// could, and after its run.
#[must_use]
pub fn not_loaded(view: &SandboxView) -> Option<String> {
    let reason = shown::visible(view.load_error.as_ref().filter(|_| view.ended.is_none())?);
    Some(if view.is_retained {
        format!("! revision {} stays in force: {} does not load: {reason}", view.loaded, view.failed)
    } else {
        format!("! quarantine: everything is denied: {reason}")
    })
}

/// How the command is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptIn {
    /// No run is known.
    Unknown,
    /// In namespaces of its own.
    Netns,
    /// In namespaces of its own, but as root of the host.
    NetnsAsRoot,
    /// Not at all.
    Unisolated,
}

impl From<Option<&SandboxView>> for KeptIn {
    fn from(view: Option<&SandboxView>) -> Self {
        match view.and_then(|view| view.isolation.map(|isolation| (isolation, view.host_root))) {
            None => Self::Unknown,
            Some((Isolation::Netns, false)) => Self::Netns,
            Some((Isolation::Netns, true)) => Self::NetnsAsRoot,
            Some((Isolation::None, _)) => Self::Unisolated,
        }
    }
}

impl KeptIn {
    /// What must not be out of sight, short.
    #[must_use]
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Self::Unknown | Self::Netns => None,
            Self::NetnsAsRoot => Some("! host root"),
            Self::Unisolated => Some("! unisolated"),
        }
    }

    /// The whole of it, on one line.
    #[must_use]
    pub fn fact(self) -> &'static str {
        match self {
            Self::Unknown => "isolation unknown",
            Self::Netns => "netns",
            Self::NetnsAsRoot => "! host root: isolated, but as uid 0",
            Self::Unisolated => "! unisolated: it can bypass the proxy",
        }
    }
}

#[cfg(test)]
mod tests {
    use openshell_domain::event::RunEnd;
    use openshell_domain::id::Revision;

    use super::*;

    /// Kills: saying that everything is denied where the policy before stays in force, or the other way round.
    #[test]
    fn a_policy_that_does_not_load_is_told_with_what_holds_instead() {
        let mut view = SandboxView { load_error: Some("no\u{1b}".into()), ..SandboxView::default() };
        (view.loaded, view.failed) = (Revision(2), Revision(3));
        let told = not_loaded(&view).unwrap();
        assert!(
            is_quarantined(&view) && told.starts_with("! quarantine: everything is denied: no\\u"),
            "{told}"
        );
        view.is_retained = true;
        let told = not_loaded(&view).unwrap();
        assert!(
            !is_quarantined(&view) && told.starts_with("! revision 2 stays in force: 3 does not load: no"),
            "{told}"
        );
        view.ended = Some(RunEnd::Finished);
        assert_eq!(not_loaded(&view), None);
    }

    #[test]
    fn only_a_command_that_is_kept_in_as_nobody_of_power_goes_without_a_warning() {
        let of = |isolation, host_root| {
            let view = SandboxView { isolation, host_root, ..SandboxView::default() };
            KeptIn::from(Some(&view)).warning()
        };
        assert_eq!(of(Some(Isolation::Netns), false), None);
        assert_eq!(of(Some(Isolation::Netns), true), Some("! host root"));
        assert_eq!(of(Some(Isolation::None), false), Some("! unisolated"));
        assert_eq!(of(Some(Isolation::None), true), Some("! unisolated"));
        assert_eq!((of(None, false), KeptIn::from(None)), (None, KeptIn::Unknown));
    }
}

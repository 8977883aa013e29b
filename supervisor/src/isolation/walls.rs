//! What is taken away before the command starts: capabilities, new privileges, paths (Landlock), system calls.
//!
//! Done by pid 1 to itself, while it has one thread; whatever it starts inherits all of it and nothing can undo it.

use std::io;

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};
use rustix::process::DumpableBehavior;
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::failure::{At as _, Failure, Step};
use super::seccomp;
use super::spec::Wall;

/// The newest Landlock that this program knows; older kernels do what they can.
const NEWEST: ABI = ABI::V9;
/// What `hard_requirement` demands: every right over files but those of devices and sockets (Linux 6.2).
const DEMANDED: ABI = ABI::V3;
/// The highest capability number that there may ever be.
const CAPABILITIES: u32 = 63;

/// Takes everything away.
pub(super) fn raise(wall: &Wall) -> Result<(), Failure> {
    drop_capabilities().at(Step::Privileges, "capabilities")?;
    rustix::thread::set_no_new_privs(true).at(Step::Privileges, "no_new_privs")?;
    // Nobody inside may look into pid 1 or steer it, though it has the same user.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).at(Step::Privileges, "dumpable")?;
    landlock(wall)
        .map_err(|error| Failure::new(Step::Landlock, "the ruleset", io::Error::other(error.to_string())))?;
    seccomp::install().at(Step::Seccomp, "seccomp")
}

fn drop_capabilities() -> io::Result<()> {
    for number in 0..=CAPABILITIES {
        let Some(capability) = CapabilitySet::from_bits(1 << number) else { continue };
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // Past the last one that this kernel knows.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    Ok(rustix::thread::set_capabilities(None, none)?)
}

fn landlock(wall: &Wall) -> Result<(), RulesetError> {
    let mut ruleset = Ruleset::default();
    if wall.is_hard {
        ruleset = ruleset
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(DEMANDED))?
            .set_compatibility(CompatLevel::BestEffort);
    }
    ruleset
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(&wall.readable, AccessFs::from_read(NEWEST)))?
        // Sockets by name are never opened to: those of processes inside the same wall need no rule (Linux 7.1).
        .add_rules(path_beneath_rules(&wall.writable, AccessFs::from_all(NEWEST) & !AccessFs::ResolveUnix))?
        .restrict_self()?;
    Ok(())
}

//! What the command is given of the supervisor's own: as many descriptors as there were before it took more.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{NONE, POLICY, World};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kills: a command that inherits the limit that the supervisor raised for its own connections.
#[test]
fn the_command_may_have_as_many_descriptors_as_outside() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(640), ..limit }).unwrap();
    let world = World::start();
    for (name, options) in [("walled", &[][..]), ("open", &NONE[..])] {
        let output = world.run(name, POLICY, options, &["bash", "-c", "ulimit -n"]);
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(told.trim(), "640", "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

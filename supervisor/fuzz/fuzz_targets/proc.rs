//! Any text as `/proc/<pid>/net/tcp`: an inode only from a row that has both addresses of the connection.

#![no_main]

use std::net::SocketAddr;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use openshell_supervisor::fuzzing::inode;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    local: ([u8; 4], u16),
    remote: ([u8; 4], u16),
    row: u64,
    before: &'a str,
    text: &'a str,
}

fuzz_target!(|input: Input<'_>| {
    let [local, remote] =
        [input.local, input.remote].map(|(address, port)| SocketAddr::from((address, port)));
    let form = |(address, port): ([u8; 4], u16)| format!("{:08X}:{port:04X}", u32::from_ne_bytes(address));
    let (here, there) = (form(input.local), form(input.remote));
    if let Some(found) = inode(input.text, local, remote) {
        assert_ne!(found, 0);
        assert!(
            input.text.contains(&here)
                && input.text.contains(&there)
                && input.text.contains(&found.to_string())
        );
    }
    let before: String =
        input.before.lines().filter(|line| !line.contains(&here)).map(|line| format!("{line}\n")).collect();
    let row = format!(
        "{before}   0: {here} {there} 01 00000000:00000000 00:00000000 00000000  1000        0 {} 1 0\n",
        input.row
    );
    assert_eq!(inode(&row, local, remote), Some(input.row).filter(|inode| *inode > 0), "{row}");
});

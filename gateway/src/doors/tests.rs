use std::os::unix::fs::PermissionsExt;

use super::*;

fn directory(mode: u32) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    chmod(directory.path(), mode);
    directory
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn refusal(path: &Path) -> String {
    open(path).unwrap_err().to_string()
}

#[test]
fn both_sockets_are_for_their_owner_alone_and_go_with_the_gateway() {
    let directory = directory(0o755);
    let socket = directory.path().join("made/on/the/way/gw.sock");
    let doors = open(&socket).unwrap();
    for path in [&socket, &door::sandbox_door(&socket)] {
        assert_eq!(path.symlink_metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(UnixStream::connect(path).is_ok());
    }
    assert_eq!(socket.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    drop(doors);
    assert!(!socket.exists() && !door::sandbox_door(&socket).exists());
}

#[test]
fn a_live_socket_is_left_alone_and_a_dead_one_is_replaced() {
    let directory = directory(0o700);
    let socket = directory.path().join("gw.sock");
    let sandbox = door::sandbox_door(&socket);
    let alive = UnixListener::bind(&sandbox).unwrap();
    assert!(refusal(&socket).contains("is in use by another gateway"));
    assert!(!socket.exists(), "and the other door is not left open");
    drop(alive);
    assert!(sandbox.exists(), "the file of a dead listener stays");
    let [(first, _listener), _second] = open(&socket).unwrap();
    assert!(refusal(&socket).contains("is in use by another gateway"));
    // Somebody else's socket in our place is not ours to remove.
    std::fs::remove_file(&socket).unwrap();
    let _other = UnixListener::bind(&socket).unwrap();
    drop(first);
    assert!(socket.exists());
}

#[test]
fn what_is_no_socket_is_not_removed() {
    let directory = directory(0o700);
    let socket = directory.path().join("gw.sock");
    std::fs::write(&socket, "a file").unwrap();
    assert!(refusal(&socket).contains("is not a socket"));
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "a file");
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    for (mode, is_fine) in [(0o700, true), (0o755, true), (0o1777, true), (0o777, false), (0o770, false)] {
        let directory = directory(mode);
        match open(&directory.path().join("gw.sock")) {
            Ok(_) => assert!(is_fine, "{mode:o}"),
            Err(error) => {
                assert!(!is_fine && error.to_string().contains("can be written by others"), "{error}");
            }
        }
    }
}

#[test]
fn a_path_that_does_not_fit_is_refused_with_both_numbers() {
    let directory = directory(0o700);
    let room = door::MAX_SOCKET_PATH - directory.path().as_os_str().len() - 1 - ".sandbox".len();
    let error = refusal(&directory.path().join("x".repeat(room + 1)));
    assert!(error.contains("is 108 bytes long") && error.contains("at most 107"), "{error}");
    open(&directory.path().join("x".repeat(room))).unwrap();
}

use super::Workers;

#[test]
fn a_connection_goes_to_the_thread_with_the_fewest_and_leaves_its_place() {
    let workers = Workers(vec![super::Worker::start().unwrap(), super::Worker::start().unwrap()]);
    let (first, one) = workers.seat().unwrap();
    let (second, _two) = workers.seat().unwrap();
    assert_ne!(first.id(), second.id());
    let (third, _three) = workers.seat().unwrap();
    assert_eq!(third.id(), first.id());
    drop((one, _three));
    let (fourth, _four) = workers.seat().unwrap();
    assert_eq!(fourth.id(), first.id());
}

/// Kills: tasks that move to another thread, and threads that outlive the run.
#[test]
fn what_is_spawned_on_a_thread_stays_there_and_ends_with_it() {
    let workers = Workers::start().unwrap();
    let (handle, _seat) = workers.seat().unwrap();
    let (told, tells) = std::sync::mpsc::sync_channel(2);
    let inner = told.clone();
    handle.spawn(async move {
        told.send(std::thread::current().id()).unwrap();
        let deep = tokio::spawn(async move {
            tokio::task::yield_now().await;
            inner.send(std::thread::current().id()).unwrap();
            std::future::pending::<()>().await;
        });
        deep.await.unwrap();
    });
    assert_eq!(tells.recv().unwrap(), tells.recv().unwrap());
    drop(workers);
    // Both ends that could tell more are gone with the runtime.
    assert!(tells.recv().is_err());
}

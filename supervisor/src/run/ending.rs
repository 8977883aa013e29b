//! The end of a run: what is under way is answered, and what was denied at last is told, each in bounded time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{RunArgs, RunError, log_folder};
use crate::context::Context;
use crate::mapper;

/// How long requests that are under way when the command ends may take to be answered.
const DRAIN_DEADLINE: Duration = Duration::from_secs(3);
/// How long the last denials may take to be told.
const LAST_DENIALS_DEADLINE: Duration = Duration::from_secs(1);
/// Lets what is under way be answered (what outlives the command without isolation, and what origins are still told),
/// tells the last denials, and frees the name for the next run.
pub(super) async fn finish(context: &Arc<Context>, last: Mapping) {
    context.ending.cancel();
    context.clients.close();
    // Who is not done by then is cut off: the command has ended, and its exit code is waited for.
    let _ = tokio::time::timeout(DRAIN_DEADLINE, context.clients.wait()).await;
    last.tell(context).await;
    // Also where the command did not start.
    context.gateway.end().await;
}

/// The mapper at work, and what ends it.
pub(super) struct Mapping {
    stop: oneshot::Sender<()>,
    mapper: JoinHandle<()>,
}

/// Lets denials become proposals from here on.
pub(super) fn begin_mapping(context: &Arc<Context>, args: &RunArgs) -> Result<Mapping, RunError> {
    let undelivered = log_folder(args)?.join(format!("undelivered-{}.json", args.sandbox));
    let (stop, stopped) = oneshot::channel();
    let mapper = tokio::spawn(mapper::run(Arc::clone(context), undelivered, stopped));
    Ok(Mapping { stop, mapper })
}

impl Mapping {
    /// What was denied in the command's last moment is told as well, before there is no run that it belongs to.
    async fn tell(self, context: &Context) {
        context.denied_tunnels.close();
        // The command has ended: what is not told in time does not keep its exit code waiting.
        let _ = tokio::time::timeout(LAST_DENIALS_DEADLINE, context.denied_tunnels.wait()).await;
        drop(self.stop);
        let _ = tokio::time::timeout(LAST_DENIALS_DEADLINE, self.mapper).await;
    }
}

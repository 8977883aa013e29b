//! The gateway as a program: logs, signals, exit codes. Both `openshell-gateway serve` and
//! `openshell-inbox gateway serve` are this.

use openshell_domain::untrusted::Untrusted;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{ServeArgs, ServeError, serve};

/// Serves until SIGTERM or SIGINT and gives the exit code: 0 stopped as asked, 1 failed while it ran, 3 could not
/// start. Logs go to standard error; `RUST_LOG` says how much.
#[must_use]
pub fn program(args: ServeArgs) -> u8 {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let has_colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(has_colour)
        .with_writer(std::io::stderr)
        .init();
    let served = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))
        .map(|runtime| runtime.block_on(until_told(args)));
    let (error, code) = match served {
        Ok(Ok(Ok(()))) => return 0,
        Ok(Ok(Err(error))) if error.is_late() => (error.to_string(), 1),
        Ok(Ok(Err(error))) => (error.to_string(), 3),
        Ok(Err(error)) => (format!("cannot listen for signals: {error}"), 3),
        Err(error) => (error, 3),
    };
    eprintln!("openshell-gateway: {}", Untrusted::new(&error).visible_lines().join("\n"));
    code
}

async fn until_told(args: ServeArgs) -> std::io::Result<Result<(), ServeError>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let told = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(serve(args, told).await)
}

//! `Attach`, up to the first directive: who is there, and may it be.
//!
//! A hello without a secret starts a run: its policy file is read here, so that what is wrong with it is said
//! before anything is stored. A hello with a secret resumes the sandbox's latest run and stores nothing. Refuses
//! a second run of a sandbox while one is attached.

use std::time::Duration;

use futures_util::Stream;
use openshell_domain::command::{Command, Refusal, StartRun};
use openshell_domain::id::{Digest, IdError, RunId, SandboxName};
use openshell_domain::policy::read::{Loaded, policy_from_yaml};
use openshell_domain::policy::risk::{self, Credential, MAX_CREDENTIALS, ScopeError};
use openshell_domain::state::State;
use openshell_domain::untrusted::Untrusted;
use openshell_wire::pb::inbox::{self as pb, report::Report};
use openshell_wire::proposal::isolation;
use sha2::{Digest as _, Sha256};
use tonic::{Code, Status, Streaming};

use super::session::{self, Session};
use super::{authorise, denied, fingerprint};
use crate::clock;
use crate::gateway::Shared;
use crate::registry::{Attachment, Registry};
use crate::status;
use crate::store::writer::NotDone;

/// How long a supervisor may take to say hello.
const HELLO: Duration = Duration::from_secs(10);
/// The longest supervisor version, in bytes.
const MAX_VERSION: usize = 128;
/// The longest policy file name, in bytes: Linux's `PATH_MAX`.
const MAX_FILE: usize = 4096;

/// Lets a supervisor in and gives back the stream of its directives.
pub(super) async fn attach(
    shared: &Shared,
    mut reports: Streaming<pb::Report>,
) -> Result<impl Stream<Item = Result<pb::Directive, Status>> + Send + use<>, Status> {
    let hello = hello(&mut reports).await?;
    let name: SandboxName = hello.sandbox.parse().map_err(|error: IdError| status::invalid(&error.into()))?;
    let run: RunId = hello.run.parse().map_err(|error: IdError| status::invalid(&error.into()))?;
    let (attachment, secret) = if hello.run_secret.is_empty() {
        start(shared, &name, run, hello).await?
    } else {
        (resume(&shared.ledger.state(), &shared.registry, (&name, run), &hello.run_secret)?, hello.run_secret)
    };
    let session = Session { shared: shared.clone(), name, run, attachment, reports };
    Ok(session::serve(session, secret))
}

async fn hello(reports: &mut Streaming<pb::Report>) -> Result<pb::Hello, Status> {
    let first = tokio::time::timeout(HELLO, reports.message()).await;
    match first.map_err(|_| Status::deadline_exceeded("no hello came"))?? {
        Some(pb::Report { report: Some(Report::Hello(hello)) }) => Ok(hello),
        _ => Err(status::invalid_text("the first report must be hello")),
    }
}

/// Lets a run in again that proves who it is.
pub(crate) fn resume(
    state: &State,
    registry: &Registry,
    (name, run): (&SandboxName, RunId),
    secret: &[u8],
) -> Result<Attachment, Status> {
    let sandbox = authorise(state, name, secret)?;
    if sandbox.run() != Some(run) {
        return Err(denied());
    }
    if sandbox.live_run().is_none() {
        let refusal = Refusal::RunEnded { sandbox: name.clone(), run };
        return Err(status::not_done(NotDone::Refused(refusal)));
    }
    Ok(registry.resume(name, run))
}

async fn start(
    shared: &Shared,
    name: &SandboxName,
    run: RunId,
    hello: pb::Hello,
) -> Result<(Attachment, Vec<u8>), Status> {
    let secret: [u8; 32] = clock::random().map_err(|error| Status::unavailable(error.to_string()))?;
    let start = start_run(name, run, hello, &secret)?;
    // The place is taken before the run is stored, so that of two that start at once only one is.
    let attachment = shared.registry.start(name, run).map_err(|other| taken(name, other))?;
    shared.ledger.execute(Command::StartRun(Box::new(start))).await.map_err(status::not_done)?;
    Ok((attachment, secret.to_vec()))
}

/// What a hello without a secret asks for.
pub(crate) fn start_run(
    name: &SandboxName,
    run: RunId,
    hello: pb::Hello,
    secret: &[u8],
) -> Result<StartRun, Status> {
    let Loaded { policy, places, .. } = policy(&hello)?;
    let isolation = isolation(&hello.isolation).map_err(|error| status::invalid(&error))?;
    for (field, text, limit) in [
        ("supervisor_version", &hello.supervisor_version, MAX_VERSION),
        ("policy_file", &hello.policy_file, MAX_FILE),
    ] {
        if text.len() > limit {
            let message = format!("{field}: {} bytes long, at most {limit} are allowed", text.len());
            return Err(status::invalid_text(&message));
        }
    }
    let credentials = credentials(&hello.credentials)?;
    risk::check_writable(&hello.writable).map_err(|error| beyond("writable", &error))?;
    Ok(StartRun {
        sandbox: name.clone(),
        run,
        secret_hash: fingerprint(secret),
        supervisor_version: hello.supervisor_version,
        isolation,
        host_root: hello.host_root,
        advisor: hello.advisor,
        policy_file: hello.policy_file,
        policy_file_hash: Digest(Sha256::digest(hello.policy_yaml.as_bytes()).into()),
        policy,
        places,
        credentials,
        writable: hello.writable,
        accept_policy_change: hello.accept_policy_change,
    })
}

/// The policy of the file, or every mistake in it, each with the file's name in front.
fn policy(hello: &pb::Hello) -> Result<Loaded, Status> {
    policy_from_yaml(&hello.policy_yaml).map_err(|problems| {
        let file = Untrusted::new(&hello.policy_file).visible();
        let lines: Vec<String> = problems.0.iter().map(|problem| problem.in_file(&file)).collect();
        status::refuse(Code::InvalidArgument, "policy", &lines.join("\n"))
    })
}

/// The credentials in scope, read again: the supervisor stands next to the agent.
fn credentials(told: &[pb::Credential]) -> Result<Vec<Credential>, Status> {
    let at = |(index, told)| {
        Credential::try_from(told).map_err(|error| beyond(&format!("credentials[{index}]"), &error))
    };
    // One more than there may be is enough to refuse them.
    let told = told.get(..=MAX_CREDENTIALS).unwrap_or(told);
    let credentials = told.iter().enumerate().map(at).collect::<Result<Vec<_>, _>>()?;
    risk::check_credentials(&credentials).map_err(|error| beyond("credentials", &error))?;
    Ok(credentials)
}

fn beyond(field: &str, error: &ScopeError) -> Status {
    status::invalid_text(&format!("{field}: {error}"))
}

fn taken(name: &SandboxName, other: RunId) -> Status {
    let message = format!(
        "run {other} of sandbox {name} is attached right now: stop it, or choose another --sandbox name"
    );
    status::refuse(Code::FailedPrecondition, "attached", &message)
}

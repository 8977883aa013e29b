//! The load: agents that ask and reviewers that decide, all at once, until their gateway is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use openshell_wire::pb::inbox::supervisor_client::SupervisorClient;
use openshell_wire::pb::inbox::{self as pb, Verb};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::common::*;
use crate::{Dice, SANDBOXES};

/// So many gateways serve the same runs; then new sandboxes come.
const ERA: u64 = 6;

/// What a gateway has said yes to.
#[derive(Default)]
pub(crate) struct Acknowledged {
    /// Ids of proposals.
    pub(crate) submitted: Mutex<Vec<String>>,
    /// Ids of proposals, what was decided, and the event that says so.
    pub(crate) decided: Mutex<Vec<(String, Verb, u64)>>,
    more: Notify,
    /// The secrets of the runs, by sandbox: a supervisor outlives its gateway and comes back.
    secrets: Mutex<HashMap<String, Vec<u8>>>,
}

impl Acknowledged {
    pub(crate) fn count(&self) -> u64 {
        (self.submitted.lock().unwrap().len() + self.decided.lock().unwrap().len()) as u64
    }

    pub(crate) fn tell(&self) -> String {
        let (submitted, decided) = (self.submitted.lock().unwrap().len(), self.decided.lock().unwrap().len());
        format!("{submitted} submissions and {decided} decisions")
    }

    pub(crate) async fn reaches(&self, wanted: u64) {
        while self.count() < wanted {
            self.more.notified().await;
        }
    }

    async fn attach(&self, place: &Place, era: u64, sandbox: usize) -> Attached {
        let name = format!("s{era}-{sandbox}");
        let secret = self.secrets.lock().unwrap().get(&name).cloned().unwrap_or_default();
        let run = u128::from(era) << 32 | sandbox as u128;
        let agent = place.attach(pb::Hello { run_secret: secret, ..hello(&name, run) }).await.unwrap();
        self.secrets.lock().unwrap().insert(name, agent.secret.clone());
        agent
    }

    fn submit(&self, id: &str) {
        self.submitted.lock().unwrap().push(id.to_owned());
        self.more.notify_one();
    }

    fn decide(&self, id: &str, verb: Verb, seq: u64) {
        self.decided.lock().unwrap().push((id.to_owned(), verb, seq));
        self.more.notify_one();
    }
}

/// Agents of every sandbox and two reviewers; all of them end with their gateway.
pub(crate) async fn start(
    place: &Place,
    round: u64,
    dice: &mut Dice,
    acknowledged: &Arc<Acknowledged>,
) -> JoinSet<()> {
    let mut load = JoinSet::new();
    let (asked, asks) = mpsc::channel(1024);
    let asks = Arc::new(tokio::sync::Mutex::new(asks));
    for sandbox in 0..SANDBOXES {
        let agent = acknowledged.attach(place, round / ERA, sandbox).await;
        for task in 0..2 {
            let request = agent.submission(&[]);
            let (asked, acknowledged) = (asked.clone(), acknowledged.clone());
            load.spawn(ask(agent.client.clone(), request, format!("/{round}/{task}"), asked, acknowledged));
        }
        // Its stream must stay open, or its run would be over.
        load.spawn(async move {
            let mut agent = agent;
            while agent.directives.message().await.is_ok_and(|directive| directive.is_some()) {}
        });
    }
    for _ in 0..2 {
        let (asks, acknowledged) = (asks.clone(), acknowledged.clone());
        load.spawn(decide(place.inbox().await, Dice(dice.roll(u64::MAX)), asks, acknowledged));
    }
    load
}

async fn ask(
    mut client: SupervisorClient<Channel>,
    request: pb::SubmitProposalsRequest,
    prefix: String,
    asked: mpsc::Sender<pb::Proposal>,
    acknowledged: Arc<Acknowledged>,
) {
    for n in 0.. {
        let mut request = request.clone();
        request.operations =
            vec![pb::AddRule { rule_name: "put_file".into(), rule: Some(put(&format!("{prefix}/{n}"))) }];
        let Ok(answer) = client.submit_proposals(request).await else { return };
        let Some(proposal) = answer.into_inner().results.remove(0).proposal else {
            panic!("an ask was refused")
        };
        acknowledged.submit(&proposal.id);
        // Reviewers may be slower than agents: those that they cannot take stay pending.
        let _ = asked.try_send(proposal);
    }
}

async fn decide(
    mut client: pb::inbox_client::InboxClient<Channel>,
    mut dice: Dice,
    asks: Arc<tokio::sync::Mutex<mpsc::Receiver<pb::Proposal>>>,
    acknowledged: Arc<Acknowledged>,
) {
    loop {
        let Some(proposal) = asks.lock().await.recv().await else { return };
        let verb = if dice.roll(2) == 0 { Verb::Approve } else { Verb::Reject };
        let other = if dice.roll(4) == 0 { Verb::Reject } else { verb };
        // Sometimes two at once, of which one may win.
        let mut second = client.clone();
        let (a, b) = tokio::join!(
            client.decide(decision(&proposal, verb, "first")),
            second.decide(decision(&proposal, other, "second"))
        );
        let mut yes = 0;
        for (answer, verb) in [(&a, verb), (&b, other)] {
            if let Ok(answer) = answer {
                acknowledged.decide(&proposal.id, verb, answer.get_ref().seq);
                yes += 1;
            }
        }
        assert!(yes <= 1, "two decisions on one draft were acknowledged");
        let is_gone = |status: &tonic::Status| word(status).is_empty();
        if a.as_ref().is_err_and(is_gone) || b.as_ref().is_err_and(is_gone) {
            return;
        }
    }
}

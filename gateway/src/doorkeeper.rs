//! What holds for every request at both doors: a gateway that stops refuses it in words, and refusals are counted.
//!
//! Knows how many are being answered, so that a gateway that stops can wait for them. A stream counts until its
//! first message is on its way: streams are told to end. Wraps the services; called by tonic.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::metrics::Metrics;
use crate::presence::Crowd;
use crate::status;

/// Stands at a door.
#[derive(Debug, Clone)]
pub(crate) struct Doorkeeper {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) busy: Crowd,
    pub(crate) stopping: CancellationToken,
}

/// A service with a doorkeeper before it.
#[derive(Debug, Clone)]
pub(crate) struct Kept<S> {
    keeper: Doorkeeper,
    service: S,
}

impl<S> Layer<S> for Doorkeeper {
    type Service = Kept<S>;

    fn layer(&self, service: S) -> Kept<S> {
        Kept { keeper: self.clone(), service }
    }
}

impl<S> Service<Request<Body>> for Kept<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let metrics = self.keeper.metrics.clone();
        // Before the look: whoever waits until nobody is busy has seen to it that the look says no.
        let busy = self.keeper.busy.enter();
        let admitted = (!self.keeper.stopping.is_cancelled()).then(|| self.service.call(request));
        Box::pin(async move {
            let response = match admitted {
                Some(answer) => answer.await?,
                None => status::stopping().into_http(),
            };
            if let Some(word) = response.headers().get(status::WORD) {
                metrics.refused(word.as_bytes());
            }
            drop(busy);
            Ok(response)
        })
    }
}

//! What is told where a limit of the sandbox is reached: 503, with when to come again. Never a silent close.

use std::time::Duration;

use http::{Response, StatusCode, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::reply::{self, Body};

/// How long a client that is refused may take to read why.
const DEADLINE: Duration = Duration::from_secs(1);
/// How much of what it sends is read, so that it sees the reply and not a reset.
const DRAIN: u64 = 64 * 1024;

/// A limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Busy {
    #[error("this sandbox has as many connections open as it may have: close some, then try again")]
    Connections,
    #[error("this sandbox begins more TLS handshakes a second than it may: use connections again")]
    Handshakes,
    #[error("what this sandbox has under way fills the memory that it may take: try again later")]
    Buffers,
}

impl Busy {
    fn code(self) -> &'static str {
        match self {
            Self::Connections => "too_many_connections",
            Self::Handshakes => "too_many_handshakes",
            Self::Buffers => "too_much_under_way",
        }
    }

    /// The reply.
    pub(super) fn reply(self) -> Response<Body> {
        let response = reply::error(StatusCode::SERVICE_UNAVAILABLE, self.code(), &self.to_string());
        reply::with_header(response, header::RETRY_AFTER, "1")
    }

    /// The same for a connection that nobody will serve.
    pub(super) async fn tell(self, mut stream: TcpStream) {
        let body = serde_json::json!({"error": self.code(), "detail": self.to_string()}).to_string();
        let reply = format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        // Who does not read it is told nothing more.
        let _ = timeout(DEADLINE, async {
            stream.write_all(reply.as_bytes()).await?;
            stream.shutdown().await?;
            let mut rest = stream.take(DRAIN);
            tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kills: two limits under one code, and a refusal that does not say when to come again.
    #[test]
    fn each_limit_is_told_under_a_code_of_its_own() {
        let all = [Busy::Connections, Busy::Handshakes, Busy::Buffers];
        for busy in all {
            let reply = busy.reply();
            assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(reply.headers()[header::RETRY_AFTER], "1");
            assert_eq!(all.iter().filter(|other| other.code() == busy.code()).count(), 1);
        }
    }
}

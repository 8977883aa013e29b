use http_body_util::Empty;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio_rustls::TlsConnector;

use super::*;

const HOST: &str = "api.github.com";

async fn dial(origin: &Origin, host: &str) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(origin.ca_pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(origin.addr()).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(host.to_owned()).unwrap(), stream).await
}

async fn send(origin: &Origin, method: &str, path: &str, body: &str) -> (u16, Value) {
    send_as(origin, "Bearer secret", (method, path), body).await
}

async fn send_as(origin: &Origin, token: &str, (method, path): (&str, &str), body: &str) -> (u16, Value) {
    let stream = dial(origin, HOST).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", HOST)
        .header("authorization", token)
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    driver.abort();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn write(content: &str) -> String {
    json!({ "message": "m", "content": content, "branch": "b", "sha": "old" }).to_string()
}

#[tokio::test]
async fn a_file_is_written_read_and_written_again() {
    let origin = Origin::start(HOST, "secret").unwrap();
    let path = "/repos/o/r/contents/a.md";
    assert_eq!(send(&origin, "GET", path, "").await, (404, json!({ "message": "Not Found" })));
    let (status, made) = send(&origin, "PUT", path, &write("aGk=")).await;
    assert_eq!((status, &made["commit"]["message"]), (201, &json!("m")));
    let (status, read) = send(&origin, "GET", &format!("{path}?ref=b"), "").await;
    let wanted = json!({ "name": "a.md", "path": path, "sha": made["content"]["sha"],
                         "content": "aGk=", "encoding": "base64" });
    assert_eq!((status, read), (200, wanted));
    for method in ["POST", "PATCH"] {
        let (status, again) = send(&origin, method, path, &write("aG8=")).await;
        assert_eq!(status, 200);
        assert_ne!(again["content"]["sha"], made["content"]["sha"]);
    }
    let file = origin.file(path).unwrap();
    assert_eq!((file.content.as_slice(), file.branch.as_deref()), (b"ho".as_slice(), Some("b")));
    assert_eq!(origin.file("/other"), None);
    let seen: Vec<(String, u16)> =
        origin.requests().into_iter().map(|seen| (seen.method, seen.status)).collect();
    let wanted = [("GET", 404), ("PUT", 201), ("GET", 200), ("POST", 200), ("PATCH", 200)];
    assert_eq!(seen, wanted.map(|(method, status)| (method.to_owned(), status)));
    assert_eq!(origin.requests()[2].path, path);
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_still_seen() {
    let origin = Origin::start(HOST, "secret").unwrap();
    for token in ["Bearer wrong", "secret", "bearer secret", "Bearer secret2"] {
        let (status, body) = send_as(&origin, token, ("PUT", "/a"), &write("aGk=")).await;
        assert_eq!((status, body), (401, json!({ "message": "Bad credentials" })));
    }
    for body in ["", "{", "[]", r#"{"content":"aGk="}"#, &write("a"), &write("@@@@")] {
        assert_eq!(send(&origin, "PUT", "/a", body).await.0, 422, "{body}");
    }
    assert_eq!(send(&origin, "DELETE", "/a", "").await.0, 405);
    assert_eq!(send(&origin, "PUT", "/a", &write(&"A".repeat(MAX_BODY))).await.0, 413);
    assert_eq!(origin.file("/a"), None);
    assert_eq!(origin.requests().len(), 12);
}

#[tokio::test]
async fn it_speaks_for_its_host_only() {
    let origin = Origin::start(HOST, "secret").unwrap();
    assert!(dial(&origin, "api.gitlab.com").await.is_err());
    assert!(origin.addr().ip().is_loopback());
    assert!(!origin.ca_pem().contains("PRIVATE"));
}

#[tokio::test]
async fn it_ends_when_it_is_dropped() {
    let origin = Origin::start(HOST, "secret").unwrap();
    let stream = dial(&origin, HOST).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.unwrap();
    let address = origin.addr();
    drop(origin);
    // The connection that was open ends, and no new one is made.
    drop(tokio::time::timeout(std::time::Duration::from_secs(10), connection).await.unwrap());
    assert!(sender.ready().await.is_err());
    assert!(TcpStream::connect(address).await.is_err());
}

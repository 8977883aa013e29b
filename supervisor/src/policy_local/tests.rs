//! What is read of a request, and what of it is refused.

use super::*;

/// Kills: a body that stalls for ever, and one whose time is up without a word.
#[tokio::test(start_paused = true)]
async fn w18_a_body_that_stalls_is_told_with_a_408() {
    let stalls = futures_util::stream::pending::<Result<hyper::body::Frame<Bytes>, reply::BoxError>>();
    let request = Request::new(http_body_util::StreamBody::new(stalls));
    let refused = read_body(request).await.unwrap_err();
    assert_eq!(refused.status(), StatusCode::REQUEST_TIMEOUT);
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["error"], "body_timeout");
}

/// Kills: a refusal with bytes unread, which a reset takes away from who still sends them.
#[tokio::test]
async fn w18_what_is_too_long_is_read_before_it_is_refused() {
    for declared in ["100000", ""] {
        let mut left = 100;
        let frames = std::iter::from_fn(|| {
            left -= 1;
            (left >= 0).then(|| {
                Ok::<_, reply::BoxError>(hyper::body::Frame::data(Bytes::from_static(&[b'x'; 1000])))
            })
        });
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
        let mut request = Request::new(body);
        if !declared.is_empty() {
            request.headers_mut().insert(header::CONTENT_LENGTH, declared.parse().unwrap());
        }
        let refused = read_body(request).await.unwrap_err();
        assert_eq!((refused.status(), left), (StatusCode::PAYLOAD_TOO_LARGE, -1), "{declared}");
    }
}

#[test]
fn the_first_parameter_of_a_name_counts() {
    assert_eq!(parameter(Some("a=1&last=5&last=9"), "last"), Some("5"));
    assert_eq!(parameter(Some("last"), "last"), None);
    assert_eq!(parameter(None, "last"), None);
}

#[test]
fn a_key_is_read_whole_or_refused() {
    let read = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("idempotency-key", value.parse().unwrap());
        }
        idempotency_key(&headers).map_err(|response| response.status())
    };
    assert_eq!(read(&[]), Ok(String::new()));
    assert_eq!(read(&["a-1"]), Ok("a-1".to_owned()));
    for wrong in [&["a", "a"][..], &[""], &["a b"], &["x".repeat(65).as_str()]] {
        assert_eq!(read(wrong), Err(StatusCode::BAD_REQUEST), "{wrong:?}");
    }
}

/// Kills: answering a page in a browser inside, which would ask in the agent's name.
#[test]
fn w20_pages_are_refused_and_curl_is_not() {
    let headers = |pairs: &[(&'static str, &str)]| {
        pairs
            .iter()
            .map(|(k, v)| (http::HeaderName::from_static(k), v.parse().unwrap()))
            .collect::<HeaderMap>()
    };
    assert!(refuse_browser(&headers(&[("origin", "https://evil.example")])).is_some());
    assert!(refuse_browser(&headers(&[("sec-fetch-site", "cross-site")])).is_some());
    assert!(refuse_browser(&headers(&[("user-agent", "curl/8")])).is_none());
    for (value, fits) in [
        ("application/x-www-form-urlencoded", true),
        ("application/json; charset=UTF-8", true),
        ("text/plain;charset=latin1", false),
        ("multipart/form-data; boundary=x", false),
    ] {
        assert_eq!(check_content_type(&headers(&[("content-type", value)])).is_ok(), fits, "{value}");
    }
}

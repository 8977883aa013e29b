//! A query as the rules see it: decoded once, keys in any order, a key may have several values.

use std::borrow::Cow;

use smallvec::SmallVec;

/// A query, decoded: `+` is a space, percent-encoding is resolved.
#[derive(Debug, Default)]
pub(super) struct Query<'a>(SmallVec<[(Cow<'a, str>, Cow<'a, str>); 8]>);

impl<'a> Query<'a> {
    /// `None` where the query has no single reading: a bad escape, a `;`, or bytes that are not UTF-8.
    pub(super) fn read(query: Option<&'a str>) -> Option<Self> {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(key)?, decode(value)?))
        });
        decoded.collect::<Option<_>>().map(Self)
    }

    /// Every value of `key`; none where the query does not have it.
    pub(super) fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| &**value)
    }
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['+', '%', ';']) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b';' => return None,
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16).and_then(|d| u8::try_from(d).ok());
                digit()? << 4 | digit()?
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

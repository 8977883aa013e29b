//! What keeps secrets out of text that a person sees.
//!
//! Two nets: the secrets that this run knows, wherever they stand, and the shapes of common credentials, for
//! those that it does not know. Cuts nothing else; a false hit costs a word, a miss costs a key. Called for the
//! log tail of a failing run and for each line that the demo's agent prints.

#[cfg(test)]
mod tests;

/// What stands where a secret stood.
const MASKED: &str = "[masked]";

/// Credentials with a prefix of their own: the prefix, and how many characters must follow at least.
const PREFIXES: [(&str, usize); 16] = [
    ("github_pat_", 16),
    ("ghp_", 16),
    ("gho_", 16),
    ("ghu_", 16),
    ("ghs_", 16),
    ("ghr_", 16),
    ("glpat-", 16),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("sk-", 16),
    ("sk_live_", 16),
    ("npm_", 16),
    ("AIza", 30),
    ("AKIA", 16),
    ("ASIA", 16),
    ("eyJ", 20),
];

/// Words of an `Authorization` header whose next word is a credential, and whether it is one even if it looks
/// like an English word ("basic authentication", "token supplied").
const SCHEMES: [(&str, bool); 3] = [("bearer", true), ("basic", false), ("token", false)];

/// The secrets that a run knows.
#[derive(Clone, Default)]
pub struct Mask {
    /// Longest first, so that a secret within a secret does not leave the rest of it.
    secrets: Vec<String>,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} secrets)", self.secrets.len())
    }
}

impl Mask {
    /// A mask for these secrets, also in the spelling that they have inside JSON. Empty ones are left out.
    pub fn new<S: Into<String>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut all: Vec<String> = Vec::new();
        for secret in secrets {
            let secret: String = secret.into();
            let quoted = serde_json::Value::from(secret.trim()).to_string();
            let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
            all.extend([inner.to_owned(), secret.trim().to_owned(), secret]);
        }
        all.retain(|secret| !secret.trim().is_empty());
        all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup();
        Self { secrets: all }
    }

    /// Masks the known secrets only. Keeps a line of JSON a line of JSON.
    #[must_use]
    pub fn known(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASKED))
    }

    /// Masks the known secrets and everything that has the shape of a credential.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        mask_words(&mask_private_keys(&self.known(text)))
    }

    /// The last `lines` lines, masked *before* they are cut, so that no half of a key is left at the edge.
    #[must_use]
    pub fn tail(&self, text: &str, lines: usize) -> String {
        let masked = self.apply(text);
        let all: Vec<&str> = masked.lines().collect();
        let skip = all.len().saturating_sub(lines);
        all.into_iter().skip(skip).collect::<Vec<_>>().join("\n")
    }
}

/// Replaces each private key in PEM; one that is cut off loses everything up to the cut.
fn mask_private_keys(text: &str) -> String {
    const BEGIN: &str = "-----BEGIN ";
    const KEY: &str = "PRIVATE KEY-----";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let Some((_, body)) = after.split_once(KEY).filter(|(label, _)| is_label(label)) else {
            out.push_str(before);
            out.push_str(BEGIN);
            rest = after;
            continue;
        };
        out.push_str(&mask_headless_key(before));
        out.push_str(MASKED);
        rest = body.split_once(KEY).map_or("", |(_, after)| after);
    }
    out.push_str(&mask_headless_key(rest));
    out
}

/// `RSA `, `EC `, `ENCRYPTED `, or nothing.
fn is_label(label: &str) -> bool {
    label.len() <= 32 && label.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b' ')
}

/// The end of a private key whose beginning was lost to an earlier cut.
fn mask_headless_key(text: &str) -> String {
    match text.rsplit_once("PRIVATE KEY-----") {
        Some((before, after)) if before.contains("-----END ") => {
            let lines = before.lines().rev();
            let is_key = |line: &&str| line.contains("-----END ") || is_key_line(line);
            let kept = before.lines().count() - lines.take_while(is_key).count();
            let mut out: String = before.lines().take(kept).flat_map(|line| [line, "\n"]).collect();
            out.push_str(MASKED);
            out.push_str(after);
            out
        }
        _ => text.to_owned(),
    }
}

fn is_key_line(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

/// Replaces credentials that are one word: by prefix, or because of the word before them.
fn mask_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut scheme = None;
    for piece in text.split_inclusive(|c: char| !is_token_char(c)) {
        let word = piece.trim_end_matches(|c: char| !is_token_char(c));
        let gap = piece.strip_prefix(word).unwrap_or_default();
        if word.is_empty() {
            // Several spaces still stand before the credential; a new line or a comma does not.
            scheme = scheme.filter(|_| matches!(gap, " " | "\t"));
            out.push_str(gap);
            continue;
        }
        let follows = scheme.is_some_and(|is_sure| word.len() >= 8 && (is_sure || !is_english(word)));
        out.push_str(if follows || has_prefix(word) { MASKED } else { word });
        out.push_str(gap);
        let named = SCHEMES.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
        scheme = named.filter(|_| gap == " ").map(|(_, is_sure)| *is_sure);
    }
    out
}

fn is_english(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'.'))
}

/// The characters of base64url, JWTs and prefixed tokens. `/`, `+` and `=` belong to Basic credentials.
fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.~+/=".contains(c)
}

/// Whether a prefix stands at the beginning, or behind a `/` or `=` inside the word (`token=ghp_…`), and enough
/// follows it.
fn has_prefix(word: &str) -> bool {
    word.split(['/', '=']).any(|part| {
        PREFIXES
            .iter()
            .any(|(prefix, least)| part.strip_prefix(prefix).is_some_and(|rest| rest.len() >= *least))
    })
}

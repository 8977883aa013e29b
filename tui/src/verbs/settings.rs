//! `settings`: what is set, where, and to what.

use std::io::Write;

use serde::Serialize;

use super::{VerbError, json};
use crate::cli::{Output, Settings};
use crate::client::Client;
use crate::shown;

/// The word that takes a value away.
const UNSET: &str = "unset";

#[derive(Serialize)]
struct Row {
    key: String,
    value: String,
    origin: String,
}

pub(super) async fn run(
    client: &mut Client,
    ask: &Settings,
    output: Output,
    out: &mut dyn Write,
) -> Result<(), VerbError> {
    if let (Some(key), Some(value)) = (&ask.key, &ask.value) {
        let value = (value != UNSET).then(|| value.clone());
        let seq = client.set(&ask.sandbox, key, value).await?;
        return match (output, seq) {
            (Output::Json, seq) => json(out, &serde_json::json!({"key": key, "seq": seq})),
            (Output::Table, None) => Ok(writeln!(out, "{} is that already", shown::visible(key))?),
            (Output::Table, Some(seq)) => Ok(writeln!(out, "set  {}  seq {seq}", shown::visible(key))?),
        };
    }
    let rows: Vec<Row> = client
        .settings(&ask.sandbox)
        .await?
        .into_iter()
        .map(|setting| Row { key: setting.key, value: setting.value, origin: setting.origin })
        .collect();
    if output == Output::Json {
        return json(out, &rows);
    }
    let widest = rows.iter().map(|row| row.key.len()).max().unwrap_or(0);
    for row in &rows {
        let Row { key, value, origin } = row;
        writeln!(out, "{key:widest$}  {}  ({origin})", shown::visible(value))?;
    }
    Ok(out.flush()?)
}

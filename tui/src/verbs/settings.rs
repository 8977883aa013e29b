//! `settings`: what is set, where, and to what.

use serde::Serialize;

use super::VerbError;
use crate::cli::Settings;
use crate::client::Client;
use crate::printer::Printer;
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
    printer: &mut Printer<'_>,
) -> Result<(), VerbError> {
    if let (Some(key), Some(value)) = (&ask.key, &ask.value) {
        let value = (value != UNSET).then(|| value.clone());
        let seq = client.set(&ask.sandbox, key, value).await?;
        if !printer.is_table() {
            return Ok(printer.data(&serde_json::json!({"key": key, "seq": seq}))?);
        }
        let key = shown::visible(key);
        let text = match seq {
            None => format!("{key} is that already\n"),
            Some(seq) => format!("set  {key}  seq {seq}\n"),
        };
        return Ok(printer.text(&text)?);
    }
    let rows: Vec<Row> = client
        .settings(&ask.sandbox)
        .await?
        .into_iter()
        .map(|setting| Row { key: setting.key, value: setting.value, origin: setting.origin })
        .collect();
    if !printer.is_table() {
        return Ok(printer.data(&rows)?);
    }
    let widest = rows.iter().map(|row| row.key.len()).max().unwrap_or(0);
    let line = |Row { key, value, origin }: &Row| {
        format!("{:widest$}  {}  ({})\n", shown::visible(key), shown::visible(value), shown::visible(origin))
    };
    Ok(printer.text(&rows.iter().map(line).collect::<String>())?)
}

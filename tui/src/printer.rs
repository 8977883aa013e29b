//! The way of an answer to standard output: a table for people, JSON or YAML for programs.
//!
//! Owns the forms, not the contents. Data goes out raw under stable keys, escaped so that no character of it can act
//! on a terminal; a table makes every cell safe by itself. No colours and no escape sequences, ever. Called by the
//! verbs and by `gateway`.

mod table;
mod yaml;

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

pub use table::{Column, Table};
pub use yaml::to_yaml;

use crate::cli::Output;

/// Where answers go, in which form, and how wide a table may be.
pub struct Printer<'o> {
    output: Output,
    cells: Option<usize>,
    out: &'o mut dyn Write,
}

impl std::fmt::Debug for Printer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Printer").field("output", &self.output).field("cells", &self.cells).finish()
    }
}

impl<'o> Printer<'o> {
    /// Tables are cut to `cells`, where that is known; what goes into a pipe has no width and is never cut.
    pub fn new(output: Output, cells: Option<usize>, out: &'o mut dyn Write) -> Self {
        Self { output, cells, out }
    }

    /// Whether a person reads it.
    #[must_use]
    pub fn is_table(&self) -> bool {
        self.output == Output::Table
    }

    /// Whether a list is told item by item.
    #[must_use]
    pub fn is_lines(&self) -> bool {
        self.output == Output::Jsonl
    }

    /// Writes a text that was made safe before, as it is.
    ///
    /// # Errors
    /// What the output says.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Writes a table.
    ///
    /// # Errors
    /// What the output says.
    pub fn table(&mut self, table: &Table) -> io::Result<()> {
        self.text(&table.render(self.cells))
    }

    /// Writes the rows of a table that has no end, without its head.
    ///
    /// # Errors
    /// What the output says.
    pub fn rows(&mut self, table: &Table) -> io::Result<()> {
        let text = table.render(self.cells);
        self.text(text.split_once('\n').map_or("", |(_, rows)| rows))
    }

    /// Writes one answer as data. As JSON lines, a list is one line for each of its items.
    ///
    /// # Errors
    /// What the output says.
    pub fn data<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        let value = serde_json::to_value(value)?;
        let text = match (self.output, &value) {
            (Output::Yaml, value) => to_yaml(value),
            (Output::Jsonl, Value::Array(items)) => {
                items.iter().map(|item| format!("{}\n", escaped(&item.to_string()))).collect()
            }
            (Output::Jsonl, value) => format!("{}\n", escaped(&value.to_string())),
            (Output::Json | Output::Table, value) => {
                format!("{}\n", escaped(&serde_json::to_string_pretty(value)?))
            }
        };
        self.text(&text)
    }

    /// Writes one item of an answer that has no end: a line of JSON, or a document of YAML.
    ///
    /// # Errors
    /// What the output says.
    pub fn item<T: Serialize>(&mut self, item: &T) -> io::Result<()> {
        let item = serde_json::to_value(item)?;
        let text = match self.output {
            Output::Yaml => format!("---\n{}", to_yaml(&item)),
            _ => format!("{}\n", escaped(&item.to_string())),
        };
        self.text(&text)
    }
}

fn escaped(document: &str) -> String {
    openshell_domain::untrusted::visible_json(document)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(output: Output, print: impl Fn(&mut Printer<'_>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut Printer::new(output, None, &mut out)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_list_is_a_line_for_each_of_its_items_and_nothing_in_it_acts_on_a_terminal() {
        let list = json!([{"a": "x\u{1b}[2J\n\u{202e}"}, {"a": 2}]);
        let lines = printed(Output::Jsonl, |printer| printer.data(&list));
        assert_eq!(lines, "{\"a\":\"x\\u001b[2J\\n\\u202e\"}\n{\"a\":2}\n");
        let one = printed(Output::Jsonl, |printer| printer.data(&json!({"a": []})));
        assert_eq!(one, "{\"a\":[]}\n");
        let item = printed(Output::Yaml, |printer| printer.item(&json!({"a": "\u{202e}"})));
        assert_eq!(item, "---\na: \"\\u202e\"\n");
        let pretty = printed(Output::Json, |printer| printer.data(&list));
        assert_eq!(serde_json::from_str::<Value>(&pretty).unwrap(), list);
        assert!(!pretty.contains(['\u{1b}', '\u{202e}']), "{pretty}");
    }
}

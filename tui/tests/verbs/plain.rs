//! `--plain`: the program over pipes, as a screen reader has it, against a real gateway.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use super::stage::{DEADLINE, Stage};
use super::{inbox, json, program, quoted};

struct Reader {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    told: Vec<String>,
}

impl Reader {
    fn new(stage: &Stage) -> Self {
        let mut command = program(&stage.door(), &["--plain"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, input, lines, told: Vec::new() }
    }

    async fn line(&mut self) -> String {
        let line = timeout(DEADLINE, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("nothing more after {:#?}", self.told)).unwrap();
        let line = line.unwrap_or_else(|| panic!("it has ended after {:#?}", self.told));
        assert!(
            !line.chars().any(|c| c.is_control() || openshell_domain::untrusted::is_hidden(c)),
            "{line:?}"
        );
        self.told.push(line.clone());
        line
    }

    /// Reads until a line begins like this.
    async fn until(&mut self, beginning: &str) -> String {
        loop {
            let line = self.line().await;
            if line.starts_with(beginning) {
                return line;
            }
        }
    }

    async fn say(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Says it at a person's pace, and again for as long as it comes too soon; what is told then.
    async fn insist(&mut self, line: &str) -> String {
        loop {
            tokio::time::sleep(2 * openshell_inbox::screen::arming::PAUSE).await;
            self.say(line).await;
            let told = self.line().await;
            if !told.contains("came too soon") {
                return told;
            }
        }
    }

    async fn code(mut self) -> i32 {
        timeout(DEADLINE, self.child.wait()).await.unwrap().unwrap().code().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asks_are_told_shown_and_decided_line_by_line() {
    let mut stage = Stage::new().await;
    let mut supervisor = stage.supervisor().await;
    let door = stage.door();
    let first = supervisor.submit("/v1/run-1", "one \u{1b}[2J file").await;
    let mut reader = Reader::new(&stage);
    assert_eq!(reader.line().await, "connected. 1 ask is pending");
    let told = reader.until("ask ").await;
    let name = quoted(&door, &first).await;
    let name = format!("{}@{}", &name[..8], &name[37..]);
    assert!(told.starts_with(&format!("ask {name}, sandbox demo")), "{told}");
    assert!(told.contains("api.example.com:443 [L7 rest, allow PUT /v1/run-1]"), "{told}");
    let approve = format!("approve {}", &first[..8]);
    reader.say(&approve).await;
    reader
        .until(&format!("This was not shown before as it is now. To approve it, say again: approve {name}"))
        .await;
    assert!(reader.told.iter().any(|line| line.contains("one \\u{1b}[2J file")), "{:#?}", reader.told);
    assert_eq!(json(&door, &["show", &first, "--output", "json"]).await["status"], "pending");
    let told = reader.insist(&approve).await;
    assert!(told.starts_with(&format!("approved  {}  seq ", &first[..8])), "{told}");
    assert_eq!(reader.until("revision 2 loaded").await, "revision 2 loaded, by supervisor, sandbox demo");

    let second = supervisor.submit("/v1/run-2", "").await;
    reader.until(&format!("ask {}", &second[..8])).await;
    let told = reader.insist(&format!("reject {} only --one, please", &second[..8])).await;
    assert!(told.starts_with(&format!("rejected  {}", &second[..8])), "{told}");
    let shown = json(&door, &["show", &second, "--output", "json"]).await;
    assert_eq!(shown["decision"]["reason"], "only --one, please");
    let told = reader.insist(&format!("undo {}", &second[..8])).await;
    assert!(told.starts_with(&format!("undone  {}", &second[..8])), "{told}");
    reader.until(&format!("ask {}", &second[..8])).await;

    let elsewhere = inbox(&door, &["reject", &quoted(&door, &second).await, "--reason", "no"]).await;
    assert_eq!(elsewhere.code, 0, "{}", elsewhere.err);
    let told = reader.until(&format!("rejected {}", &second[..8])).await;
    assert!(told.contains("by uid:"), "{told}");

    stage.stop().await;
    reader.until("connection lost: ").await;
    let told = reader.insist(&approve).await;
    assert!(told.starts_with("nothing was decided: there is no connection"), "{told}");
    stage.start().await;
    reader.until("connected again").await;
    reader.say("quit").await;
    assert_eq!(reader.code().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_ready_on_standard_input_decides_nothing_and_its_end_is_the_end() {
    let stage = Stage::new().await;
    let mut supervisor = stage.supervisor().await;
    let id = supervisor.submit("/v1/run-1", "").await;
    let mut reader = Reader::new(&stage);
    let pasted = format!("show {id}\napprove {id}\napprove {id}\nreject {id} no\n").repeat(200);
    reader.until("ask ").await;
    reader.say(&pasted).await;
    let Reader { child, input, mut lines, .. } = reader;
    drop(input);
    let mut told = Vec::new();
    while let Some(line) = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap() {
        told.push(line);
    }
    let early = told.iter().filter(|line| line.contains("came too soon")).count();
    assert_eq!(early, 600, "{told:#?}");
    let output = timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(json(&stage.door(), &["show", &id, "--output", "json"]).await["status"], "pending");
    let gone = inbox(&stage.folder.path().join("gone.sock"), &["--plain"]).await;
    assert_eq!((gone.code, gone.out.as_str()), (3, ""), "{}", gone.err);
}

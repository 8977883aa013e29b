//! The SQLite log, looked into: each question with a connection that cannot write.

use openshell_domain::checkpoint::Checkpoint;
use openshell_domain::event::Envelope;
use openshell_domain::id::Stream;
use rusqlite::params;

use super::audit::{Audit, audit};
use super::row::{COLUMNS, Row, int};
use super::{SqliteReader, read_only, wal};
use crate::store::StoreError;
use crate::store::archive::{Archive, Proof};

impl Archive for SqliteReader {
    fn before(&self, stream: &Stream, before: u64, limit: u32) -> Result<Vec<Envelope>, StoreError> {
        let connection = read_only(&self.0)?;
        let mut statement = connection.prepare(&format!(
            "SELECT {COLUMNS} FROM events WHERE sandbox = ?1 AND stream_seq < ?2 ORDER BY stream_seq DESC LIMIT ?3"
        ))?;
        let rows = statement.query_map(params![stream.as_str(), int(before)?, limit], Row::read)?;
        rows.map(|row| row?.envelope()).collect()
    }

    fn prove(&self, kept: Option<Checkpoint>) -> Result<Proof, StoreError> {
        let Audit { head, streams, checkpoints, latest, signers, problems, .. } = audit(&self.0, kept)?;
        let (streams, signed) = (streams.len() as u64, latest.map_or(0, |latest| latest.seq));
        Ok(Proof { head, streams, checkpoints, signed, signers, problems })
    }

    fn size(&self) -> u64 {
        let files = [self.0.clone(), wal(&self.0)];
        files.iter().filter_map(|file| file.metadata().ok()).map(|found| found.len()).sum()
    }
}

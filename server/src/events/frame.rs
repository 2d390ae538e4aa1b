//! An event as bytes, written once and shared by everybody who is sent it.

use domain::timestamp::rfc3339;
use domain::{RoundId, TournamentId};
use hyper::body::Bytes;
use serde_json::{Map, Value};

use super::Kind;

/// The bytes of an event: a block of a server-sent stream, and the JSON object in it. Cloning copies
/// no byte.
#[derive(Clone, Debug)]
pub struct Frame {
    block: Bytes,
    /// Where the block begins without its `id:` line.
    after_id: usize,
    /// Where the object begins; it ends two bytes before the block does.
    object: usize,
}

/// The members that every event has.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The number of the event, or of the one that it comes with.
    pub sequence: i64,
    /// What happened.
    pub kind: Kind,
    /// When, market microseconds.
    pub at_us: i64,
    /// In which tournament.
    pub tournament: &'a TournamentId,
    /// In which round.
    pub round: Option<&'a RoundId>,
}

impl Frame {
    /// Writes an event: the head's members first, then `detail`'s.
    #[must_use]
    pub fn new(head: Head<'_>, detail: Map<String, Value>) -> Self {
        let mut object = Map::new();
        object.insert("sequence".into(), head.sequence.into());
        object.insert("type".into(), head.kind.name().into());
        put_moment(&mut object, "", head.at_us);
        object.insert("tournament".into(), head.tournament.as_str().into());
        if let Some(round) = head.round {
            object.insert("round".into(), round.to_string().into());
        }
        object.extend(detail);
        let id = format!("id: {}\n", head.sequence);
        let begin = format!("{id}event: {}\ndata: ", head.kind);
        let (after_id, at) = (id.len(), begin.len());
        let block = format!("{begin}{}\n\n", Value::Object(object));
        Self {
            block: Bytes::from(block),
            after_id,
            object: at,
        }
    }

    /// A block of a server-sent stream that moves the reader's position to the event.
    #[must_use]
    pub fn block(&self) -> Bytes {
        self.block.clone()
    }

    /// The same without a position.
    #[must_use]
    pub fn block_without_id(&self) -> Bytes {
        self.block.slice(self.after_id..)
    }

    /// The JSON object, UTF-8 on one line.
    #[must_use]
    pub fn object(&self) -> Bytes {
        let end = self.block.len().saturating_sub(2);
        self.block.slice(self.object..end)
    }
}

/// Puts a moment as `…_at` and `…_us`; without a name as `at` and `at_us`.
pub(super) fn put_moment(object: &mut Map<String, Value>, name: &str, us: i64) {
    let (at, number) = match name {
        "" => ("at".to_owned(), "at_us".to_owned()),
        name => (format!("{name}_at"), format!("{name}_us")),
    };
    object.insert(at, rfc3339(us).into());
    object.insert(number, us.into());
}

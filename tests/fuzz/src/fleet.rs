//! What proxies of a fleet tell each other through a store, and what the store says.

use crate::message::{now, parts};
use ballast_core::circuit_breaker::fleet::Trip;
use ballast_core::remote::{Command, Said, Store, Via};
use ballast_core::response_cache::fleet::{AddOwn, Board, Content, Entry, Learn, Log, Record, Subject};
use ballast_core::rewrite::{Edit, Edited};
use ballast_core::wire::Reader;
use core::time::Duration;
use sha2::{Digest, Sha256};

/// Records, trips and logs; also with the check that whoever writes them adds, so that what is behind it is reached.
pub(crate) fn values(bytes: &[u8]) {
    let check = Sha256::digest(bytes);
    for bytes in [bytes, &[bytes, &check[..16]].concat()] {
        if let Some(record) = Record::decode(bytes) {
            assert_eq!(Record::decode(&record.encode()), Some(record.clone()));
            look_at(&record);
        }
        if let Some(trip) = Trip::decode(bytes) {
            assert_eq!(trip.encode(), bytes);
            assert!(
                trip.warns(trip.process, &trip.rule, Duration::MAX, now().wall).is_none(),
                "not to itself"
            );
        }
    }
    let framed = [&[0xB1][..], &check_of(bytes), &u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes];
    for bytes in [bytes, &framed.concat()] {
        if let Some(log) = Log::decode(bytes) {
            assert_eq!(log.encode(), bytes);
            learn(log);
        }
        let _ = Entry::decode(&mut Reader::new(bytes));
        if let Some(board) = Board::decode(bytes) {
            assert_eq!(Board::decode(&board.encode()), Some(board.clone()));
            let _ =
                (board.knowledge(), board.pending(), board.is_trusted(now().mono, Duration::from_secs(1)));
        }
    }
}

/// The check of a log's entry, as it stands before it.
fn check_of(payload: &[u8]) -> [u8; 4] {
    let mut check = [0; 4];
    check.copy_from_slice(&Sha256::digest(payload)[..4]);
    check.reverse();
    check
}

fn look_at(record: &Record<'_>) {
    let (log, own) = (Log { entries: vec![Entry::beginning(record.as_of, 0)] }, Log::default());
    assert_eq!(record.outlives(&log, &own, &Subject::default()), Ok(false), "there was no purge");
    let elapsed = record.elapsed(now().wall).unwrap_or_default();
    if let Content::Answer(answer) = &record.content {
        let _ = answer.tags();
        if let Some((head, body)) = answer.unpack(elapsed, true, now()) {
            assert!(!head.stored.is_fresh(now()), "what is stale is not fresh");
            assert_eq!(u64::try_from(body.len()).ok(), Some(head.length));
        }
    }
}

/// A process takes a log in, and what it writes of it can be read.
fn learn(mut log: Log) {
    log.trim();
    let own = AddOwn(Entry::beginning(1, 0));
    let Edited::Replace(board, ()) = own.edit(None) else { panic!("an entry is added") };
    let learn = Learn { log: Some(log), now: now().mono, wall: now().wall, bits: 7 };
    let Edited::Replace(board, _) = learn.edit(Some(&board)) else { panic!("a log is taken in") };
    assert!(Board::decode(&board).is_some());
}

/// What a store answers: three digits of its status and the rest of its head's line, an empty line, the body.
pub(crate) fn answers(bytes: &[u8]) {
    let (head, body) = parts(bytes);
    let status = head.get(..3).and_then(|text| core::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0);
    let tag = head.get(4..);
    for via in [Via::Webdis, Via::Http] {
        let store = Store::checked("remote", via, "ballast".to_owned(), "store", None).expect("a store");
        for command in [
            Command::Get { key: "k", unless: Some("t") },
            Command::Put { key: "k", value: b"v", keep: None },
            Command::Append { key: "k", value: b"v" },
            Command::Lock { key: "k", token: 1, keep: Duration::from_secs(1) },
            Command::Unlock { key: "k", token: 1 },
        ] {
            let said = store.said(&command, status, tag, body);
            let is_get = matches!(command, Command::Get { .. });
            assert!(is_get || !matches!(said, Said::Value(..) | Said::Unchanged | Said::Absent));
            assert!(status != 0 || said == Said::Failed, "no answer is a failure");
        }
    }
}

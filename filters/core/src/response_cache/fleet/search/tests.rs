use super::*;
use crate::response_cache::fleet::{Answer, Entry, Item, Log};
use crate::response_cache::rules::Stored;
use crate::time::WallTime;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SECOND: u64 = 1_000_000_000;

fn target() -> Target {
    Target { url: b"http://a/x".to_vec(), ..Target::default() }
}

fn now() -> Now {
    Now { mono: MonoTime::from_millis(50_000), wall: WallTime::from_unix_nanos(1_000 * SECOND) }
}

fn board() -> Board {
    let log = Log { entries: vec![Entry::beginning(1, 0)] };
    Board { synced: now().mono, log, ..Board::default() }
}

fn purged(id: u64, item: Item, soft: bool) -> Board {
    let mut board = board();
    board.log.entries.push(Entry::purge(id, 0, soft, vec![item]));
    board
}

/// An answer with `stored` and these lines, written two seconds ago.
fn answer(lines: &[(&'static str, &'static str)], stored: Stored, variant: &[u8]) -> Vec<u8> {
    let lines = lines.iter().map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into()));
    let head = Head { stored, length: 4, lines: lines.collect() };
    let head = head.encode().unwrap();
    let content = Content::Answer(Answer { variant, head: &head, codec: 0, body: b"body" });
    record(content).encode()
}

fn record(content: Content<'_>) -> Record<'_> {
    Record {
        written: WallTime::from_unix_nanos(998 * SECOND),
        useful_until: WallTime::from_unix_nanos(1_100 * SECOND),
        as_of: 1,
        also: Vec::new(),
        primary: b"primary",
        content,
    }
}

fn fresh() -> Stored {
    let (initial_age, lifetime) = (Duration::from_secs(3), Duration::from_secs(60));
    Stored { status: 200, initial_age, lifetime, ..Stored::default() }
}

fn plain_variant() -> Vec<u8> {
    variant_of(Fields::new(&[]), &target(), &Vary::default()).unwrap()
}

fn resume(search: &mut Search, heard: Heard<'_>, board: &Board) -> Ask {
    let (target, lines) = (target(), [(&b"accept"[..], &b"text/html"[..])]);
    let request = Fields::new(&lines);
    search.resume(heard, &Wish { primary: b"primary", target: &target, request, board, now: now() })
}

fn search(lock: bool) -> Search {
    Search::new(b"primary", &target(), lock.then(|| now().mono.after(Duration::from_millis(25))))
}

/// What a search comes to that finds this at once.
fn found(value: &[u8], board: &Board) -> (Ask, Option<Refused>) {
    let mut search = search(false);
    assert_eq!(resume(&mut search, Heard::Start, board), Ask::Get(base_key(b"primary", b"")));
    let ask = resume(&mut search, Heard::Value(Some(value)), board);
    (ask, search.take_refused())
}

fn nothing(has_lock: bool, gave_up: bool) -> Ask {
    Ask::Done(Found::Nothing { has_lock, gave_up })
}

#[test]
fn an_answer_is_as_old_as_it_was_and_the_time_since() {
    let (ask, refused) = found(&answer(&[("etag", "\"1\"")], fresh(), &plain_variant()), &board());
    let Ask::Done(Found::Answer { head, body, has_lock: false, .. }) = ask else { panic!("{ask:?}") };
    assert_eq!(
        (head.stored.age(now()), body.as_slice(), refused),
        (Duration::from_secs(5), &b"body"[..], None)
    );
}

#[test]
fn what_is_not_to_be_believed_is_nothing_with_a_reason() {
    let variant = plain_variant();
    let good = answer(&[("surrogate-key", "t")], fresh(), &variant);
    let mut changed = good.clone();
    let at = changed.len() / 2;
    changed[at] ^= 1;
    let with = |change: fn(&mut Record<'static>)| {
        let mut record = record(Content::Uncacheable);
        change(&mut record);
        record.encode()
    };
    let stale = Stored { lifetime: Duration::from_secs(4), ..fresh() };
    let checked = Stored { always_validate: true, ..fresh() };
    let tag = |soft| purged(2, Item::Tag(b"t".to_vec()), soft);
    let mut own = board();
    let entry = Entry::purge(3, 0, false, vec![Item::Url(b"http://a/x".to_vec())]);
    own.own.push(crate::response_cache::fleet::board::Own { entry, is_sent: false, seen: None });
    for (what, value, board, reason) in [
        ("foreign", b"-WRONGTYPE Operation against a key".to_vec(), board(), Refused::Damaged),
        ("empty", Vec::new(), board(), Refused::Damaged),
        ("cut", good[..good.len() - 1].to_vec(), board(), Refused::Damaged),
        ("changed", changed, board(), Refused::Damaged),
        ("of another key", with(|record| record.primary = b"other"), board(), Refused::OtherKey),
        ("of another variant", answer(&[], fresh(), b"other"), board(), Refused::OtherKey),
        (
            "from the future",
            with(|record| record.written = WallTime::from_unix_nanos(1_006 * SECOND)),
            board(),
            Refused::Skewed,
        ),
        (
            "over",
            with(|record| record.useful_until = WallTime::from_unix_nanos(1_000 * SECOND)),
            board(),
            Refused::Expired,
        ),
        ("stale", answer(&[], stale.clone(), &variant), board(), Refused::Expired),
        ("always validated", answer(&[], checked, &variant), board(), Refused::Expired),
        ("purged", good.clone(), tag(false), Refused::Purged),
        ("purged softly", good.clone(), tag(true), Refused::Purged),
        ("purged by this process", good.clone(), own, Refused::Purged),
        ("older than all purges", with(|record| record.as_of = 9), board(), Refused::Purged),
    ] {
        assert_eq!(found(&value, &board), (nothing(false, false), Some(reason)), "{what}");
    }
}

#[test]
fn a_purge_of_something_else_or_known_before_the_fetch_leaves_it() {
    let value = answer(&[], fresh(), &plain_variant());
    let other = purged(2, Item::Tag(b"t".to_vec()), false);
    assert!(matches!(found(&value, &other).0, Ask::Done(Found::Answer { .. })));
    let lines = Head { stored: fresh(), ..Head::default() }.encode().unwrap();
    let variant = plain_variant();
    let content = Content::Answer(Answer { variant: &variant, head: &lines, codec: 0, body: b"" });
    let knew = Record { also: vec![2], ..record(content) }.encode();
    assert!(matches!(found(&knew, &purged(2, Item::All, false)).0, Ask::Done(Found::Answer { .. })));
    assert_eq!(found(&knew, &purged(3, Item::All, false)).1, Some(Refused::Purged));
}

#[test]
fn a_stale_answer_is_used_while_it_may_be() {
    let mut stored = Stored { lifetime: Duration::from_secs(4), ..fresh() };
    stored.terms.while_revalidate = Duration::from_secs(10);
    let value = answer(&[], stored.clone(), &plain_variant());
    assert!(matches!(found(&value, &board()).0, Ask::Done(Found::Answer { .. })));
    // A soft purge makes it stale now, whatever it was.
    let soft = purged(2, Item::All, true);
    let Ask::Done(Found::Answer { head, .. }) = found(&value, &soft).0 else { panic!() };
    assert!(!head.stored.is_fresh(now()));
}

#[test]
fn an_answer_that_varies_lies_elsewhere() {
    let board = board();
    let vary = Vary::from_names(["accept".to_owned()]);
    let lines = [(&b"accept"[..], &b"text/html"[..])];
    let variant = variant_of(Fields::new(&lines), &target(), &vary).unwrap();
    let mut search = search(false);
    resume(&mut search, Heard::Start, &board);
    let names = record(Content::Varies(vec!["accept"])).encode();
    let ask = resume(&mut search, Heard::Value(Some(&names)), &board);
    assert_eq!(ask, Ask::Get(variant_key(b"primary", &variant)));
    let mut again = search.clone();
    let value = answer(&[("vary", "accept")], fresh(), &variant);
    let ask = resume(&mut search, Heard::Value(Some(&value)), &board);
    assert!(matches!(ask, Ask::Done(Found::Answer { .. })), "{ask:?}");
    // Not for ever: what lies elsewhere is an answer.
    let ask = resume(&mut again, Heard::Value(Some(&names)), &board);
    assert_eq!((ask, again.take_refused()), (nothing(false, false), Some(Refused::OtherKey)));
}

#[test]
fn who_gets_the_lock_looks_once_more_and_fetches() {
    let (board, base) = (board(), base_key(b"primary", b""));
    let mut search = search(true);
    resume(&mut search, Heard::Start, &board);
    assert_eq!(resume(&mut search, Heard::Value(None), &board), Ask::Lock(lock_key(&base)));
    assert_eq!(resume(&mut search, Heard::Locked(true), &board), Ask::Get(base));
    let mut late = search.clone();
    assert_eq!(resume(&mut search, Heard::Value(None), &board), nothing(true, false));
    let value = answer(&[], fresh(), &plain_variant());
    let ask = resume(&mut late, Heard::Value(Some(&value)), &board);
    assert!(matches!(ask, Ask::Done(Found::Answer { has_lock: true, .. })), "it must give it back");
}

#[test]
fn who_does_not_get_the_lock_waits_and_looks_again_for_as_long_as_it_may() {
    let board = board();
    let mut search = search(true);
    resume(&mut search, Heard::Start, &board);
    resume(&mut search, Heard::Value(None), &board);
    assert_eq!(resume(&mut search, Heard::Locked(false), &board), Ask::Wait(SHORTEST_PAUSE));
    assert!(matches!(resume(&mut search, Heard::Waited, &board), Ask::Get(_)));
    resume(&mut search, Heard::Value(None), &board);
    search.lock_until = Some(now().mono);
    assert_eq!(resume(&mut search, Heard::Locked(false), &board), nothing(false, true));
}

#[test]
fn what_is_not_shared_is_not_waited_for() {
    let mut search = search(true);
    resume(&mut search, Heard::Start, &board());
    let value = record(Content::Uncacheable).encode();
    assert_eq!(resume(&mut search, Heard::Value(Some(&value)), &board()), nothing(false, false));
}

#[test]
fn a_store_that_fails_ends_it_and_the_lock_is_not_forgotten() {
    let board = board();
    for steps in 0..3 {
        let mut search = search(true);
        resume(&mut search, Heard::Start, &board);
        if steps > 0 {
            resume(&mut search, Heard::Value(None), &board);
        }
        if steps > 1 {
            resume(&mut search, Heard::Locked(true), &board);
        }
        assert_eq!(resume(&mut search, Heard::Failed, &board), nothing(steps > 1, false));
    }
}

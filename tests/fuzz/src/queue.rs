//! What stands in a worker's queue: messages of the bus, orders with their answers, commands, and fleet news.

use ballast_core::bus::{Inbox, Message, Received};
use ballast_core::circuit_breaker::operator::Command;
use ballast_core::orders;
use ballast_core::vms::{Member, View};

const ME: Member = Member { slot: 3, epoch: 1 };

/// Reads the bytes as everything that a queue holds.
pub(crate) fn receive(bytes: &[u8]) {
    assert!(Message::decode(bytes).is_none_or(|message| message.encode() == bytes));
    assert!(orders::Parcel::decode(bytes).is_none_or(|parcel| parcel.encode() == bytes));
    // One queue carries both, and each is known by its first byte.
    assert!(Message::decode(bytes).is_none() || !orders::Parcel::is_one(bytes));
    let mut inbox = Inbox::new(ME);
    if let Received::Tell { .. } = inbox.receive(bytes, &View::default()) {
        let again = inbox.receive(bytes, &View::default());
        assert!(matches!(again, Received::Again { .. }), "a message has its effect once");
    }
    let mut inbox = orders::Inbox::new(ME);
    if let orders::Received::Order { order, reply_to, from, id, .. } = inbox.receive(bytes) {
        let _ = ballast_core::circuit_breaker::operator::Ask::read(&order.name, &order.arguments);
        let answer = inbox.answer(&reply_to, from, id, Ok(b"{}".to_vec()));
        let again = inbox.receive(bytes);
        assert!(matches!(again, orders::Received::Again { answer: before, .. } if before == answer));
    }
    let _ = Command::parse(bytes);
}

//! Shared queues: unbounded, one wake-up per message, for the last registrant alone.

use std::collections::{BTreeMap, VecDeque};

use crate::status::Status;

/// A root context that is told that a queue has a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Wake {
    pub(crate) thread: u32,
    pub(crate) root: u32,
    pub(crate) queue: u32,
}

#[derive(Debug)]
struct Queue {
    thread: u32,
    root: u32,
    messages: VecDeque<Vec<u8>>,
}

#[derive(Debug, Default)]
pub(crate) struct Queues {
    ids: BTreeMap<(String, Vec<u8>), u32>,
    queues: BTreeMap<u32, Queue>,
    wakes: VecDeque<Wake>,
}

impl Queues {
    /// Registering again moves the wake-ups to the new registrant and keeps the messages.
    pub(crate) fn register(&mut self, vm_id: &str, name: &[u8], thread: u32, root: u32) -> u32 {
        let next = u32::try_from(self.ids.len()).unwrap() + 1;
        let id = *self.ids.entry((vm_id.to_owned(), name.to_vec())).or_insert(next);
        let queue = self.queues.entry(id).or_insert(Queue { thread, root, messages: VecDeque::new() });
        queue.thread = thread;
        queue.root = root;
        id
    }

    pub(crate) fn resolve(&self, vm_id: &str, name: &[u8]) -> Option<u32> {
        self.ids.get(&(vm_id.to_owned(), name.to_vec())).copied()
    }

    pub(crate) fn enqueue(&mut self, id: u32, message: Vec<u8>) -> Result<(), Status> {
        let queue = self.queues.get_mut(&id).ok_or(Status::NotFound)?;
        queue.messages.push_back(message);
        self.wakes.push_back(Wake { thread: queue.thread, root: queue.root, queue: id });
        Ok(())
    }

    pub(crate) fn dequeue(&mut self, id: u32) -> Result<Vec<u8>, Status> {
        self.queues.get_mut(&id).ok_or(Status::NotFound)?.messages.pop_front().ok_or(Status::Empty)
    }

    pub(crate) fn waiting(&self, id: u32) -> usize {
        self.queues.get(&id).map_or(0, |queue| queue.messages.len())
    }

    /// The next wake-up for a thread that can take it.
    pub(crate) fn next_wake(&mut self, can_take: impl Fn(u32) -> bool) -> Option<Wake> {
        let index = self.wakes.iter().position(|wake| can_take(wake.thread))?;
        self.wakes.remove(index)
    }
}

#[cfg(test)]
mod tests {
    use super::{Queues, Wake};
    use crate::status::Status;

    #[test]
    fn the_last_registrant_gets_the_wake_ups_and_the_messages_stay() {
        let mut queues = Queues::default();
        let id = queues.register("", b"q", 0, 1);
        queues.enqueue(id, b"one".to_vec()).unwrap();
        assert_eq!(queues.register("", b"q", 1, 7), id);
        queues.enqueue(id, b"two".to_vec()).unwrap();
        assert_eq!(queues.next_wake(|_| true), Some(Wake { thread: 0, root: 1, queue: id }));
        assert_eq!(queues.next_wake(|_| true), Some(Wake { thread: 1, root: 7, queue: id }));
        assert_eq!(queues.next_wake(|_| true), None);
        assert_eq!(queues.dequeue(id), Ok(b"one".to_vec()));
        assert_eq!(queues.dequeue(id), Ok(b"two".to_vec()));
        assert_eq!(queues.dequeue(id), Err(Status::Empty));
    }

    #[test]
    fn unknown_queues_are_not_found() {
        let mut queues = Queues::default();
        queues.register("a", b"q", 0, 1);
        assert_eq!(queues.resolve("a", b"q"), Some(1));
        assert_eq!(queues.resolve("b", b"q"), None);
        assert_eq!(queues.enqueue(9, Vec::new()), Err(Status::NotFound));
        assert_eq!(queues.dequeue(9), Err(Status::NotFound));
    }

    #[test]
    fn wake_ups_of_one_thread_can_be_taken_before_others() {
        let mut queues = Queues::default();
        let first = queues.register("", b"a", 0, 1);
        let second = queues.register("", b"b", 1, 1);
        queues.enqueue(first, Vec::new()).unwrap();
        queues.enqueue(second, Vec::new()).unwrap();
        assert_eq!(queues.next_wake(|thread| thread == 1).map(|wake| wake.queue), Some(second));
        assert_eq!(queues.next_wake(|thread| thread == 1), None);
        assert_eq!(queues.next_wake(|_| true).map(|wake| wake.queue), Some(first));
    }
}

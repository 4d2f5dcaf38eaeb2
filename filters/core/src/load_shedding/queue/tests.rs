use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn at(millis: u64) -> MonoTime {
    MonoTime::from_millis(millis)
}

const fn queue(order: Order) -> Queue<u32> {
    Queue::new(Settings { max_length: 10, target_delay: ms(5), max_wait: ms(200), order })
}

const fn rank(class: u8, over_share: bool) -> Rank {
    Rank { class, standing: if over_share { Standing::OverShare } else { Standing::Normal } }
}

fn served(queue: &mut Queue<u32>, now: MonoTime, overloaded: bool) -> Vec<u32> {
    core::iter::from_fn(|| queue.next(now, overloaded).map(|(ticket, ..)| ticket)).collect()
}

#[test]
fn the_important_and_those_under_their_share_go_first_and_equals_by_age() {
    let mut queue = queue(Order::AdaptiveLifo);
    for (ticket, class, over) in
        [(1, 2, false), (2, 0, true), (3, 2, false), (4, 0, false), (5, 1, true), (6, 1, false)]
    {
        queue.join(ticket, rank(class, over), at(u64::from(ticket)));
    }
    assert_eq!(served(&mut queue, at(10), false), [4, 2, 6, 5, 1, 3]);
    assert!(queue.is_empty());
}

#[test]
fn under_overload_the_newest_of_equals_goes_first_where_that_is_the_order() {
    for (order, overloaded, expected) in [
        (Order::Fifo, true, [1, 2, 3]),
        (Order::Lifo, false, [3, 2, 1]),
        (Order::AdaptiveLifo, false, [1, 2, 3]),
        (Order::AdaptiveLifo, true, [3, 2, 1]),
    ] {
        let mut queue = queue(order);
        (1..=3).for_each(|ticket| queue.join(ticket, Rank::default(), at(ticket.into())));
        assert_eq!(served(&mut queue, at(4), overloaded), expected, "{order:?}, overloaded: {overloaded}");
    }
}

#[test]
fn a_queue_that_stands_gives_less_time_and_one_that_got_short_gives_all() {
    let mut queue = queue(Order::AdaptiveLifo);
    assert_eq!(queue.most_wait(false), ms(200));
    assert_eq!(queue.most_wait(true), ms(10));
    // Somebody has waited for more than the target at every look for an interval.
    queue.join(0, Rank::default(), at(1_000));
    for now in (1_008..1_300).step_by(8) {
        queue.join(u32::try_from(now).unwrap(), Rank::default(), at(now));
        queue.next(at(now), false);
    }
    assert_eq!(queue.most_wait(false), ms(50));
    assert!(!queue.expired(at(1_360), false).is_empty());
    served(&mut queue, at(1_361), false);
    queue.join(0, Rank::default(), at(1_367));
    assert_eq!(queue.most_wait(false), ms(200), "for longer than the target nobody has waited");
}

#[test]
fn who_has_waited_too_long_is_taken_out_and_nobody_else() {
    let mut queue = queue(Order::Fifo);
    queue.join(1, rank(1, false), at(0));
    queue.join(2, rank(0, false), at(50));
    assert!(queue.expired(at(199), false).is_empty());
    assert_eq!(queue.expired(at(200), false), [(1, rank(1, false), ms(200))]);
    assert_eq!((queue.len(), queue.best_rank()), (1, Some(rank(0, false))));
    let favoured = Rank { class: 0, standing: Standing::Favoured };
    queue.join(3, favoured, at(150));
    assert_eq!(queue.expired(at(200), true), [(2, rank(0, false), ms(150))]);
    assert_eq!(queue.expired(at(350), true), [(3, favoured, ms(200))]);
}

#[test]
fn a_client_that_leaves_is_taken_out() {
    let mut queue = queue(Order::Fifo);
    (1..=3).for_each(|ticket| queue.join(ticket, Rank::default(), at(0)));
    assert!(queue.leave(2));
    assert!(!queue.leave(2) && !queue.leave(9));
    assert_eq!(served(&mut queue, at(1), false), [1, 3]);
}

#[test]
fn the_important_displace_the_newest_of_the_least_important_and_equals_displace_nobody() {
    let mut queue = queue(Order::Fifo);
    queue.join(1, rank(3, false), at(0));
    queue.join(2, rank(3, false), at(1));
    queue.join(3, rank(1, false), at(2));
    assert_eq!(queue.displace(rank(3, false)), None);
    assert_eq!(queue.displace(rank(1, false)), Some((2, rank(3, false))));
    assert_eq!(queue.displace(rank(2, true)), Some((1, rank(3, false))));
    assert_eq!(queue.displace(rank(1, false)), None);
    assert_eq!(queue.len(), 1);
}

//! Tokens that are leased from a rate limit service: who spends them, who asks for more, and who waits for that.
//!
//! # How
//!
//! A call that a stream makes ends with it, so a block is asked for by the root: the worker sends itself a message, and
//! the callback for that makes the call. Its answer goes into the pool; the workers that wait for it are told, and each
//! wakes its own requests. A request waits no longer than the time-out, whatever becomes of the call.

use crate::service::Spoken;
use crate::{RateLimit, Stream};
use ballast_core::rate_limit::config::Config;
use ballast_core::rate_limit::global::wire::{self, Entry, METHOD, SERVICE};
use ballast_core::rate_limit::global::{
    Answer, Changed, Deposit, Draw, Drawn, GiveBack, Global, Health, Lease, Left, PoolChange, PoolKey, Purse,
    Renew, Shut, Shutting, Source, Spent, Told, Wanted, Why, verdict,
};
use ballast_core::rate_limit::token_lease::Client;
use ballast_core::rate_limit::{Ask, Said};
use ballast_core::rewrite::Rewrite;
use ballast_core::time::MonoTime;
use ballast_host::{CallAnswer, CallToken, Cx, GrpcCall, Host, RequestView, StreamId};
use core::time::Duration;

/// For how long a client's requests are decided without the service after a call for it has failed.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// What one worker knows and has of the limits that services count.
#[derive(Debug, Default)]
pub(crate) struct Leasing {
    purse: Purse,
    /// Of each service, by cluster.
    health: Vec<(String, Health)>,
    /// The service of each limit, by number.
    service_of: Vec<Option<usize>>,
    /// Blocks to ask for.
    orders: Vec<Order>,
    calls: Vec<(CallToken, Order)>,
    /// Requests that wait for tokens of their client.
    waiting: Vec<(Client, StreamId)>,
}

/// A block to ask for.
#[derive(Clone, Debug)]
struct Order {
    client: Client,
    set: u32,
    wanted: Wanted,
    lease: Lease,
    entries: Vec<Entry>,
    sent: MonoTime,
}

/// The call that asks for so many hits.
pub(crate) fn question(global: &Global, entries: &[Entry], hits: u32) -> GrpcCall {
    GrpcCall {
        cluster: global.cluster.clone(),
        service: SERVICE.to_owned(),
        method: METHOD.to_owned(),
        metadata: Vec::new(),
        message: wire::request(&global.domain, entries, hits),
        timeout: global.timeout,
    }
}

/// What a service can be told.
pub(crate) fn small(cost: u64) -> u32 {
    u32::try_from(cost).unwrap_or(u32::MAX)
}

fn client_of(ask: &Ask) -> Client {
    Client { limit: ask.limit, fingerprint: ask.client }
}

impl Leasing {
    /// Of these limits. Without one that a service counts, it holds nothing.
    pub(crate) fn new(config: &Config) -> Self {
        let mut health: Vec<(String, Health)> = Vec::new();
        let services = config.limits.iter().map(|limit| {
            let cluster = &limit.global.as_ref()?.cluster;
            Some(health.iter().position(|(name, _)| name == cluster).unwrap_or_else(|| {
                health.push((cluster.clone(), Health::new()));
                health.len() - 1
            }))
        });
        let service_of: Vec<Option<usize>> = services.collect();
        let purse = if health.is_empty() { Purse::default() } else { Purse::new() };
        Self { purse, health, service_of, ..Self::default() }
    }

    /// Pays for a request with what is in hand.
    pub(crate) fn spend(&mut self, ask: &Ask, now: MonoTime) -> Option<Spent> {
        self.purse.spend(client_of(ask), small(ask.cost), now)
    }

    /// Puts back what was paid for a request that another limit refused.
    pub(crate) fn put_back(&mut self, ask: &Ask, now: MonoTime) {
        // Where there is no place for it any more it is lost, which errs on the side of the limit.
        let _ = self.purse.put_back(client_of(ask), small(ask.cost), now);
    }

    /// What is known of a limit's service.
    pub(crate) fn health(&mut self, limit: u16) -> Option<&mut Health> {
        let service = (*self.service_of.get(usize::from(limit))?)?;
        self.health.get_mut(service).map(|(_, health)| health)
    }

    /// A request does not wait any longer.
    pub(crate) fn forget(&mut self, stream: Option<StreamId>) {
        self.waiting.retain(|(_, waiting)| Some(*waiting) != stream);
    }
}

impl RateLimit {
    /// Decides by leased tokens. `None`: the request waits for some.
    pub(crate) fn lease<H: Host>(
        &mut self,
        ask: &Ask,
        lease: Lease,
        stream: &mut Stream,
        now: MonoTime,
        cx: &mut Cx<'_, H>,
    ) -> Option<Spoken> {
        let admitted = |told| Some((verdict(ask, Said::Admit, told), Source::Lease, false));
        match self.leasing.spend(ask, now) {
            Some(Spent::Tokens(told)) => return admitted(told),
            Some(Spent::Shut(shut, told)) => return Some(self.shut(ask, (shut, told), stream, now, cx)),
            None => {}
        }
        let Some(drawn) = self.draw(ask, lease, now, cx) else {
            return Some(self.otherwise(ask, stream, now, cx));
        };
        if drawn.evicted_live {
            self.count(ask.limit, |metrics| metrics.evictions.add(cx.host, 1));
        }
        if let Some(wanted) = drawn.wanted {
            self.order(ask, wanted, lease, now, cx);
        }
        let (client, told) = (client_of(ask), drawn.told);
        match (drawn.tokens, drawn.shut) {
            (Some((tokens, expires)), _) => {
                let rest = tokens.saturating_sub(small(ask.cost));
                if let Some(left) = self.leasing.purse.keep(client, (rest, expires), told, now) {
                    self.give_back_leased(left, now, cx);
                }
                admitted(told)
            }
            (None, Some(shut)) => {
                self.leasing.purse.shut(client, shut, told, now);
                Some(self.shut(ask, (shut, told), stream, now, cx))
            }
            (None, None) => self.wait(ask, stream, now, cx),
        }
    }

    /// Holds the request until tokens have come or it has waited for too long.
    fn wait<H: Host>(
        &mut self,
        ask: &Ask,
        stream: &mut Stream,
        now: MonoTime,
        cx: &mut Cx<'_, H>,
    ) -> Option<Spoken> {
        let timeout = self.timeout(ask.limit);
        let (Some(number), Some(progress)) = (cx.stream(), &mut stream.progress) else {
            return Some(self.otherwise(ask, stream, now, cx));
        };
        if progress.waits_until.is_none() {
            progress.waits_until = Some(now.after(timeout));
            cx.set_timer(timeout, 0);
        }
        self.leasing.forget(Some(number));
        self.leasing.waiting.push((client_of(ask), number));
        None
    }

    fn draw<H: Host>(&mut self, ask: &Ask, lease: Lease, now: MonoTime, cx: &mut Cx<'_, H>) -> Option<Drawn> {
        let me = cx.member()?.slot;
        let may_ask_at = self.leasing.health(ask.limit).map_or(now, |health| health.asked_again_at());
        let workers = u32::try_from(cx.view().members().count()).unwrap_or(u32::MAX);
        let (client, cost, timeout) = (ask.client, small(ask.cost), self.timeout(ask.limit));
        let draw = Draw { client, me, cost, workers, now, lease, timeout, may_ask_at };
        match self.in_pool((ask.limit, ask.set), PoolChange::Draw(draw), cx) {
            Some(Changed::Drawn(drawn)) => Some(drawn),
            _ => None,
        }
    }

    /// Remembers what to ask for, and has the root do it.
    fn order<H: Host>(&mut self, ask: &Ask, wanted: Wanted, lease: Lease, now: MonoTime, cx: &mut Cx<'_, H>) {
        let Some(limit) = self.config.limit(ask.limit) else { return };
        let entries = limit.descriptor(&RequestView::new(cx.host, &self.plan));
        let order = Order { client: client_of(ask), set: ask.set, wanted, lease, entries, sent: now };
        self.leasing.orders.push(order);
        if let Some(health) = self.leasing.health(ask.limit) {
            health.asked(now);
        }
        if let Some(me) = cx.member() {
            cx.nudge(me);
        }
    }

    /// Makes the calls that are to be made, from a callback of the root.
    pub(crate) fn ask_for_blocks<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        for order in core::mem::take(&mut self.leasing.orders) {
            self.ask_for(order, cx);
        }
    }

    fn ask_for<H: Host>(&mut self, order: Order, cx: &mut Cx<'_, H>) {
        let now = cx.host.now();
        let limit = order.client.limit;
        let global = self.config.limit(limit).and_then(|limit| limit.global.as_ref());
        let Some(call) = global.map(|global| question(global, &order.entries, order.wanted.tokens)) else {
            return;
        };
        self.count_call(limit, cx);
        match cx.call_grpc(&call) {
            Ok(token) => self.leasing.calls.push((token, Order { sent: now, ..order })),
            Err(_) => {
                self.failed(limit, "it cannot be called", now, cx);
                self.shut_pool(&order, Why::Failing, None, now, cx);
            }
        }
    }

    /// A block is granted, refused or neither.
    pub(crate) fn block_answered<H: Host>(
        &mut self,
        call: CallToken,
        answer: &CallAnswer,
        cx: &mut Cx<'_, H>,
    ) {
        let Some(at) = self.leasing.calls.iter().position(|(token, _)| *token == call) else { return };
        let (_, order) = self.leasing.calls.swap_remove(at);
        let now = cx.host.now();
        match self.judge(order.client.limit, answer, cx) {
            None => self.shut_pool(&order, Why::Failing, None, now, cx),
            Some(Answer { passes: true, told }) => {
                let (client, tokens) = (order.client.fingerprint, order.wanted.tokens);
                let Some(me) = cx.member() else { return };
                let (sent, lease) = (order.sent, order.lease);
                let deposit = Deposit { client, me: me.slot, tokens, told, sent, now, lease };
                self.change_and_tell(&order, PoolChange::Deposit(deposit), cx);
            }
            Some(Answer { passes: false, told }) => match order.wanted.smaller(told.remaining) {
                Some(wanted) if self.goes_on_asking(&order, now, cx) => {
                    self.ask_for(Order { wanted, ..order }, cx);
                }
                Some(_) => {}
                None => self.shut_pool(&order, Why::Exhausted, Some(told), now, cx),
            },
        }
    }

    fn goes_on_asking<H: Host>(&mut self, order: &Order, now: MonoTime, cx: &mut Cx<'_, H>) -> bool {
        let Some(me) = cx.member() else { return false };
        let (client, timeout) = (order.client.fingerprint, self.timeout(order.client.limit));
        let renew = Renew { client, me: me.slot, timeout, now };
        let renewed = self.in_pool((order.client.limit, order.set), PoolChange::Renew(renew), cx);
        renewed == Some(Changed::Renewed(true))
    }

    fn shut_pool<H: Host>(
        &mut self,
        order: &Order,
        why: Why,
        told: Option<Told>,
        now: MonoTime,
        cx: &mut Cx<'_, H>,
    ) {
        let Some(me) = cx.member() else { return };
        let pause = match why {
            Why::Failing => AFTER_FAILURE,
            Why::Exhausted => {
                let reset = told.and_then(|told| told.reset).unwrap_or(order.lease.max_age);
                reset.min(order.lease.max_age)
            }
        };
        let shut = Shut { why, cost: order.wanted.least, until: now.after(pause) };
        let told = told.map(|told| (told, order.sent));
        let shutting = Shutting { client: order.client.fingerprint, me: me.slot, shut, told, now };
        self.change_and_tell(order, PoolChange::Shut(shutting), cx);
    }

    /// Changes a pool and tells who waited for that.
    fn change_and_tell<H: Host>(&mut self, order: &Order, change: PoolChange, cx: &mut Cx<'_, H>) {
        let waiting = match self.in_pool((order.client.limit, order.set), change, cx) {
            Some(Changed::Waiting(waiting)) => waiting,
            _ => 0,
        };
        self.tell(order.client, waiting, cx);
    }

    /// Tells the workers that wait, as bits by slot, and wakes this one's own requests.
    fn tell<H: Host>(&mut self, client: Client, waiting: u64, cx: &mut Cx<'_, H>) {
        let me = cx.member();
        let view = cx.view().clone();
        let waits = |slot: u8| waiting.checked_shr(slot.into()).is_some_and(|bits| bits & 1 == 1);
        for member in view.members().filter(|member| waits(member.slot) && Some(*member) != me) {
            cx.nudge(member);
        }
        self.wake(|of| of == client, cx);
    }

    /// Another worker has put something into a pool, or this one has something to ask for.
    pub(crate) fn nudged<H: Host>(&mut self, cx: &mut Cx<'_, H>) {
        self.ask_for_blocks(cx);
        // Those that this worker asks for are woken by the answer.
        let asked: Vec<Client> = self.leasing.calls.iter().map(|(_, order)| order.client).collect();
        self.wake(|client| !asked.contains(&client), cx);
    }

    fn wake<H: Host>(&mut self, which: impl Fn(Client) -> bool, cx: &mut Cx<'_, H>) {
        self.leasing.waiting.retain(|(client, stream)| {
            let woken = which(*client);
            if woken {
                cx.wake(*stream, 0);
            }
            !woken
        });
    }

    /// Gives back to the pools what this worker has in hand.
    pub(crate) fn empty_purse<H: Host>(&mut self, now: MonoTime, cx: &mut Cx<'_, H>) {
        for left in self.leasing.purse.empty(now) {
            self.give_back_leased(left, now, cx);
        }
    }

    fn give_back_leased<H: Host>(&mut self, left: Left, now: MonoTime, cx: &mut Cx<'_, H>) {
        let Left { client, tokens, expires } = left;
        let Some(table) = self.config.table_of(client.limit) else { return };
        let set = table.set_of(client.fingerprint);
        let back = GiveBack { client: client.fingerprint, tokens, expires, now };
        // What cannot be given back is lost, which errs on the side of the limit.
        let _ = self.in_pool((client.limit, set), PoolChange::GiveBack(back), cx);
    }

    fn timeout(&self, limit: u16) -> Duration {
        let global = self.config.limit(limit).and_then(|limit| limit.global.as_ref());
        global.map_or(Duration::ZERO, |global| global.timeout)
    }

    /// Changes a client's pool. `None`: the store fails, or is too busy.
    fn in_pool<H: Host>(
        &self,
        (limit, set): (u16, u32),
        change: PoolChange,
        cx: &mut Cx<'_, H>,
    ) -> Option<Changed> {
        cx.run(&mut Rewrite::new(PoolKey { limit: self.config.name_of(limit), set }, change)).ok()
    }
}

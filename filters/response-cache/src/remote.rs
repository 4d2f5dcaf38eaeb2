//! The store that several proxies share, as one worker reaches it.
//!
//! # How
//!
//! A request that finds nothing here asks there before it goes upstream ([`searching`](self)); what was fetched is
//! written there in the background ([`filling`](self)); one worker of the process keeps up with purges
//! ([`syncing`](self)). A store that does not answer is not asked for a while, and is then as if it were not there.

mod filling;
mod metrics;
mod searching;
mod syncing;

use ballast_core::remote::{Command, Said};
use ballast_core::response_cache::config;
use ballast_core::response_cache::fleet::{Board, Knowledge};
use ballast_core::vec_map::VecMap;
use ballast_host::{CallToken, Cx, Heard, Host, HostError, StartError};
use core::time::Duration;
pub(crate) use filling::Job;
use metrics::RemoteMetrics;
pub(crate) use searching::{SEARCH, Searching};
use std::collections::VecDeque;
use std::rc::Rc;
use syncing::Syncing;

/// The shared value of the process's board.
const BOARD: &str = "remote/board";

/// The shared store and this worker's part of it.
#[derive(Debug)]
pub(crate) struct Remote {
    config: config::Remote,
    store: ballast_host::Remote,
    metrics: RemoteMetrics,
    /// What waits to be written.
    jobs: VecDeque<Job>,
    /// The bytes of that.
    queued_bytes: usize,
    /// What is being written.
    writing: VecMap<CallToken, Job>,
    syncing: Syncing,
    /// The board, as its bytes were when they were last decoded.
    known: Option<(Vec<u8>, Rc<Board>)>,
}

/// What a fetch has to do with the store once it is over.
#[derive(Debug, Default)]
pub(crate) struct Duty {
    /// What was known of purges before it; `None`: its answer is not for the store.
    pub(crate) knowledge: Option<Knowledge>,
    /// The lock that it has.
    pub(crate) lock: Option<Lock>,
}

/// A lock of this worker.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    /// The key that it is for.
    base: String,
    token: u64,
    /// The primary key of what is fetched.
    primary: Vec<u8>,
}

impl Remote {
    pub(crate) fn new<H: Host>(config: config::Remote, cx: &Cx<'_, H>) -> Result<Self, StartError> {
        let (store, cluster) = (config.store.clone(), config.cluster.clone());
        Ok(Self {
            store: ballast_host::Remote::new(store, cluster, config.authorization_env.as_deref(), cx),
            config,
            metrics: RemoteMetrics::define(cx)?,
            jobs: VecDeque::new(),
            queued_bytes: 0,
            writing: VecMap::new(),
            syncing: Syncing::default(),
            known: None,
        })
    }

    /// What the process knows of purges. `None`: nothing that allows to believe what lies in the store.
    fn board<H: Host>(&mut self, cx: &Cx<'_, H>) -> Option<Rc<Board>> {
        let board = self.read_board(cx)?;
        board.is_trusted(cx.host.now(), self.config.sync_interval).then_some(board)
    }

    fn read_board<H: Host>(&mut self, cx: &Cx<'_, H>) -> Option<Rc<Board>> {
        let key = cx.scope().key(BOARD);
        let bytes = cx.host.shared(&key).ok()?.value?;
        if let Some((known, board)) = &self.known
            && *known == bytes
        {
            return Some(Rc::clone(board));
        }
        let board = Rc::new(Board::decode(&bytes)?);
        self.known = Some((bytes, Rc::clone(&board)));
        Some(board)
    }

    /// What a fetch that begins now knows of purges.
    pub(crate) fn knowledge<H: Host>(&mut self, cx: &Cx<'_, H>) -> Option<Knowledge> {
        self.board(cx)?.knowledge()
    }

    fn call<H: Host>(
        &mut self,
        command: &Command<'_>,
        timeout: Duration,
        cx: &mut Cx<'_, H>,
    ) -> Result<CallToken, HostError> {
        let called = self.store.call(command, timeout, cx);
        if called.is_err() {
            self.metrics.failures.add(cx.host, 1);
        }
        called
    }

    /// What the answer to a command says.
    fn said<'a, H: Host>(&mut self, command: &Command<'_>, heard: &'a Heard, cx: &Cx<'_, H>) -> Said<'a> {
        let said = self.store.said(command, heard, cx);
        if said == Said::Failed {
            self.metrics.failures.add(cx.host, 1);
        }
        said
    }
}

//! The upstream's name.

use super::invariants::{self, Tokens, becomes};
use super::scene::Scene;
use super::{Outcome, Scale};
use anyhow::{Context, Result};
use ballast_upstream::Answer;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

const CLUSTER: &str = "    - name: upstream\n      type: STATIC\n";
const ENDPOINT: &str = "address: 127.0.0.1, port_value: 9000";
/// How long answers may be kept, in seconds.
const TTL: u32 = 1;

/// A server that knows every name as this machine, or none.
struct Names {
    address: SocketAddr,
    gone: Arc<AtomicBool>,
    refused: Arc<AtomicU64>,
    serving: JoinHandle<()>,
}

impl Names {
    async fn start() -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let (gone, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let serving = tokio::spawn(serve(socket, Arc::clone(&gone), Arc::clone(&refused)));
        Ok(Self { address, gone, refused, serving })
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(socket: UdpSocket, gone: Arc<AtomicBool>, refused: Arc<AtomicU64>) {
    let mut buffer = [0; 1_500];
    while let Ok((size, client)) = socket.recv_from(&mut buffer).await {
        let Ok(query) = Message::from_vec(&buffer[..size]) else { continue };
        let is_gone = gone.load(Ordering::SeqCst);
        refused.fetch_add(u64::from(is_gone), Ordering::SeqCst);
        if let Some(answer) = answer(&query, is_gone) {
            let _ = socket.send_to(&answer, client).await;
        }
    }
}

fn answer(query: &Message, gone: bool) -> Option<Vec<u8>> {
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.add_queries(query.queries.iter().cloned());
    if gone {
        answer.metadata.response_code = ResponseCode::NXDomain;
    } else {
        let asked = query.queries.iter().filter(|query| query.query_type() == RecordType::A);
        let here =
            |name: hickory_proto::rr::Name| Record::from_rdata(name, TTL, RData::A(A(Ipv4Addr::LOCALHOST)));
        let records: Vec<Record> = asked.map(|query| here(query.name().clone())).collect();
        answer.add_answers(records);
    }
    answer.to_vec().ok()
}

/// The name is gone, then there again.
pub(super) async fn gone(scale: Scale) -> Result<Outcome> {
    let names = Names::start().await.context("a DNS server on this machine")?;
    let cluster = format!(
        "    - name: upstream
      type: STRICT_DNS
      dns_lookup_family: V4_ONLY
      dns_refresh_rate: 0.5s
      dns_failure_refresh_rate: {{ base_interval: 0.5s, max_interval: 0.5s }}
      respect_dns_ttl: false
      typed_dns_resolver_config:
        name: envoy.network.dns_resolver.cares
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
          resolvers: [{{ socket_address: {{ address: 127.0.0.1, port_value: {} }} }}]
          dns_resolver_options: {{ no_default_search_domain: true }}
",
        names.address.port()
    );
    let named = "address: upstream.ballast.test, port_value: 9000";
    let change = |builder: ballast_harness::EnvoyBuilder, _: &ballast_upstream::Upstream| {
        builder.replacing(CLUSTER, &cluster).replacing(ENDPOINT, named)
    };
    let mut scene = Scene::start_with("dns-gone", Answer::ok(), change).await?;
    let mut checks = Vec::new();
    let hosts = "cluster.upstream.membership_total";
    checks.push(
        becomes("the upstream is found by name", "one host", async || {
            scene.envoy.stat(hosts).await == Some(1)
        })
        .await,
    );
    scene.begin().await;
    names.gone.store(true, Ordering::SeqCst);
    checks.push(
        becomes("the upstream is gone", "no host", async || scene.envoy.stat(hosts).await == Some(0)).await,
    );
    scene.during(tokio::time::sleep(scale.trouble())).await;
    let refused = names.refused.load(Ordering::SeqCst);
    checks.push(crate::Check::new("times that the name was not known", "some", refused, refused > 0));
    names.gone.store(false, Ordering::SeqCst);
    checks.push(invariants::breaker_recovers(&scene).await);
    scene.end().await;
    checks.extend(invariants::all(&scene, Tokens::All).await);
    Ok(scene.outcome(checks))
}

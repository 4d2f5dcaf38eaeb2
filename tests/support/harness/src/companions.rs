//! What a sample needs beside Envoy and its upstream, as the comments at its top say.
//!
//! A line `# run: redis 6379` starts Redis on that port, `# run: ratelimit 8081 limit=api:10/minute` a rate limit service
//! that counts in it, and `# run: envoy 10000=10001 9901=9902` the same configuration once more on other ports.

use std::collections::BTreeMap;

use ballast_ratelimit::{Limit, Limits, RateLimitServer};

use crate::program::{Redis, free_port};

/// What runs beside Envoy. Dropping it ends it.
#[derive(Default)]
pub struct Companions {
    redis: Option<Redis>,
    services: Vec<RateLimitServer>,
    ports: BTreeMap<u16, u16>,
    envoys: Vec<BTreeMap<u16, u16>>,
    told: Vec<(String, String)>,
}

impl Companions {
    /// Starts what the head of a sample asks for, on free ports if that is wanted.
    ///
    /// # Errors
    /// What cannot be started, or what a line should say.
    pub async fn start(text: &str, free: bool) -> Result<Self, String> {
        let mut companions = Self::default();
        let head = text.lines().take_while(|line| line.starts_with('#') || line.trim().is_empty());
        for line in head.filter_map(|line| line.strip_prefix("# run:")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["redis", port] => companions.start_redis(number(port)?, free).await?,
                ["ratelimit", port, limits @ ..] => companions.start_service(number(port)?, limits, free)?,
                ["envoy", ports @ ..] => companions.note_envoy(ports)?,
                _ => {
                    return Err(format!(
                        "`# run:{line}`: neither `redis PORT`, `ratelimit PORT LIMIT…` nor `envoy PORT=PORT…`"
                    ));
                }
            }
        }
        Ok(companions)
    }

    /// What the ports of the configuration became.
    #[must_use]
    pub fn ports(&self) -> &BTreeMap<u16, u16> {
        &self.ports
    }

    /// The ports of each further Envoy, by those of the first.
    #[must_use]
    pub fn envoys(&self) -> &[BTreeMap<u16, u16>] {
        &self.envoys
    }

    /// What runs, and where.
    #[must_use]
    pub fn told(&self) -> &[(String, String)] {
        &self.told
    }

    async fn start_redis(&mut self, port: u16, free: bool) -> Result<(), String> {
        let real = if free { free_port().map_err(|error| error.to_string())? } else { port };
        let redis = Redis::start_on(real).await.map_err(|error| error.to_string())?;
        self.told.push(("Redis".to_owned(), redis.url()));
        self.redis = Some(redis);
        self.ports.insert(port, real);
        Ok(())
    }

    fn start_service(&mut self, port: u16, limits: &[&str], free: bool) -> Result<(), String> {
        let redis = self.redis.as_ref().ok_or("`# run: ratelimit` needs a `# run: redis` above it")?;
        let limits = limits.iter().map(|limit| limit.parse::<Limit>()).collect::<Result<_, _>>();
        let limits = Limits(limits.map_err(|error| error.to_string())?);
        let service = RateLimitServer::start(if free { 0 } else { port }, &redis.url(), limits)
            .map_err(|error| format!("the rate limit service cannot use port {port}: {error}"))?;
        self.told.push(("rate limit service".to_owned(), service.address().to_string()));
        self.ports.insert(port, service.address().port());
        self.services.push(service);
        Ok(())
    }

    fn note_envoy(&mut self, ports: &[&str]) -> Result<(), String> {
        let pair = |text: &&str| {
            let (from, to) = text.split_once('=').ok_or_else(|| format!("`{text}` is not PORT=PORT"))?;
            Ok::<_, String>((number(from)?, number(to)?))
        };
        self.envoys.push(ports.iter().map(pair).collect::<Result<_, _>>()?);
        Ok(())
    }
}

fn number(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("`{text}` is no port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(text: &str) -> String {
        Companions::start(text, true).await.err().expect("must be refused")
    }

    #[tokio::test]
    async fn a_sample_that_asks_for_nothing_gets_nothing() {
        let companions = Companions::start("# A sample.\nadmin: {}\n# run: nonsense\n", true).await.unwrap();
        assert!(companions.told().is_empty() && companions.envoys().is_empty());
    }

    #[tokio::test]
    async fn further_envoys_have_other_ports() {
        let companions = Companions::start("# run: envoy 10000=10001 9901=9902\n", true).await.unwrap();
        assert_eq!(companions.envoys(), [BTreeMap::from([(10_000, 10_001), (9901, 9902)])]);
    }

    #[tokio::test]
    async fn what_cannot_be_meant_is_said() {
        for (text, expected) in [
            ("# run: webserver 80\n", "neither `redis PORT`"),
            ("# run: redis x\n", "`x` is no port"),
            ("# run: ratelimit 8081\n", "needs a `# run: redis`"),
            ("# run: envoy 10000\n", "`10000` is not PORT=PORT"),
        ] {
            let said = refused(text).await;
            assert!(said.contains(expected), "{said}");
        }
    }
}

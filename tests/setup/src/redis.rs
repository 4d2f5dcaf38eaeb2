//! Redis, for what is shared by a fleet of proxies: the machine's, else Debian's.
//!
//! Only the tests of that need it, so a machine that cannot have it can still do the rest.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::command::{self, find_on_path};
use crate::debian::{self, Origin, Package};
use crate::error::Error;
use crate::paths::Paths;
use crate::say;
use crate::versions::REDIS_OLDEST_MAJOR;

const PROGRAM: &str = "redis-server";

/// Sees to it that there is a Redis that is new enough.
pub(crate) fn ensure(paths: &Paths) -> Result<(), Error> {
    let redis = &paths.redis;
    if is_new_enough(redis) {
        return Ok(());
    }
    let step = "Redis";
    let mut refusals = Vec::new();
    for bring in [from_path, from_debian] {
        match bring(paths) {
            Ok(()) if is_new_enough(redis) => {
                say(step, &format!("is {}", redis.display()));
                return Ok(());
            }
            Ok(()) => refusals.push("what was brought does not run here, or is too old".to_owned()),
            Err(reason) => refusals.push(reason),
        }
    }
    // Not a broken one in front of whatever else is on PATH. Absent is as good as removed.
    let _ = fs::remove_file(redis);
    let remedy = format!("install Redis {REDIS_OLDEST_MAJOR} or later");
    Err(Error::new(step, refusals.join("\n  then "), remedy))
}

fn from_path(paths: &Paths) -> Result<(), String> {
    let redis = find_on_path(PROGRAM).filter(|redis| is_new_enough(redis));
    let redis = redis
        .ok_or_else(|| format!("there is no {PROGRAM} of version {REDIS_OLDEST_MAJOR} or later on PATH"))?;
    crate::replace(&paths.redis, |place| symlink(&redis, place)).map_err(|error| error.to_string())
}

fn from_debian(paths: &Paths) -> Result<(), String> {
    let package = Package { name: PROGRAM, release: None };
    let directory =
        debian::unpack(paths, "redis", &[package], Origin::Machine).map_err(|error| error.cause())?;
    debian::install_launcher(&directory, "usr/bin/redis-server", &[], &paths.redis)
        .map_err(|error| error.to_string())
}

fn is_new_enough(redis: &Path) -> bool {
    let said = command::output(Command::new(redis).arg("--version"));
    said.is_ok_and(|said| major(&said).is_some_and(|major| major >= REDIS_OLDEST_MAJOR))
}

/// The major version in `Redis server v=7.0.15 sha=…`.
fn major(said: &str) -> Option<u32> {
    let version = said.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_of_redis_is_read() {
        for (said, expected) in [
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", Some(7)),
            ("Redis server v=12.1 sha=0", Some(12)),
            ("Redis server 7.0.15", None),
            ("", None),
        ] {
            assert_eq!(major(said), expected, "{said}");
        }
    }
}

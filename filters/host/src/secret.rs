//! The secret that keeps anybody from aiming at another client's slot.

use crate::drive::Scope;
use crate::host::Host;
use ballast_core::slots::Secret;

/// The name of the secret's value.
const KEY: &str = "secret";

/// The scope's secret: the stored one, or a new one if there is none yet. `None`: the store fails.
pub(crate) fn shared(host: &impl Host, scope: &Scope) -> Option<Secret> {
    let key = scope.key(KEY);
    let stored = host.shared(&key).ok()?;
    if let Some(secret) = decode(stored.value.as_deref()) {
        return Some(secret);
    }
    let new = [host.random().to_le_bytes(), host.random().to_le_bytes()].concat();
    if host.swap_shared(&key, &new, stored.version).ok()? {
        return decode(Some(&new));
    }
    // Another worker was first: its secret counts.
    decode(host.shared(&key).ok()?.value.as_deref())
}

/// Puts another secret in the place of the stored one.
pub(crate) fn replace(host: &impl Host, scope: &Scope, secret: &Secret) -> bool {
    host.put_shared(&scope.key(KEY), &secret.0).is_ok()
}

fn decode(bytes: Option<&[u8]>) -> Option<Secret> {
    bytes?.try_into().ok().map(Secret)
}

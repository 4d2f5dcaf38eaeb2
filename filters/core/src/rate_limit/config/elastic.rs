//! How a limit tightens under overload, checked.

use super::raw::RawElastic;
use crate::config::ConfigError;
use crate::rate_limit::elastic::Elastic;
use crate::units::Share;
use core::time::Duration;

/// The least that may be left of a limit.
const LEAST_SHARE: Share = Share::from_basis_points(100);
/// The longest that a limit may take to become whole again.
const LONGEST_RECOVERY: Duration = Duration::from_secs(60 * 60);

/// Checks what operators write about it.
pub(super) fn elastic(raw: RawElastic, path: &str) -> Result<Elastic, ConfigError> {
    let names = ["level_1", "level_2", "level_3"];
    let at = |name: &str, reason: String| ConfigError::new(format!("{path}.elastic.{name}"), reason);
    let written = [raw.level_1, raw.level_2, raw.level_3];
    if written == [None; 3] {
        return Err(ConfigError::new(
            format!("{path}.elastic"),
            "`{}` tightens nothing: name a level".to_owned(),
        ));
    }
    let mut shares = [Share::ALL; 3];
    // A level without a share of its own has that of the level below.
    let mut below = Share::ALL;
    for ((name, share), wanted) in names.into_iter().zip(&mut shares).zip(written) {
        let wanted = wanted.unwrap_or(below);
        if wanted < LEAST_SHARE {
            return Err(at(name, format!("`{wanted}` lets hardly anything through: at least {LEAST_SHARE}")));
        }
        if wanted > below {
            let reason = format!("`{wanted}` is more than at the level below, which has {below}");
            return Err(at(name, reason));
        }
        (*share, below) = (wanted, wanted);
    }
    if raw.recover_over.0 > LONGEST_RECOVERY {
        return Err(at("recover_over", format!("`{}` is more than 1h", raw.recover_over)));
    }
    Ok(Elastic::new(shares, raw.recover_over.0))
}

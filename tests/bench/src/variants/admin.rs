//! The admin filter where clients come in.

use super::{Budget, Variant, filter};

pub(super) fn variants() -> Vec<Variant> {
    let ingress = filter("admin", r#"{"endpoints": "disabled"}"#);
    vec![Variant::new("admin: where clients come in", Some(Budget::Added(1.3)), ingress)]
}

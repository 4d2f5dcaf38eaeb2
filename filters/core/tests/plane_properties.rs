//! The slow plane's shared values under any bytes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

use ballast_core::plane::{Enlisting, Publishers};
use ballast_core::rewrite::{Edit, Edited};
use proptest::prelude::*;

fn enlist(old: Option<&[u8]>, name: &str) -> Option<Vec<u8>> {
    match Enlisting(name.to_owned()).edit(old) {
        Edited::Replace(value, true) => Some(value),
        _ => None,
    }
}

proptest! {
    #[test]
    fn any_bytes_are_one_list_or_none(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Some(publishers) = Publishers::decode(&bytes) {
            prop_assert_eq!(publishers.encode(), bytes);
        }
    }

    #[test]
    fn what_was_listed_is_read_back(names in prop::collection::btree_set("[a-z/-]{0,20}", 1..40)) {
        let mut value = None;
        for name in names.iter().rev() {
            value = Some(enlist(value.as_deref(), name).unwrap());
        }
        let read = Publishers::read(value.as_deref());
        prop_assert!(read.iter().eq(names.iter().map(String::as_str)));
    }
}

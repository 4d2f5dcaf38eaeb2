//! Shared data: one map per `vm_id` for the whole process.
//!
//! Nothing is ever freed; all keys draw their `cas` from one 32-bit counter that skips 0.

use std::collections::BTreeMap;

/// The key has another `cas` than the writer believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("somebody else wrote this key in between")]
pub struct CasMismatch;

/// By key: the value and its `cas`.
type Values = BTreeMap<Vec<u8>, (Vec<u8>, u32)>;

#[derive(Debug, Default)]
pub(crate) struct SharedData {
    values: BTreeMap<String, Values>,
    last_cas: u32,
}

impl SharedData {
    pub(crate) fn get(&self, vm_id: &str, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        self.values.get(vm_id)?.get(key).cloned()
    }

    /// `cas` 0 overwrites whatever is there; on a missing key every `cas` succeeds.
    pub(crate) fn set(&mut self, vm_id: &str, key: &[u8], value: &[u8], cas: u32) -> Result<(), CasMismatch> {
        let existing = self.values.get(vm_id).and_then(|values| values.get(key));
        if existing.is_some_and(|(_, current)| cas != 0 && cas != *current) {
            return Err(CasMismatch);
        }
        let next = self.next_cas();
        self.values.entry(vm_id.to_owned()).or_default().insert(key.to_vec(), (value.to_vec(), next));
        Ok(())
    }

    pub(crate) fn keys(&self, vm_id: &str) -> Vec<String> {
        let keys = self.values.get(vm_id).into_iter().flat_map(BTreeMap::keys);
        keys.map(|key| String::from_utf8_lossy(key).into_owned()).collect()
    }

    fn next_cas(&mut self) -> u32 {
        self.last_cas = self.last_cas.checked_add(1).unwrap_or(1);
        self.last_cas
    }
}

#[cfg(test)]
mod tests {
    use super::{CasMismatch, SharedData};

    #[test]
    fn a_write_succeeds_or_not_by_its_cas() {
        let rows = [
            ("absent, unconditional", None, 0, true),
            ("absent, any cas", None, u32::MAX, true),
            ("present, unconditional", Some("old"), 0, true),
            ("present, right cas", Some("old"), 1, true),
            ("present, wrong cas", Some("old"), 2, false),
            ("present, create only", Some("old"), u32::MAX, false),
        ];
        for (why, existing, cas, accepted) in rows {
            let mut data = SharedData::default();
            if let Some(value) = existing {
                data.set("", b"k", value.as_bytes(), 0).unwrap();
            }
            let expected = if accepted { Ok(()) } else { Err(CasMismatch) };
            assert_eq!(data.set("", b"k", b"new", cas), expected, "{why}");
            let stored = data.get("", b"k").unwrap().0;
            assert_eq!(stored, if accepted { &b"new"[..] } else { b"old" }, "{why}");
        }
    }

    #[test]
    fn all_keys_and_vm_ids_draw_from_one_counter_which_skips_zero() {
        let mut data = SharedData::default();
        data.set("a", b"x", b"1", 0).unwrap();
        data.set("b", b"x", b"2", 0).unwrap();
        assert_eq!(data.get("a", b"x"), Some((b"1".to_vec(), 1)));
        assert_eq!(data.get("b", b"x"), Some((b"2".to_vec(), 2)));
        data.last_cas = u32::MAX;
        data.set("a", b"x", b"", 0).unwrap();
        assert_eq!(data.get("a", b"x"), Some((Vec::new(), 1)), "an empty value keeps its cas");
    }
}

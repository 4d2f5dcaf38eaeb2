//! The body of an answer that is to be sent.

use core::fmt;
use std::rc::Rc;

/// Bytes that are its own, or those of something that others hold, too: an answer from the store is sent without copying its
/// body first.
#[derive(Clone)]
pub enum Body {
    /// Its own.
    Own(Vec<u8>),
    /// Somebody else's.
    Shared(Rc<dyn AsRef<[u8]>>),
}

impl Body {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => (**bytes).as_ref(),
        }
    }

    /// The bytes, to be changed.
    pub fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => (*bytes).as_ref().to_vec(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Own(bytes)
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self::Own(text.into())
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Body {}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bodies are never logged.
        write!(f, "{} bytes", self.as_slice().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn shared_bytes_are_as_good_as_own_ones() {
        let held: Rc<Vec<u8>> = Rc::new(b"abc".to_vec());
        let shared = Body::Shared(held.clone());
        assert_eq!((shared.as_slice(), shared.is_empty()), (&b"abc"[..], false));
        assert_eq!(shared, Body::from("abc"));
        assert_ne!(shared, Body::default());
        assert_eq!((shared.clone().into_vec(), Rc::strong_count(&held)), (b"abc".to_vec(), 2));
        assert_eq!(format!("{shared:?}"), "3 bytes");
    }
}

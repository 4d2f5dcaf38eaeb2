//! Keys as people write and read them.

use super::super::address;
use super::{KeyPart, KeySpec, MISSING, Part};
use crate::matching::Request;
use crate::wire::Reader;

impl KeySpec {
    /// Appends the key that these texts are, one for each part but constants, as [`extract`](Self::extract) would for a request
    /// with these values.
    ///
    /// # Errors
    ///
    /// There are too few or too many, or one is no address where there must be one.
    pub fn append_texts(&self, texts: &[String], material: &mut Vec<u8>) -> Result<(), String> {
        let wanted: Vec<&KeyPart> = self
            .0
            .iter()
            .map(|Part(part)| part)
            .filter(|part| !matches!(part, KeyPart::Constant(_)))
            .collect();
        if wanted.len() != texts.len() {
            let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            return Err(format!("{} values for a key made of {names}", texts.len()));
        }
        let mut texts = texts.iter();
        for Part(part) in &self.0 {
            let value = match part {
                KeyPart::Constant(text) => text,
                _ => texts.next().map_or("", String::as_str),
            };
            part.append_text(value, material)?;
        }
        Ok(())
    }

    /// The request's key for people, its parts joined by commas; a part that is missing is a dash.
    pub fn text(&self, request: &impl Request) -> String {
        let mut material = Vec::with_capacity(64);
        // What is missing is shown as that.
        let _ = self.extract(request, &mut material);
        let (mut reader, mut parts) = (Reader::new(&material), Vec::new());
        while let Some(kind) = reader.u8() {
            if kind & MISSING != 0 {
                parts.push("-".to_owned());
                continue;
            }
            let Some(value) = reader.bytes() else { break };
            parts.push(if kind == ADDRESS { address::shown(value) } else { readable(value) });
        }
        parts.join(", ")
    }
}

/// The kind of a client's address.
const ADDRESS: u8 = 1;

impl KeyPart {
    fn append_text(&self, text: &str, material: &mut Vec<u8>) -> Result<(), String> {
        if let Self::ClientAddress(config) = self {
            let network = config.network_of(text).ok_or_else(|| format!("`{text}` is no address"))?;
            material.push(self.kind());
            address::append(network, material);
            return Ok(());
        }
        let text = if matches!(self, Self::Host) { text.to_ascii_lowercase() } else { text.to_owned() };
        material.push(self.kind());
        material.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        material.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// What a client has written, without what could play tricks on who reads it.
fn readable(value: &[u8]) -> String {
    String::from_utf8_lossy(value)
        .chars()
        .map(|one| if one.is_control() { '\u{fffd}' } else { one })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::{Property, Sample};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const KEY: &str = r#"["client_address", {"header": "x-plan"}, "host", {"constant": "c"}]"#;

    fn spec(json: &str) -> KeySpec {
        serde_json::from_str(json).unwrap()
    }

    fn request() -> Sample {
        let request = Sample::get("/").with("x-plan", "gold").with(":authority", "API.example:443");
        request.knows(Property::SourceAddress, "192.0.2.7:40000")
    }

    #[test]
    fn a_key_in_texts_is_that_of_the_request_that_has_them() {
        let (mut of_request, mut of_texts) = (Vec::new(), Vec::new());
        spec(KEY).extract(&request(), &mut of_request).unwrap();
        let texts = ["192.0.2.7", "gold", "API.example"].map(str::to_owned);
        spec(KEY).append_texts(&texts, &mut of_texts).unwrap();
        assert_eq!(of_texts, of_request);
        assert_eq!(spec(KEY).text(&request()), "192.0.2.7/32, gold, api.example, c");
    }

    #[test]
    fn what_is_missing_is_a_dash_and_control_characters_are_not_shown() {
        let request = Sample::get("/").with("x-plan", b"a\x1b[31m");
        assert_eq!(spec(KEY).text(&request).split(", ").take(2).collect::<Vec<_>>(), ["-", "a\u{fffd}[31m"]);
        assert_eq!(spec("[]").text(&request), "");
    }

    #[test]
    fn texts_that_are_no_key_are_refused() {
        for (texts, reason) in [
            (vec!["192.0.2.7"], "1 values for a key made of client address, header x-plan, host"),
            (vec!["nobody", "gold", "a"], "`nobody` is no address"),
        ] {
            let texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
            assert_eq!(spec(KEY).append_texts(&texts, &mut Vec::new()), Err(reason.to_owned()));
        }
        assert_eq!(spec("[]").append_texts(&[], &mut Vec::new()), Ok(()));
    }
}

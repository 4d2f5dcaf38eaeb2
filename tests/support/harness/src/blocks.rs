//! Taking the listeners out of a bootstrap, so that a test can replace them while Envoy runs.

/// A bootstrap without its static listeners, and these as the text of a listener file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The bootstrap that is left.
    pub bootstrap: String,
    /// The listeners as a discovery response in YAML.
    pub listeners: String,
}

/// Splits a bootstrap in block style: `static_resources:`, within it `listeners:`, within it one `- ` per listener.
/// `None` when it is not written like that.
#[must_use]
pub fn split_listeners(bootstrap: &str) -> Option<Split> {
    let lines: Vec<&str> = bootstrap.lines().collect();
    let head = lines.iter().position(|line| line.trim_end() == "  listeners:")?;
    let inside = |line: &&str| line.trim().is_empty() || line.starts_with("  - ") || line.starts_with("   ");
    let count = lines[head + 1..]
        .iter()
        .take_while(|line| inside(line) || line.trim_start().starts_with('#'))
        .count();
    let (listeners, rest) = lines[head + 1..].split_at(count);
    let first = listeners.iter().find(|line| line.trim_start().starts_with("- "))?;
    let indent = first.len() - first.trim_start().len();
    let item = format!("{}- ", " ".repeat(indent));
    let mut text = "resources:\n".to_owned();
    for line in listeners {
        if let Some(field) = line.strip_prefix(&item) {
            text.push_str(&format!(
                "{item}\"@type\": type.googleapis.com/envoy.config.listener.v3.Listener\n"
            ));
            text.push_str(&format!("{}  {field}\n", " ".repeat(indent)));
        } else {
            text.push_str(&format!("{line}\n"));
        }
    }
    let left: Vec<&str> = lines[..head].iter().chain(rest).copied().collect();
    Some(Split { bootstrap: left.join("\n") + "\n", listeners: text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_become_typed_resources_and_the_rest_stays() {
        let text = "admin: {}\nstatic_resources:\n  listeners:\n  # one\n  - name: a\n    address: {}\n  - name: b\n  clusters:\n  - name: up\n";
        let split = split_listeners(text).unwrap();
        assert_eq!(split.bootstrap, "admin: {}\nstatic_resources:\n  clusters:\n  - name: up\n");
        let kind = "\"@type\": type.googleapis.com/envoy.config.listener.v3.Listener";
        let expected = format!(
            "resources:\n  # one\n  - {kind}\n    name: a\n    address: {{}}\n  - {kind}\n    name: b\n"
        );
        assert_eq!(split.listeners, expected);
    }

    #[test]
    fn deeper_indented_items_are_found_too() {
        let split =
            split_listeners("static_resources:\n  listeners:\n    - name: a\n      b: 1\n  clusters: []\n")
                .unwrap();
        assert!(split.listeners.contains("\n      name: a\n      b: 1\n"), "{}", split.listeners);
        assert_eq!(split.bootstrap, "static_resources:\n  clusters: []\n");
    }

    #[test]
    fn without_listeners_there_is_nothing_to_split() {
        assert_eq!(split_listeners("static_resources:\n  clusters: []\n"), None);
    }
}

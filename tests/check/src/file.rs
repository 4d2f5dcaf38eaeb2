//! One file: finds what it configures, and what is wrong with it.

use crate::filters::Filter;
use crate::find::{Configuration, Plugin, plugins, scalar};
use crate::place::{Place, of_path};
use crate::report::{Finding, Severity};
use crate::warnings;
use ballast_core::config::ConfigError;
use saphyr::{LoadableYamlNode, MarkedYaml, YamlData};
use serde_json::Value;

/// What a file holds, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Checked {
    /// How many Ballast configurations there are.
    pub configurations: usize,
    /// By line.
    pub findings: Vec<Finding>,
}

/// Checks a file's text. `filter` says what a bare configuration is for, where its fields do not.
pub fn check(text: &str, filter: Option<&'static Filter>) -> Checked {
    let documents = match MarkedYaml::load_from_str(text) {
        Ok(documents) => documents,
        Err(error) => {
            let (line, column) = (error.marker().line(), error.marker().col() + 1);
            let message = format!("neither YAML nor JSON: {}", error.info());
            return Checked {
                configurations: 0,
                findings: vec![finding(Severity::Error, Place { line, column }, "", "", message)],
            };
        }
    };
    let plugins = plugins(&documents);
    let source = Source { lines: text.lines().collect() };
    let mut checked = Checked::default();
    if plugins.is_empty() {
        documents.iter().for_each(|document| source.bare(document, filter, &mut checked));
    }
    let understood: Vec<Understood<'_>> =
        plugins.iter().filter_map(|plugin| source.plugin(plugin, &mut checked)).collect();
    warnings::of_chains(&understood, &mut checked.findings);
    checked.findings.sort_by_key(|finding| (finding.line, finding.column));
    checked
}

/// The documents of a YAML or JSON text as JSON values, read as Kubernetes and Envoy read them: what YAML 1.1 calls a boolean is one.
///
/// # Errors
///
/// Where the text stops being YAML, and why.
pub fn values(text: &str) -> Result<Vec<Value>, String> {
    let documents = MarkedYaml::load_from_str(text).map_err(|error| error.to_string())?;
    let source = Source { lines: text.lines().collect() };
    Ok(documents.iter().map(|document| source.json(document)).collect())
}

/// A plugin whose configuration is right by its grammar.
pub struct Understood<'a> {
    /// The plugin.
    pub plugin: &'a Plugin<'a>,
    /// Its configuration.
    pub value: Value,
    /// Where the configuration's values stand.
    pub map: Map<'a>,
}

/// Where the values of a configuration stand in the file.
pub struct Map<'a> {
    tree: Tree<'a>,
    /// Of a text in the file: the place of its first line, if its lines are those of the file.
    shift: Option<Place>,
    /// Of all of it.
    place: Place,
}

enum Tree<'a> {
    Own(Vec<MarkedYaml<'a>>),
    Of(&'a MarkedYaml<'a>),
}

impl Map<'_> {
    /// The place of a path.
    pub fn place(&self, path: &str) -> Place {
        match &self.tree {
            Tree::Of(node) => of_path(node, path),
            Tree::Own(documents) => documents
                .first()
                .zip(self.shift)
                .map_or(self.place, |(node, shift)| shifted(of_path(node, path), shift)),
        }
    }
}

fn shifted(place: Place, by: Place) -> Place {
    Place { line: place.line + by.line - 1, column: place.column + by.column - 1 }
}

struct Source<'a> {
    lines: Vec<&'a str>,
}

impl<'a> Source<'a> {
    /// A document that is nothing but a configuration.
    fn bare(&self, document: &'a MarkedYaml<'a>, filter: Option<&'static Filter>, checked: &mut Checked) {
        let YamlData::Mapping(fields) = &document.data else { return };
        let names = fields.keys().filter_map(|key| key.data.as_str());
        let Some(filter) = filter.or_else(|| Filter::of_fields(names)) else { return };
        checked.configurations += 1;
        let map = Map { tree: Tree::Of(document), shift: None, place: Place::of(document) };
        let value = self.json(document);
        if self.refused(filter, &value.to_string(), &map, checked).is_none() {
            warnings::of_settings(filter, &value, &map, &mut checked.findings);
        }
    }

    /// A plugin: what it is refused with, or what it says.
    fn plugin(&self, plugin: &'a Plugin<'a>, checked: &mut Checked) -> Option<Understood<'a>> {
        checked.configurations += 1;
        let (text, map) = match plugin.configuration {
            Configuration::Absent => {
                (String::new(), Map { tree: Tree::Own(Vec::new()), shift: None, place: plugin.place })
            }
            Configuration::Fields(node) => (
                self.json(node).to_string(),
                Map { tree: Tree::Of(node), shift: None, place: Place::of(node) },
            ),
            Configuration::Text(node) => (node.data.as_str().unwrap_or_default().to_owned(), self.text(node)),
        };
        if self.refused(plugin.filter, &text, &map, checked).is_some() {
            return None;
        }
        let value = serde_json::from_str(&text).unwrap_or_else(|_| Value::Object(serde_json::Map::new()));
        warnings::of_settings(plugin.filter, &value, &map, &mut checked.findings);
        Some(Understood { plugin, value, map })
    }

    /// Why the filter would refuse a configuration; it is among the findings then.
    fn refused(&self, filter: &Filter, text: &str, map: &Map<'_>, checked: &mut Checked) -> Option<()> {
        let error = filter.read(text.as_bytes()).err()?;
        let (path, reason) = located(&error);
        let mut place = map.place(path);
        // Text that is not JSON at all says where it stops being so.
        if path.is_empty()
            && let Some(shift) = map.shift
            && let Err(error) = serde_json::from_str::<Value>(text)
        {
            place = shifted(Place { line: error.line(), column: error.column().max(1) }, shift);
        }
        checked.findings.push(finding(Severity::Error, place, filter.name, path, reason.to_owned()));
        Some(())
    }

    /// Where the values of a text stand: its lines are those of the file where it is a literal block.
    fn text(&self, node: &'a MarkedYaml<'a>) -> Map<'a> {
        let text = node.data.as_str().unwrap_or_default();
        let place = Place::of(node);
        let indent = place.column - 1;
        let literal = (0..).zip(text.lines()).all(|(number, line): (usize, &str)| {
            let own = self.lines.get(place.line - 1 + number).copied().unwrap_or_default();
            own.get(indent..).unwrap_or_default() == line || (line.is_empty() && own.trim().is_empty())
        });
        let tree = MarkedYaml::load_from_str(text).unwrap_or_default();
        Map { tree: Tree::Own(tree), shift: literal.then_some(place), place }
    }

    /// A node as the proxy would hand it on.
    fn json(&self, node: &MarkedYaml<'_>) -> Value {
        match &node.data {
            YamlData::Mapping(fields) => fields
                .iter()
                .map(|(key, value)| (key.data.as_str().unwrap_or_default().to_owned(), self.json(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            YamlData::Sequence(items) => items.iter().map(|item| self.json(item)).collect::<Vec<_>>().into(),
            YamlData::Value(value) => scalar(value, self.is_quoted(node)),
            _ => Value::Null,
        }
    }

    fn is_quoted(&self, node: &MarkedYaml<'_>) -> bool {
        let start = node.span.start;
        let line = self.lines.get(start.line() - 1).copied().unwrap_or_default();
        !matches!(line.chars().nth(start.col()), Some(first) if first.is_ascii_alphanumeric())
    }
}

/// The path and the reason of an error. What a configuration is refused with as a whole has its path in the text.
fn located(error: &ConfigError) -> (&str, &str) {
    let is_path = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-[].".contains(c))
    };
    match error.reason().split_once(": ") {
        Some((path, reason)) if error.path().is_empty() && is_path(path) => (path, reason),
        _ => (error.path(), error.reason()),
    }
}

pub(crate) fn finding(
    severity: Severity,
    place: Place,
    filter: &str,
    path: &str,
    message: String,
) -> Finding {
    Finding {
        severity,
        line: place.line,
        column: place.column,
        filter: filter.to_owned(),
        path: path.to_owned(),
        message,
    }
}

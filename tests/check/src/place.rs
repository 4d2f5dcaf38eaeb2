//! Where in a text a JSON path stands.

use saphyr::{MarkedYaml, YamlData};

/// A place in a file, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// Where a node begins.
    pub fn of(node: &MarkedYaml<'_>) -> Self {
        Self { line: node.span.start.line(), column: node.span.start.col() + 1 }
    }
}

/// The place of a path such as `limits[0].rate` below `root`: of its value, or, where the path leads further than the text, of the deepest
/// part that is there.
pub fn of_path(root: &MarkedYaml<'_>, path: &str) -> Place {
    let mut node = root;
    let mut place = Place::of(root);
    for step in steps(path) {
        let next = match &step {
            Step::Field(name) => {
                // A key is a better place than the value for what is wrong with a whole object.
                entry(node, name).map(|(key, value)| (Place::of(key), value))
            }
            Step::Item(number) => item(node, *number).map(|value| (Place::of(value), value)),
        };
        let Some((at, value)) = next else { break };
        place = if is_collection(value) { at } else { Place::of(value) };
        node = value;
    }
    place
}

/// The value of a field.
pub fn field<'a, 'input>(node: &'a MarkedYaml<'input>, name: &str) -> Option<&'a MarkedYaml<'input>> {
    entry(node, name).map(|(_, value)| value)
}

/// A text field.
pub fn text<'a>(node: &'a MarkedYaml<'_>, name: &str) -> Option<&'a str> {
    field(node, name)?.data.as_str()
}

fn entry<'a, 'input>(
    node: &'a MarkedYaml<'input>,
    name: &str,
) -> Option<(&'a MarkedYaml<'input>, &'a MarkedYaml<'input>)> {
    let YamlData::Mapping(fields) = &node.data else { return None };
    fields.iter().find(|(key, _)| key.data.as_str() == Some(name))
}

fn item<'a, 'input>(node: &'a MarkedYaml<'input>, number: usize) -> Option<&'a MarkedYaml<'input>> {
    let YamlData::Sequence(items) = &node.data else { return None };
    items.get(number)
}

fn is_collection(node: &MarkedYaml<'_>) -> bool {
    matches!(node.data, YamlData::Mapping(_) | YamlData::Sequence(_))
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Item(usize),
}

/// The steps of a path. Field names hold no dots and brackets; what does is taken as far as it can be.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (name, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
        if !name.is_empty() {
            steps.push(Step::Field(name.to_owned()));
        }
        while let Some((number, after)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            let Ok(number) = number.parse() else { break };
            steps.push(Step::Item(number));
            rest = after;
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use saphyr::LoadableYamlNode;

    #[test]
    fn a_path_is_found_as_far_as_the_text_goes() {
        let text =
            "{\n  \"limits\": [\n    { \"rate\": \"100\",\n      \"match\": { \"path\": {} } }\n  ]\n}";
        let documents = MarkedYaml::load_from_str(text).unwrap_or_default();
        let root = documents.first().map(|root| {
            [
                "limits[0].rate",
                "limits[0].match.path",
                "limits",
                "limits[0]",
                "limits[0].burst",
                "limits[7]",
                "",
            ]
            .map(|path| of_path(root, path))
        });
        let expected = [(3, 15), (4, 18), (2, 3), (3, 5), (3, 5), (2, 3), (1, 1)];
        assert_eq!(root, Some(expected.map(|(line, column)| Place { line, column })));
    }

    #[test]
    fn a_path_is_fields_and_numbers() {
        let expected =
            [Step::Field("a".to_owned()), Step::Item(1), Step::Item(22), Step::Field("b-c".to_owned())];
        assert_eq!(steps("a[1][22].b-c"), expected);
        assert_eq!(steps(""), []);
        assert_eq!(steps("a[x]"), [Step::Field("a".to_owned())]);
    }
}

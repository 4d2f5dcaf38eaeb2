//! Tables for readers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::FILTERS;
use crate::shape::Shape;

/// What all filters share, with what it is called.
const SHARED: &[(&str, &str)] = &[
    ("Matcher", "match"),
    ("KeySpec", "key"),
    ("Pattern", "pattern"),
    ("Trust", "trust"),
    ("TrustedHeader", "trusted header"),
    ("StatusSet", "statuses"),
    ("Span", "time"),
    ("ByteSize", "size"),
    ("Rate", "rate"),
    ("Share", "share"),
    ("Name", "name"),
];

/// From a filter's page to the one of what is shared.
const SHARED_PAGE: &str = "../../envoy/schema/README.md";

/// The table of a filter's fields.
pub(crate) fn table(schema: &Value) -> String {
    let mut rows = String::from("| field | what it is | what it does |\n|---|---|---|\n");
    add_rows(&mut rows, "", Shape::root(schema), SHARED_PAGE, true);
    rows
}

/// The page of what all filters share.
pub(crate) fn shared_page() -> String {
    let mut page = String::from(
        "# What operators write\n\n\
         Each filter's fields are in its own page, from the same source as the schemas here: `make schema` writes all of them.\n\n\
         An editor completes and checks a configuration that is a file of its own, and one in a `Struct` or a `pluginConfig`, where the file's first line is\n\n\
         ```yaml\n# yaml-language-server: $schema=schema/rate-limit.json\n```\n\n\
         For the JSON text in a bootstrap `ballast-check` says what is wrong, by line.\n\n\
         A schema knows single values. What holds between several only the filter itself checks.\n",
    );
    let schemas: Vec<Value> = FILTERS.iter().map(crate::Filter::schema).collect();
    let mut found = BTreeMap::new();
    for schema in &schemas {
        for (at, (definition, title)) in SHARED.iter().enumerate() {
            if let Some(shape) = Shape::root(schema).definition(definition) {
                found.entry(at).or_insert((title, shape));
            }
        }
    }
    for (title, shape) in found.values() {
        let _ = write!(page, "\n## {title}\n\n");
        if let Some(said) = shape.description() {
            let _ = write!(page, "{}\n\n", one_line(said));
        }
        let alternatives = shape.alternatives();
        let items = alternatives.iter().filter_map(|one| one.items());
        let lists: Vec<Shape<'_>> = items.filter(|items| shared(*items).is_none()).collect();
        let all: Vec<Shape<'_>> =
            alternatives.iter().chain(&lists).flat_map(|one| one.alternatives()).collect();
        let objects: Vec<Shape<'_>> = all.iter().copied().filter(|one| !one.fields().is_empty()).collect();
        let words: Vec<String> =
            all.iter().flat_map(|one| one.word().into_iter().chain(one.words())).collect();
        let mut rows = String::new();
        for object in &objects {
            add_rows(&mut rows, "", *object, "", objects.len() == 1);
        }
        if !rows.is_empty() && !words.is_empty() {
            let _ = write!(page, "One of the words {}, or an object with one of these:\n\n", quoted(&words));
        }
        if rows.is_empty() {
            let _ = writeln!(page, "{}", written(*shape));
        } else {
            let _ = write!(page, "| field | what it is | what it does |\n|---|---|---|\n{rows}");
        }
    }
    page
}

/// `alone`: there is no other object that it could be instead.
fn add_rows(rows: &mut String, prefix: &str, object: Shape<'_>, shared_page: &str, alone: bool) {
    for (name, said, shape) in object.fields() {
        let path = format!("{prefix}{name}");
        let description = said.get("description").and_then(Value::as_str).or(shape.description());
        let required = if alone && object.requires(name) { " **Required.**" } else { "" };
        let text = description.map(one_line).unwrap_or_default();
        let _ = writeln!(rows, "| `{path}` | {} | {text}{required} |", kind(shape, shared_page));
        let below = objects_of(shape);
        for (object, is_list) in &below {
            let more = if *is_list { "[]." } else { "." };
            add_rows(rows, &format!("{path}{more}"), *object, shared_page, below.len() == 1);
        }
    }
}

/// The objects that a value can be or consist of, and whether as items of a list; without what is shared.
fn objects_of(shape: Shape<'_>) -> Vec<(Shape<'_>, bool)> {
    let own = |shape: &Shape<'_>| shared(*shape).is_none() && !shape.fields().is_empty();
    let mut all: Vec<(Shape<'_>, bool)> = Vec::new();
    if shared(shape).is_some() {
        return all;
    }
    for one in shape.alternatives() {
        if shared(one).is_some() {
            continue;
        }
        let items = one.items().filter(|items| shared(*items).is_none());
        let items = items.map(Shape::alternatives).unwrap_or_default();
        let found = [(vec![one], false), (items, true)];
        for (shapes, is_list) in found {
            for shape in shapes.into_iter().filter(own) {
                // One that stands alone and in a list is described once.
                if !all.iter().any(|(known, _)| known.name == shape.name && known.name.is_some()) {
                    all.push((shape, is_list));
                }
            }
        }
    }
    all
}

/// What it is called where it is shared.
fn shared(shape: Shape<'_>) -> Option<&'static str> {
    let name = shape.name?;
    SHARED.iter().find(|(definition, _)| *definition == name).map(|(_, title)| *title)
}

/// What a value is, in a word or two.
fn kind(shape: Shape<'_>, shared_page: &str) -> String {
    if let Some(title) = shared(shape) {
        return format!("[{title}]({shared_page}#{})", title.replace(' ', "-"));
    }
    let alternatives = shape.alternatives();
    if alternatives.len() > 1 {
        let mut all: Vec<String> = alternatives.into_iter().map(|one| kind(one, shared_page)).collect();
        all.dedup();
        return all.join(" or ");
    }
    let Some(one) = alternatives.into_iter().next() else { return "`null`".to_owned() };
    if one.name != shape.name && shared(one).is_some() {
        return kind(one, shared_page);
    }
    if let Some(word) = one.word() {
        return format!("`{word}`");
    }
    let words = one.words();
    if !words.is_empty() {
        return quoted(&words).replace(", ", " or ");
    }
    match one.kind() {
        Some("array") => {
            one.items().map_or("list".to_owned(), |items| format!("list of {}", kind(items, shared_page)))
        }
        Some("string") => "text".to_owned(),
        Some("integer") => format!("whole number{}", bounds(one)),
        Some("number") => format!("number{}", bounds(one)),
        Some("boolean") => "`true` or `false`".to_owned(),
        _ => "object".to_owned(),
    }
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The bounds of a number that are more than those of its type.
fn bounds(shape: Shape<'_>) -> String {
    let of_type = [0_u64, u8::MAX.into(), u16::MAX.into()];
    let number = |keyword: &str| {
        shape.schema.get(keyword).filter(|bound| bound.as_u64().is_none_or(|bound| !of_type.contains(&bound)))
    };
    match (number("minimum"), number("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", from {least}"),
        (None, Some(most)) => format!(", up to {most}"),
        (None, None) => String::new(),
    }
}

/// How a single value is written.
fn written(shape: Shape<'_>) -> String {
    match shape.schema.get("pattern").and_then(Value::as_str) {
        Some(pattern) => format!("A text: `{}`", pattern.replace('|', "\\|")),
        None => kind(shape.unnamed(), ""),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

//! What a schema says about one value.

use serde_json::{Map, Value};

/// A schema with the definitions that it refers to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape<'a> {
    pub(crate) schema: &'a Value,
    definitions: Option<&'a Map<String, Value>>,
    /// The name under which it was referred to.
    pub(crate) name: Option<&'a str>,
}

impl<'a> Shape<'a> {
    /// The whole of a schema.
    pub(crate) fn root(schema: &'a Value) -> Self {
        Self { schema, definitions: schema.get("definitions").and_then(Value::as_object), name: None }
    }

    /// A definition.
    pub(crate) fn definition(self, name: &str) -> Option<Self> {
        let (name, schema) = self.definitions?.get_key_value(name)?;
        Some(Self { schema, name: Some(name), ..self })
    }

    /// The same as if it stood where it is used.
    pub(crate) const fn unnamed(self) -> Self {
        Self { name: None, ..self }
    }

    fn part(self, schema: &'a Value) -> Self {
        Self { schema, name: None, ..self }.resolved()
    }

    fn parts(self, keyword: &str) -> Vec<Self> {
        let parts = self.schema.get(keyword).and_then(Value::as_array);
        parts.map(|parts| parts.iter().map(|part| self.part(part)).collect()).unwrap_or_default()
    }

    /// What a reference stands for, alone or wrapped.
    fn resolved(self) -> Self {
        if let [one] = self.parts_unresolved("allOf")[..] {
            return Self { schema: one, ..self }.resolved();
        }
        let target = self.schema.get("$ref").and_then(Value::as_str);
        let target = target.and_then(|target| target.strip_prefix("#/definitions/"));
        target.and_then(|name| self.definition(name)).map_or(self, Self::resolved)
    }

    fn parts_unresolved(self, keyword: &str) -> Vec<&'a Value> {
        let parts = self.schema.get(keyword).and_then(Value::as_array);
        parts.map(|parts| parts.iter().collect()).unwrap_or_default()
    }

    /// The fields of an object: name, what was said about it here, and its shape.
    pub(crate) fn fields(self) -> Vec<(&'a str, &'a Value, Self)> {
        let fields = self.schema.get("properties").and_then(Value::as_object);
        let all = fields.into_iter().flatten();
        all.map(|(name, schema)| (name.as_str(), schema, self.part(schema))).collect()
    }

    /// Whether a field must be given.
    pub(crate) fn requires(self, field: &str) -> bool {
        let required = self.schema.get("required").and_then(Value::as_array);
        required.is_some_and(|all| all.iter().any(|name| name == field))
    }

    /// What it can be instead: itself, where it has no alternatives. Nothing at all is left out.
    pub(crate) fn alternatives(self) -> Vec<Self> {
        let mut all = self.parts("anyOf");
        all.extend(self.parts("oneOf"));
        if all.is_empty() {
            return vec![self];
        }
        all.into_iter().flat_map(Self::alternatives).filter(|one| one.kind() != Some("null")).collect()
    }

    /// What a list consists of.
    pub(crate) fn items(self) -> Option<Self> {
        self.schema.get("items").filter(|items| items.is_object()).map(|items| self.part(items))
    }

    /// The only word that it can be.
    pub(crate) fn word(self) -> Option<String> {
        self.schema.get("const").map(ToString::to_string)
    }

    /// The words that it can be.
    pub(crate) fn words(self) -> Vec<String> {
        let words = self.schema.get("enum").and_then(Value::as_array);
        words.map(|words| words.iter().map(ToString::to_string).collect()).unwrap_or_default()
    }

    /// The type, without `null`.
    pub(crate) fn kind(self) -> Option<&'a str> {
        match self.schema.get("type")? {
            Value::String(kind) => Some(kind),
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
            _ => None,
        }
    }

    pub(crate) fn description(self) -> Option<&'a str> {
        self.schema.get("description").and_then(Value::as_str)
    }
}

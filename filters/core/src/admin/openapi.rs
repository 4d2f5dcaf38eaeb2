//! The description of the endpoints, from the table of routes.

use super::route::{Answer, Body, Class, Kind, ROUTES, Route};
use serde_json::{Map, Value, json};

/// The OpenAPI 3.1 document of the endpoints below a prefix.
pub fn document(prefix: &str, version: &str) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Ballast", "version": version, "description": "Health, status and operator actions of this proxy." },
        "servers": [{ "url": prefix }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "responses": { "problem": {
                "description": "why nothing was done",
                "content": { "application/problem+json": { "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": { "type": "string" },
                        "title": { "type": "string" },
                        "status": { "type": "integer" },
                        "detail": { "type": "string" },
                        "parameter": { "type": "string" },
                        "allowed": { "type": "array", "items": { "type": "string" } }
                    }
                } } }
            } }
        }
    })
}

fn operation(route: &Route) -> Value {
    let mut answers: Map<String, Value> = Map::new();
    for (status, what) in route.statuses {
        answers.insert(status.to_string(), json!({ "description": what, "content": content(route.answer) }));
    }
    let problem = json!({ "$ref": "#/components/responses/problem" });
    answers.insert("default".to_owned(), problem);
    let in_path = route
        .path
        .contains("{name}")
        .then(|| json!({ "name": "name", "in": "path", "required": true, "schema": schema(Kind::Name) }));
    let in_query = route.parameters.iter().map(|parameter| {
        let one = schema(parameter.kind);
        let schema = if parameter.repeated { json!({ "type": "array", "items": one }) } else { one };
        json!({ "name": parameter.name, "in": "query", "description": parameter.what, "schema": schema })
    });
    let parameters: Vec<Value> = in_path.into_iter().chain(in_query).collect();
    let mut operation = json!({
        "operationId": format!("{:?}", route.endpoint),
        "summary": route.what,
        "responses": answers,
    });
    if let Value::Object(fields) = &mut operation {
        if !parameters.is_empty() {
            fields.insert("parameters".to_owned(), parameters.into());
        }
        let security = match route.class {
            Class::Probe | Class::Page => json!([]),
            Class::Read | Class::Act => json!([{ "token": [] }]),
        };
        fields.insert("security".to_owned(), security);
        if route.class == Class::Act && route.method != super::route::Method::Get {
            fields.insert("requestBody".to_owned(), body(route));
        }
    }
    operation
}

fn body(route: &Route) -> Value {
    let schema = match route.body {
        Body::Snapshot => {
            json!({ "type": "object", "description": "a part of a snapshot, as GET /state answers" })
        }
        Body::Parameters => {
            let properties: Map<String, Value> = route
                .parameters
                .iter()
                .map(|parameter| (parameter.name.to_owned(), schema(parameter.kind)))
                .collect();
            json!({ "type": "object", "description": "the same as in the query", "properties": properties })
        }
    };
    json!({ "required": false, "content": { "application/json": { "schema": schema } } })
}

fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Text => {
            json!({ "type": "string", "minLength": 1, "maxLength": super::params::MOST_TEXT_BYTES })
        }
        Kind::Long => {
            json!({ "type": "string", "minLength": 1, "maxLength": super::params::MOST_LONG_BYTES })
        }
        Kind::Id => json!({ "type": "string", "pattern": "^[0-9A-Fa-f]{32}$" }),
        Kind::Name => json!({ "type": "string", "pattern": "^[a-z0-9-]{1,63}$" }),
        Kind::Number(most) => json!({ "type": "integer", "minimum": 0, "maximum": most }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
    }
}

fn content(answer: Answer) -> Value {
    match answer {
        Answer::Json => json!({ "application/json": { "schema": { "type": "object" } } }),
        Answer::Metrics => json!({
            "text/plain": { "schema": { "type": "string" } },
            "application/openmetrics-text": { "schema": { "type": "string" } }
        }),
        Answer::Html => json!({ "text/html": { "schema": { "type": "string" } } }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_row_of_the_table_is_described_with_all_it_takes() {
        let document = document("/ballast", "1.2.3");
        assert_eq!(document["servers"][0]["url"], "/ballast");
        let described: usize =
            document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(described, ROUTES.len());
        for route in ROUTES {
            let operation = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
            assert_eq!(operation["summary"], route.what);
            let named: Vec<&str> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let in_path = route.path.contains("{name}").then_some("name");
            let expected: Vec<&str> =
                in_path.into_iter().chain(route.parameters.iter().map(|parameter| parameter.name)).collect();
            assert_eq!(named, expected, "{}", route.path);
            assert!(operation["responses"]["default"].is_object());
            assert_eq!(
                operation["security"].as_array().unwrap().is_empty(),
                matches!(route.class, Class::Probe | Class::Page)
            );
        }
    }
}

//! What a module is made of: every crate that is linked into it, as CycloneDX 1.5 JSON.

use ballast_modules::{module_name, plugin_of};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is used of `cargo metadata`.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// The package that the module in this file is made of, also where it is only another form of it.
pub fn package_of(module: &Path) -> Option<String> {
    let name = module_name(module)?;
    Some(format!("ballast-{}", plugin_of(&name)))
}

/// The bill of materials of the package with this name; `None` if there is none. Build scripts and procedural macros run before and are not linked, but cargo does not
/// tell macros apart: they are listed.
pub fn bom(metadata: &Metadata, package: &str) -> Option<Value> {
    let packages: BTreeMap<&str, &Package> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let nodes: BTreeMap<&str, &Node> =
        metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let root = metadata.packages.iter().find(|candidate| candidate.name == package)?;
    let mut linked = BTreeSet::new();
    let mut waiting = vec![root.id.as_str()];
    while let Some(id) = waiting.pop() {
        if !linked.insert(id) {
            continue;
        }
        let normal = |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
        let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
        waiting.extend(dependencies.filter(normal).map(|dependency| dependency.pkg.as_str()));
    }
    let mut components: Vec<&Package> =
        linked.iter().filter(|id| **id != root.id).filter_map(|id| packages.get(id)).copied().collect();
    components.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Some(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": component(root, "application") },
        "components": components.into_iter().map(|package| component(package, "library")).collect::<Vec<_>>(),
    }))
}

fn component(package: &Package, kind: &str) -> Value {
    let mut component = json!({ "type": kind, "name": package.name, "version": package.version });
    if let Some(fields) = component.as_object_mut() {
        if package.source.is_some() {
            fields
                .insert("purl".to_owned(), format!("pkg:cargo/{}@{}", package.name, package.version).into());
        }
        if let Some(license) = &package.license {
            // Old manifests separate alternatives by a slash.
            let expression = license.replace('/', " OR ");
            fields.insert("licenses".to_owned(), json!([{ "expression": expression }]));
        }
    }
    component
}

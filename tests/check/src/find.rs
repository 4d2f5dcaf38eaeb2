//! Finds the plugins in a file's documents.

use crate::filters::Filter;
use crate::place::{Place, field, text};
use saphyr::{MarkedYaml, Scalar, YamlData};

/// A Ballast filter as a file loads it.
pub struct Plugin<'a> {
    /// Which filter.
    pub filter: &'static Filter,
    /// The plugin's name, where it has one.
    pub name: Option<&'a str>,
    /// The name of the VM whose state it shares; Istio's plugins all share one.
    pub vm_id: Option<&'a str>,
    /// What happens when its VM crashes, as it is written.
    pub failure: Option<&'a str>,
    /// Where it stands.
    pub place: Place,
    /// What it is configured with.
    pub configuration: Configuration<'a>,
    /// The connection manager around it, in Envoy's own configuration.
    pub manager: Option<&'a MarkedYaml<'a>>,
    /// Plugins of one chain have one number.
    pub chain: usize,
    /// Whether Envoy's own fields (`vm_id`, `failure_policy`) are there to be set.
    pub native: bool,
}

/// What a plugin is configured with.
#[derive(Clone, Copy)]
pub enum Configuration<'a> {
    /// Nothing.
    Absent,
    /// A text, which is JSON.
    Text(&'a MarkedYaml<'a>),
    /// Fields, which the proxy hands on as a `Struct`.
    Fields(&'a MarkedYaml<'a>),
}

const WASM: &str = "extensions.filters.http.wasm.v3.Wasm";
const MANAGER: &str = "network.http_connection_manager.v3.HttpConnectionManager";

/// The plugins of all documents, in the order in which they stand.
pub fn plugins<'a>(documents: &'a [MarkedYaml<'a>]) -> Vec<Plugin<'a>> {
    let mut found = Found::default();
    for document in documents {
        let spec = field(document, "spec");
        match (text(document, "kind"), spec) {
            (Some("WasmPlugin"), Some(spec)) => found.istio(spec, spec),
            (Some("TrafficExtension"), Some(spec)) => {
                if let Some(wasm) = field(spec, "wasm") {
                    found.istio(wasm, spec);
                }
            }
            (Some("EnvoyExtensionPolicy"), Some(spec)) => {
                found.chain += 1;
                items(field(spec, "wasm")).for_each(|wasm| found.gateway(wasm));
            }
            _ => found.walk(document, None),
        }
    }
    found.order_istio();
    found.plugins
}

#[derive(Default)]
struct Found<'a> {
    plugins: Vec<Plugin<'a>>,
    chain: usize,
    /// Phase and priority of Istio's plugins, by their number in `plugins`.
    ranks: Vec<(usize, u8, i64)>,
}

impl<'a> Found<'a> {
    /// Looks for Envoy's Wasm filters below a node.
    fn walk(&mut self, node: &'a MarkedYaml<'a>, manager: Option<&'a MarkedYaml<'a>>) {
        let is = |kind: &str| type_of(node).is_some_and(|name| name.ends_with(kind));
        let manager = if is(MANAGER) { Some(node) } else { manager };
        if is(WASM) {
            // A `TypedStruct` has its fields one level deeper.
            let inner = field(node, "value").unwrap_or(node);
            if let Some(config) = field(inner, "config") {
                self.envoy(config, manager);
            }
            return;
        }
        match &node.data {
            YamlData::Mapping(fields) => {
                for (key, value) in fields {
                    if key.data.as_str() == Some("http_filters") {
                        self.chain += 1;
                    }
                    self.walk(value, manager);
                }
            }
            YamlData::Sequence(items) => items.iter().for_each(|item| self.walk(item, manager)),
            _ => {}
        }
    }

    fn envoy(&mut self, config: &'a MarkedYaml<'a>, manager: Option<&'a MarkedYaml<'a>>) {
        let vm = field(config, "vm_config");
        let code = vm.and_then(|vm| field(vm, "code"));
        let local = code.and_then(|code| field(code, "local")).and_then(|local| text(local, "filename"));
        let remote = code
            .and_then(|code| field(code, "remote"))
            .and_then(|remote| field(remote, "http_uri"))
            .and_then(|address| text(address, "uri"));
        let name = text(config, "name");
        let Some(filter) = which([local, remote], [text(config, "root_id"), name]) else { return };
        let configuration = match field(config, "configuration") {
            None => Configuration::Absent,
            Some(any) => match (type_of(any), field(any, "value")) {
                (Some(kind), Some(value)) if kind.ends_with("StringValue") => Configuration::Text(value),
                (Some(kind), Some(value)) if kind.ends_with("Struct") => Configuration::Fields(value),
                _ => Configuration::Fields(any),
            },
        };
        self.plugins.push(Plugin {
            filter,
            name,
            vm_id: vm.and_then(|vm| text(vm, "vm_id")),
            failure: text(config, "failure_policy"),
            place: Place::of(config),
            configuration,
            manager,
            chain: self.chain,
            native: true,
        });
    }

    fn istio(&mut self, wasm: &'a MarkedYaml<'a>, spec: &'a MarkedYaml<'a>) {
        let name = text(wasm, "pluginName");
        let Some(filter) = which([text(wasm, "url"), None], [name, None]) else { return };
        let phase = match text(spec, "phase") {
            Some("AUTHN") => 0,
            Some("AUTHZ") => 1,
            Some("STATS") => 2,
            _ => 3,
        };
        let priority = field(spec, "priority").and_then(|value| value.data.as_integer()).unwrap_or(0);
        self.ranks.push((self.plugins.len(), phase, -priority));
        self.plugins.push(Plugin {
            filter,
            name,
            vm_id: None,
            failure: text(wasm, "failStrategy"),
            place: Place::of(wasm),
            configuration: field(wasm, "pluginConfig").map_or(Configuration::Absent, Configuration::Fields),
            manager: None,
            chain: 0,
            native: false,
        });
    }

    fn gateway(&mut self, wasm: &'a MarkedYaml<'a>) {
        let code = field(wasm, "code");
        let part = |kind, name| code.and_then(|code| field(code, kind)).and_then(|part| text(part, name));
        let name = text(wasm, "name");
        let modules = [part("image", "url"), part("http", "url")];
        let Some(filter) = which(modules, [text(wasm, "rootID"), name]) else { return };
        self.plugins.push(Plugin {
            filter,
            name,
            vm_id: None,
            failure: None,
            place: Place::of(wasm),
            configuration: field(wasm, "config").map_or(Configuration::Absent, Configuration::Fields),
            manager: None,
            chain: self.chain,
            native: false,
        });
    }

    /// Istio's plugins of one file are one chain, by phase and then by priority, the highest first.
    fn order_istio(&mut self) {
        self.ranks.sort_by_key(|(_, phase, priority)| (*phase, *priority));
        let numbers: Vec<usize> = self.ranks.iter().map(|(number, ..)| *number).collect();
        let mut slots: Vec<Option<Plugin<'a>>> =
            core::mem::take(&mut self.plugins).into_iter().map(Some).collect();
        let ranked: Vec<Plugin<'a>> =
            numbers.iter().filter_map(|number| slots.get_mut(*number).and_then(Option::take)).collect();
        self.plugins = slots.into_iter().flatten().chain(ranked).collect();
    }
}

/// The filter, by the module's name or by what the plugin is called.
fn which(modules: [Option<&str>; 2], names: [Option<&str>; 2]) -> Option<&'static Filter> {
    let by_module = modules.into_iter().flatten().find_map(Filter::of_module);
    let of_ballast = modules.into_iter().flatten().any(|module| module.contains("ballast"));
    by_module.or_else(|| names.into_iter().flatten().filter(|_| of_ballast).find_map(Filter::named))
}

fn type_of<'a>(node: &'a MarkedYaml<'a>) -> Option<&'a str> {
    let kind = text(node, "@type")?;
    if kind.ends_with("TypedStruct") { text(node, "type_url") } else { Some(kind) }
}

fn items<'a>(node: Option<&'a MarkedYaml<'a>>) -> impl Iterator<Item = &'a MarkedYaml<'a>> {
    let items = match node.map(|node| &node.data) {
        Some(YamlData::Sequence(items)) => items.as_slice(),
        _ => &[],
    };
    items.iter()
}

/// A plain value as it stands in JSON; what YAML 1.1 reads as a boolean is one, as in the proxy. `quoted` says whether the text is in quotes.
pub(crate) fn scalar(value: &Scalar<'_>, quoted: bool) -> serde_json::Value {
    match value {
        Scalar::Null => serde_json::Value::Null,
        Scalar::Boolean(value) => (*value).into(),
        Scalar::Integer(value) => (*value).into(),
        Scalar::FloatingPoint(value) => (**value).into(),
        Scalar::String(value) => match value.to_ascii_lowercase().as_str() {
            "on" | "yes" | "y" if !quoted => true.into(),
            "off" | "no" | "n" if !quoted => false.into(),
            _ => value.as_ref().into(),
        },
    }
}

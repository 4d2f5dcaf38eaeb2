//! No bytes as configuration kill a module: it works with them or refuses them by name.

use super::shipped::{SHIPPED, Shipped};
use ballast_contract::{VM_ID, configure, encode_struct, filter};
use ballast_wasm_host::{Host, RefusalReason, Root, Vm, VmConfig};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

/// What may be done to a valid configuration.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    Repeat(Index, u8),
    Cut(Index),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..4),
        proptest::sample::select(vec![
            "-1",
            "0",
            "1e308",
            "\"\"",
            "null",
            "[",
            "{",
            "}",
            "]",
            ",",
            "\"%\"",
            "99999999999"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let mutation = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (any::<Index>(), piece).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (any::<Index>(), 1..20_u8).prop_map(|(at, length)| Mutation::Remove(at, length)),
        (any::<Index>(), 1..20_u8).prop_map(|(at, length)| Mutation::Repeat(at, length)),
        any::<Index>().prop_map(Mutation::Cut),
    ];
    proptest::collection::vec(mutation, 1..4)
}

fn mutate(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        if bytes.is_empty() {
            break;
        }
        let part = |at: &Index, length: u8| {
            let start = at.index(bytes.len());
            start..bytes.len().min(start + usize::from(length))
        };
        match mutation {
            Mutation::Replace(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Mutation::Insert(at, piece) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, piece.iter().copied());
            }
            Mutation::Remove(at, length) => _ = bytes.drain(part(at, *length)),
            Mutation::Repeat(at, length) => {
                let repeated = bytes[part(at, *length)].to_vec();
                let at = at.index(bytes.len());
                bytes.splice(at..at, repeated);
            }
            Mutation::Cut(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
    bytes
}

/// What may stand anywhere, as far as JSON goes: the ends of ranges, values of every unit, and what is of no use.
const VALUES: [&str; 40] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "2",
    "63",
    "255",
    "256",
    "65535",
    "16777216",
    "4294967295",
    "9007199254740993",
    "18446744073709551615",
    "1e308",
    "0.5",
    "\"\"",
    "\"a\"",
    "\"/\"",
    "\"*\"",
    "\"1/s\"",
    "\"1/d\"",
    "\"4294967295/s\"",
    "\"18446744073709551615/d\"",
    "\"0%\"",
    "\"100%\"",
    "\"0.01%\"",
    "\"concurrency\"",
    "\"fixed_window\"",
    "\"sliding_window\"",
    "\"token_bucket\"",
    "\"shadow\"",
    "\"disabled\"",
    "\"x-ratelimit\"",
    "\"client_address\"",
    "\"path\"",
    "[]",
    "{}",
    "[\"path\", \"method\", \"host\"]",
];

/// Replaces one value somewhere in the tree, or removes it.
fn replace_somewhere(root: &mut Value, at: &Index, with: Option<&str>) {
    let mut pointers = Vec::new();
    pointers_into(root, "", &mut pointers);
    if pointers.is_empty() {
        // The change before this one has left nothing.
        return;
    }
    let pointer = &pointers[at.index(pointers.len())];
    if let Some(text) = with {
        *root.pointer_mut(pointer).unwrap() = serde_json::from_str(text).unwrap();
    } else {
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        match root.pointer_mut(parent).unwrap() {
            Value::Object(fields) => _ = fields.remove(last),
            Value::Array(items) => _ = items.remove(last.parse().unwrap()),
            other => panic!("{other} has no parts"),
        }
    }
}

fn pointers_into(value: &Value, here: &str, pointers: &mut Vec<String>) {
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, part) in parts {
        let pointer = format!("{here}/{name}");
        pointers_into(part, &pointer, pointers);
        pointers.push(pointer);
    }
}

fn other_values(valid: &str) -> impl Strategy<Value = Value> {
    let valid: Value = serde_json::from_str(valid).unwrap();
    let change = (any::<Index>(), proptest::option::weighted(0.8, proptest::sample::select(&VALUES[..])));
    proptest::collection::vec(change, 1..3).prop_map(move |changes| {
        let mut value = valid.clone();
        changes.iter().for_each(|(at, with)| replace_somewhere(&mut value, at, *with));
        value
    })
}

/// Configures, and if that is accepted, serves some requests and ends the configuration. Whether it was accepted.
fn either_works_or_is_refused_by_name(
    vm: &Vm,
    name: &str,
    configuration: &[u8],
) -> Result<bool, TestCaseError> {
    match configure(vm, configuration) {
        Ok(root) => {
            serve_some(&root);
            root.shut_down().unwrap();
            Ok(true)
        }
        Err(refusal) => {
            prop_assert_eq!(&refusal.reason, &RefusalReason::Configure, "{}", refusal);
            prop_assert!(refusal.says(&format!("{name}: invalid configuration: ")), "{}", refusal);
            Ok(false)
        }
    }
}

/// Requests at once and later, answered and abandoned; whatever comes of them, nothing dies.
fn serve_some(root: &Root) {
    let streams =
        [("POST", "/login?a=b"), ("GET", "/"), ("GET", "/"), ("GET", "/reports")].map(|(method, path)| {
            root.tick().unwrap();
            let stream = root.stream();
            stream.set_property(&["source", "address"], "10.0.0.1:40000");
            let headers =
                [(":method", method), (":path", path), (":authority", "a"), ("x-key", "k"), ("x-cost", "9")];
            stream.request_headers(&headers, true).unwrap();
            stream
        });
    root.vm().host().advance(std::time::Duration::from_millis(104));
    for (number, stream) in streams.iter().enumerate() {
        if number == 1 {
            stream.client_gone().unwrap();
            continue;
        }
        // Some are delayed for longer than this, as the configuration has it.
        if stream.local_reply().is_none() && stream.paused().is_none() {
            stream.response_headers(&[(":status", "401")], true).unwrap();
        }
        stream.finish().unwrap();
    }
}

/// Runs `cases` generated configurations through every module.
fn check<S>(cases: u32, configurations: impl Fn(&Shipped) -> S)
where
    S: Strategy<Value = Vec<u8>>,
{
    for module in SHIPPED {
        let config = VmConfig { vm_id: VM_ID.to_owned(), ..VmConfig::default() };
        let vm = Host::new().vm_with(&filter(module.name), config).unwrap();
        let settings = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
        let checked = proptest::test_runner::TestRunner::new(settings)
            .run(&configurations(module), |bytes| {
                either_works_or_is_refused_by_name(&vm, module.filter_name(), &bytes).map(|_| ())
            });
        checked.unwrap_or_else(|failure| panic!("{}: {failure}", module.name));
        assert_eq!(vm.death(), None);
    }
}

#[test]
fn the_configurations_that_are_mutated_are_valid_in_both_forms() {
    for module in SHIPPED {
        let vm = Host::new().vm(&filter(module.name)).unwrap();
        for bytes in [module.configuration.as_bytes().to_vec(), encode_struct(module.configuration)] {
            let works = either_works_or_is_refused_by_name(&vm, module.filter_name(), &bytes).unwrap();
            assert!(works, "{:?}", vm.host().logs());
        }
    }
}

#[test]
fn no_bytes_as_configuration_kill_a_module() {
    check(1_000, |_| {
        let text = proptest::collection::vec(any::<u8>(), 0..200);
        // What begins like one of the two forms gets further.
        (proptest::sample::select(vec!["", "{", "\n", "{\"limits\":["]), text)
            .prop_map(|(start, rest)| [start.as_bytes(), &rest].concat())
    });
}

#[test]
fn no_value_in_any_place_kills_a_module() {
    check(2_000, |module| {
        (other_values(module.configuration), any::<bool>()).prop_map(|(value, as_struct)| {
            let text = value.to_string();
            if as_struct { encode_struct(&text) } else { text.into_bytes() }
        })
    });
}

#[test]
fn no_change_of_a_valid_text_kills_a_module() {
    check(2_000, |module| {
        let valid = module.configuration.as_bytes();
        mutations().prop_map(move |mutations| mutate(valid.to_vec(), &mutations))
    });
}

#[test]
fn no_change_of_a_valid_struct_kills_a_module() {
    check(2_000, |module| {
        let valid = encode_struct(module.configuration);
        mutations().prop_map(move |mutations| mutate(valid.clone(), &mutations))
    });
}

//! Removes from a module the callbacks that its filter does not implement.

use std::collections::BTreeSet;

use walrus::{ExportItem, Module, ModuleConfig};

/// The custom section in which a filter lists the callbacks it implements, separated by commas or white space. The
/// linker joins all statics of that section, so a list may come in pieces and name an export twice.
const CALLBACKS_SECTION: &str = "ballast.callbacks";

/// A form of a module that leaves callbacks out, for configurations that need none of them: each is a call into the VM less
/// for every request. Built of filters that ask whether their module has them.
struct Form {
    /// What the module's name ends with.
    suffix: &'static str,
    /// What the filter imports from [`ASKED`].
    asked: &'static str,
    /// What the names of the callbacks begin with that are left out.
    without: &'static str,
}

const FORMS: [Form; 2] = [
    Form { suffix: "-requests", asked: "sees_responses", without: "proxy_on_response_" },
    Form { suffix: "-declared", asked: "sees_log", without: "proxy_on_log" },
];
/// Where filters import from what the build tells them.
const ASKED: &str = "ballast";

const CALLBACK_PREFIX: &str = "proxy_on_";

/// Callbacks that every filter needs: the SDK's bookkeeping of contexts, and the host's way to hand over bytes.
const ALWAYS_KEPT: [&str; 5] = [
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_memory_allocate",
];

/// Why a module could not be trimmed.
#[derive(Debug, thiserror::Error)]
pub enum TrimError {
    /// The bytes are not a Wasm module.
    #[error("not a Wasm module: {0}")]
    Parse(String),
    /// The list of callbacks is not text.
    #[error("the section {CALLBACKS_SECTION} is not UTF-8")]
    ListNotText,
    /// The list names a callback that the module does not export, most likely a spelling mistake.
    #[error("the section {CALLBACKS_SECTION} names {0}, which the module does not export")]
    UnknownCallback(String),
}

/// The same module without the callbacks that its list does not name, and without what only they reached. Function
/// names stay. A module without a list keeps every callback.
///
/// # Errors
/// See [`TrimError`].
pub fn trim(wasm: &[u8]) -> Result<Vec<u8>, TrimError> {
    let mut module = parse(wasm)?;
    let listed = take_list(&mut module)?;
    let asks = tell(&mut module, None)?;
    if let Some(listed) = &listed {
        remove_unlisted(&mut module, listed)?;
    }
    if listed.is_some() || !asks.is_empty() {
        walrus::passes::gc::run(&mut module);
    }
    Ok(module.emit_wasm())
}

/// The forms of a module that leave callbacks out, with what their names end with: one for each kind of callbacks that its filter asks
/// for.
///
/// # Errors
/// See [`TrimError`].
pub fn forms(wasm: &[u8]) -> Result<Vec<(&'static str, Vec<u8>)>, TrimError> {
    let mut forms = Vec::new();
    for form in &FORMS {
        let mut module = parse(wasm)?;
        let Some(mut listed) = take_list(&mut module)? else { continue };
        if !tell(&mut module, Some(form))?.contains(&form.asked) {
            continue;
        }
        listed.retain(|name| !name.starts_with(form.without));
        remove_unlisted(&mut module, &listed)?;
        walrus::passes::gc::run(&mut module);
        forms.push((form.suffix, module.emit_wasm()));
    }
    Ok(forms)
}

/// The plugin that a module with this name is a form of: `rate-limit` for `rate-limit-requests`, and for itself.
#[must_use]
pub fn plugin_of(module: &str) -> &str {
    FORMS.iter().find_map(|form| module.strip_suffix(form.suffix)).unwrap_or(module)
}

fn parse(wasm: &[u8]) -> Result<Module, TrimError> {
    let mut config = ModuleConfig::new();
    config.generate_producers_section(false);
    config.parse(wasm).map_err(|error| TrimError::Parse(format!("{error:#}")))
}

/// Makes each import by which a filter asks a function that says whether this form of the module has those callbacks; what was
/// asked.
fn tell(module: &mut Module, made: Option<&Form>) -> Result<Vec<&'static str>, TrimError> {
    let mut asks = Vec::new();
    for form in &FORMS {
        let Ok(import) = module.imports.get_func(ASKED, form.asked) else { continue };
        let has_them = made.is_none_or(|made| made.asked != form.asked);
        let answer = module.replace_imported_func(import, |(body, _)| {
            body.i32_const(i32::from(has_them));
        });
        answer.map_err(|error| TrimError::Parse(format!("{error:#}")))?;
        asks.push(form.asked);
    }
    Ok(asks)
}

fn take_list(module: &mut Module) -> Result<Option<BTreeSet<String>>, TrimError> {
    let mut listed: Option<BTreeSet<String>> = None;
    while let Some(section) = module.customs.remove_raw(CALLBACKS_SECTION) {
        let text = String::from_utf8(section.data).map_err(|_| TrimError::ListNotText)?;
        let names = text.split(|c: char| c == ',' || c == '\0' || c.is_whitespace());
        listed.get_or_insert_default().extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    Ok(listed)
}

fn remove_unlisted(module: &mut Module, listed: &BTreeSet<String>) -> Result<(), TrimError> {
    let exported: BTreeSet<&str> = module.exports.iter().map(|export| export.name.as_str()).collect();
    if let Some(unknown) = listed.iter().find(|name| !exported.contains(name.as_str())) {
        return Err(TrimError::UnknownCallback(unknown.clone()));
    }
    let unlisted: Vec<_> = module
        .exports
        .iter()
        .filter(|export| matches!(export.item, ExportItem::Function(_)))
        .filter(|export| export.name.starts_with(CALLBACK_PREFIX))
        .filter(|export| !ALWAYS_KEPT.contains(&export.name.as_str()) && !listed.contains(&export.name))
        .map(walrus::Export::id)
        .collect();
    for export in unlisted {
        module.exports.delete(export);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wasmi::{Engine, Linker, Module, Store};

    use super::{TrimError, forms, trim};

    fn module(section: &str) -> Vec<u8> {
        let text = format!(
            r#"(module
                (import "env" "only_for_ticks" (func $only_for_ticks))
                (memory (export "memory") 1)
                (data (i32.const 8) "seven")
                (type $answer (func (result i32)))
                (table 2 funcref) (elem (i32.const 0) $six $seven)
                (global $started (mut i32) (i32.const 0))
                (start $start)
                (func $start (global.set $started (i32.const 1)))
                (func $six (result i32) (i32.const 6))
                (func $seven (result i32) (i32.add (i32.const 6) (global.get $started)))
                (func $tick_helper (call $only_for_ticks))
                (func (export "proxy_on_tick") (param i32) (call $tick_helper))
                (func (export "proxy_on_log") (param i32))
                (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
                (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                    (call_indirect (type $answer) (i32.const 1)))
                (func (export "malloc") (param i32) (result i32) (i32.const 64))
                (func (export "proxy_abi_version_0_2_1"))
                {section})"#
        );
        wat::parse_str(text).unwrap()
    }

    fn exports(wasm: &[u8]) -> Vec<String> {
        let module = Module::new(&Engine::default(), wasm).unwrap();
        module.exports().map(|export| export.name().to_owned()).collect()
    }

    #[test]
    fn only_listed_and_always_needed_callbacks_stay() {
        let all = exports(&module(""));
        let kept = |section: &str| exports(&trim(&module(section)).unwrap());
        let expected: Vec<String> = all
            .iter()
            .filter(|name| !["proxy_on_tick", "proxy_on_log"].contains(&name.as_str()))
            .cloned()
            .collect();
        for (why, section) in [
            ("a plain list", r#"(@custom "ballast.callbacks" "proxy_on_request_headers")"#),
            (
                "separators and duplicates",
                r#"(@custom "ballast.callbacks" ",proxy_on_request_headers,\n, proxy_on_request_headers,\00")"#,
            ),
            (
                "two sections",
                r#"(@custom "ballast.callbacks" "proxy_on_request_headers") (@custom "ballast.callbacks" "")"#,
            ),
        ] {
            assert_eq!(kept(section), expected, "{why}");
        }
        assert_eq!(kept(""), all, "no list");
    }

    #[test]
    fn what_only_removed_callbacks_reached_is_gone_and_the_rest_still_runs() {
        let trimmed = trim(&module(r#"(@custom "ballast.callbacks" "proxy_on_request_headers")"#)).unwrap();
        let engine = Engine::default();
        let parsed = Module::new(&engine, &trimmed).unwrap();
        assert_eq!(parsed.imports().count(), 0, "the import was for ticks alone");
        assert!(!trimmed.windows(17).any(|part| part == b"ballast.callbacks"));

        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate_and_start(&mut store, &parsed).unwrap();
        let callback =
            instance.get_typed_func::<(i32, i32, i32), i32>(&store, "proxy_on_request_headers").unwrap();
        assert_eq!(
            callback.call(&mut store, (1, 2, 3)).unwrap(),
            7,
            "table, start function and globals work"
        );
        let memory = instance.get_memory(&store, "memory").unwrap();
        assert_eq!(&memory.data(&store)[8..13], b"seven");
    }

    #[test]
    fn a_filter_that_asks_is_told_whether_it_sees_responses() {
        let asking = |list: &str| {
            let text = format!(
                r#"(module
                    (import "ballast" "sees_responses" (func $sees_responses (result i32)))
                    (func (export "proxy_on_request_headers") (result i32) (call $sees_responses))
                    (func (export "proxy_on_response_headers"))
                    (func (export "proxy_on_response_body"))
                    {list})"#
            );
            wat::parse_str(text).unwrap()
        };
        let listed = asking(
            r#"(@custom "ballast.callbacks" "proxy_on_request_headers,proxy_on_response_headers,proxy_on_response_body")"#,
        );
        let told = |wasm: &[u8]| {
            let engine = Engine::default();
            let parsed = Module::new(&engine, wasm).unwrap();
            assert_eq!(parsed.imports().count(), 0);
            let mut store = Store::new(&engine, ());
            let instance = Linker::new(&engine).instantiate_and_start(&mut store, &parsed).unwrap();
            let callback = instance.get_typed_func::<(), i32>(&store, "proxy_on_request_headers").unwrap();
            callback.call(&mut store, ()).unwrap()
        };
        let whole = trim(&listed).unwrap();
        let made = forms(&listed).unwrap();
        let [("-requests", requests)] = made.as_slice() else { panic!("{made:?}") };
        assert_eq!((told(&whole), exports(&whole).len()), (1, 3));
        assert_eq!((told(requests), exports(requests)), (0, vec!["proxy_on_request_headers".to_owned()]));
        assert_eq!(told(&trim(&asking("")).unwrap()), 1, "no list");
        assert!(forms(&asking("")).unwrap().is_empty(), "no list, so nothing to leave out");
        let silent = module(r#"(@custom "ballast.callbacks" "proxy_on_request_headers")"#);
        assert!(forms(&silent).unwrap().is_empty(), "one that does not ask");
    }

    #[test]
    fn a_filter_that_asks_for_two_kinds_of_callbacks_has_two_forms() {
        let both = wat::parse_str(
            r#"(module
                (import "ballast" "sees_responses" (func $sees_responses (result i32)))
                (import "ballast" "sees_log" (func $sees_log (result i32)))
                (func (export "proxy_on_request_headers") (result i32)
                    (i32.add (call $sees_responses) (i32.mul (i32.const 2) (call $sees_log))))
                (func (export "proxy_on_response_headers"))
                (func (export "proxy_on_log"))
                (@custom "ballast.callbacks" "proxy_on_request_headers,proxy_on_response_headers,proxy_on_log"))"#,
        )
        .unwrap();
        let left = |wasm: &[u8], name: &str| exports(wasm).contains(&name.to_owned());
        let made = forms(&both).unwrap();
        let made: Vec<_> = made
            .iter()
            .map(|(suffix, wasm)| {
                (*suffix, left(wasm, "proxy_on_response_headers"), left(wasm, "proxy_on_log"))
            })
            .collect();
        assert_eq!(made, [("-requests", false, true), ("-declared", true, false)]);
    }

    #[test]
    fn a_modules_name_tells_which_plugin_it_is_a_form_of() {
        for (module, plugin) in [
            ("rate-limit", "rate-limit"),
            ("rate-limit-requests", "rate-limit"),
            ("retry-policy-declared", "retry-policy"),
            ("all", "all"),
        ] {
            assert_eq!(super::plugin_of(module), plugin);
        }
    }

    #[test]
    fn a_list_that_names_an_unknown_callback_is_refused() {
        let refused = trim(&module(r#"(@custom "ballast.callbacks" "proxy_on_requset_headers")"#));
        assert!(
            matches!(refused, Err(TrimError::UnknownCallback(name)) if name == "proxy_on_requset_headers")
        );
    }

    #[test]
    fn bytes_that_are_no_module_are_refused() {
        assert!(matches!(trim(b"not wasm"), Err(TrimError::Parse(_))));
    }
}

//! An archive holds what registries and proxies look for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use ballast_images::bom::{Metadata, bom, package_of};
use ballast_images::{Image, Label, pack};
use flate2::read::GzDecoder;
use oci_spec::image::{ImageConfiguration, ImageIndex, ImageManifest, OciLayout};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;

const MODULE: &[u8] = b"\0asm\x01\0\0\0 a module";

fn image() -> Image<'static> {
    let labels = vec![
        Label { name: "org.opencontainers.image.version", value: "1.2.3".to_owned() },
        Label { name: "org.opencontainers.image.source", value: "https://example.com/ballast".to_owned() },
        Label { name: "org.opencontainers.image.licenses", value: "Apache-2.0".to_owned() },
    ];
    Image { name: "rate-limit", version: "1.2.3", module: MODULE, bom: b"{}", labels }
}

fn unpacked(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mtime().unwrap(), 0);
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(path, bytes);
    }
    files
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The parts of an archive: each manifest by its tag or its artifact type.
fn parts(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, ImageManifest> {
    let index: ImageIndex = serde_json::from_slice(&files["index.json"]).unwrap();
    let mut parts = BTreeMap::new();
    for descriptor in index.manifests() {
        let bytes = &files[&format!("blobs/sha256/{}", descriptor.as_digest_sha256().unwrap())];
        assert_eq!(descriptor.size(), bytes.len() as u64);
        let manifest: ImageManifest = serde_json::from_slice(bytes).unwrap();
        let tag =
            descriptor.annotations().as_ref().map(|all| all["org.opencontainers.image.ref.name"].clone());
        let name = tag.unwrap_or_else(|| manifest.artifact_type().as_ref().unwrap().to_string());
        parts.insert(name, manifest);
    }
    parts
}

#[test]
fn the_layout_is_complete_and_every_blob_is_what_its_name_says() {
    let files = unpacked(&pack(&image()).unwrap());
    let layout: OciLayout = serde_json::from_slice(&files["oci-layout"]).unwrap();
    assert_eq!(layout.image_layout_version(), "1.0.0");
    for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with("blobs/")) {
        assert_eq!(path.strip_prefix("blobs/sha256/"), Some(hex(bytes).as_str()));
    }
    for manifest in parts(&files).values() {
        for descriptor in manifest.layers().iter().chain([manifest.config()]) {
            let blob = &files[&format!("blobs/sha256/{}", descriptor.as_digest_sha256().unwrap())];
            assert_eq!(descriptor.size(), blob.len() as u64);
        }
    }
}

#[test]
fn the_image_has_one_layer_with_the_module_and_tells_version_source_and_licence() {
    let files = unpacked(&pack(&image()).unwrap());
    let manifest = &parts(&files)["1.2.3"];
    let [layer] = manifest.layers().as_slice() else { panic!("one layer") };
    assert_eq!(layer.media_type().to_string(), "application/vnd.oci.image.layer.v1.tar+gzip");
    let blob = |digest: &str| files[&format!("blobs/sha256/{digest}")].clone();
    let mut tar = Vec::new();
    GzDecoder::new(blob(layer.as_digest_sha256().unwrap()).as_slice()).read_to_end(&mut tar).unwrap();
    assert_eq!(unpacked(&tar), BTreeMap::from([("plugin.wasm".to_owned(), MODULE.to_vec())]));

    let config: ImageConfiguration =
        serde_json::from_slice(&blob(manifest.config().as_digest_sha256().unwrap())).unwrap();
    assert_eq!(config.rootfs().diff_ids(), &[format!("sha256:{}", hex(&tar))]);
    let labels = config.config().as_ref().unwrap().labels().as_ref().unwrap();
    for label in image().labels {
        assert_eq!(labels.get(label.name), Some(&label.value));
        assert_eq!(manifest.annotations().as_ref().unwrap().get(label.name), Some(&label.value));
    }
}

#[test]
fn the_artifact_is_the_module_itself() {
    let files = unpacked(&pack(&image()).unwrap());
    let manifest = &parts(&files)["1.2.3-artifact"];
    assert_eq!(manifest.config().media_type().to_string(), "application/vnd.module.wasm.config.v1+json");
    let [layer] = manifest.layers().as_slice() else { panic!("one layer") };
    assert_eq!(layer.media_type().to_string(), "application/vnd.module.wasm.content.layer.v1+wasm");
    assert_eq!(layer.as_digest_sha256(), Some(hex(MODULE).as_str()));
}

#[test]
fn the_bill_of_materials_refers_to_the_image() {
    let files = unpacked(&pack(&image()).unwrap());
    let parts = parts(&files);
    let subject = parts["application/vnd.cyclonedx+json"].subject().clone().unwrap();
    let index: ImageIndex = serde_json::from_slice(&files["index.json"]).unwrap();
    assert_eq!(subject.digest(), index.manifests()[0].digest());
}

#[test]
fn the_same_module_gives_the_same_archive() {
    let first = pack(&image()).unwrap();
    for _ in 0..5 {
        assert!(pack(&image()).unwrap() == first, "an archive differs from another of the same module");
    }
}

#[test]
fn a_bill_of_materials_lists_what_is_linked_and_nothing_else() {
    let package = |name: &str, source: Option<&str>| json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "source": source });
    let depends = |id: &str, on: &[(&str, Option<&str>)]| {
        let deps: Vec<_> =
            on.iter().map(|(id, kind)| json!({ "pkg": id, "dep_kinds": [{ "kind": kind }] })).collect();
        json!({ "id": id, "deps": deps })
    };
    let registry = Some("registry");
    let metadata: Metadata = serde_json::from_value(json!({
        "packages": [package("root", None), package("a", registry), package("b", registry), package("test-only", registry)],
        "resolve": { "nodes": [
            depends("root", &[("a", None), ("test-only", Some("dev"))]),
            depends("a", &[("b", None)]),
            depends("b", &[]),
            depends("test-only", &[]),
        ]},
    }))
    .unwrap();
    let bom = bom(&metadata, "root").unwrap();
    let names: Vec<&str> = bom["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|component| component["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(bom["components"][0]["purl"], "pkg:cargo/a@1.0.0");
    assert_eq!(bom["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
    assert!(ballast_images::bom::bom(&metadata, "nobody").is_none());
}

#[test]
fn each_form_of_a_module_is_made_of_its_filters_package() {
    for (file, package) in [
        ("dist/ballast_rate_limit.wasm", Some("ballast-rate-limit")),
        ("dist/ballast_rate_limit_requests.wasm", Some("ballast-rate-limit")),
        ("dist/ballast_retry_policy_declared.wasm", Some("ballast-retry-policy")),
        ("dist/ballast.wasm", Some("ballast-all")),
        ("dist/other.wasm", None),
    ] {
        assert_eq!(package_of(file.as_ref()).as_deref(), package, "{file}");
    }
}

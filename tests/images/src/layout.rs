//! The archive: an OCI image layout with the image, the artifact and the bill of materials.
//!
//! Sources: OCI image specification 1.1 (image-layout.md, manifest.md), and for what proxies look for in an image with a module,
//! the Wasm artifact image specification, "compat" and "oci" variants.

use flate2::{Compression, GzBuilder};
use oci_spec::OciSpecError;
use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor, ImageConfigurationBuilder, ImageIndexBuilder, ImageManifestBuilder,
    MediaType, Os, RootFsBuilder, Sha256Digest,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::{self, Write};

/// What proxies look for in an image.
const MODULE: &str = "plugin.wasm";
const ARTIFACT_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
const ARTIFACT_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
const BOM: &str = "application/vnd.cyclonedx+json";

/// Why an image could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The archive could not be written.
    #[error("the archive could not be written: {0}")]
    Io(#[from] io::Error),
    /// A part is not what its specification asks for.
    #[error("a part is not as specified: {0}")]
    Spec(#[from] OciSpecError),
    /// A part could not be encoded.
    #[error("a part could not be encoded: {0}")]
    Json(#[from] serde_json::Error),
}

/// What an image says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Such as `org.opencontainers.image.version`.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// One module to pack.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    /// The filter's name; the archive's references are made of it.
    pub name: &'a str,
    /// The version, which is the tag.
    pub version: &'a str,
    /// The module.
    pub module: &'a [u8],
    /// The bill of materials, as CycloneDX JSON.
    pub bom: &'a [u8],
    /// What it says about itself.
    pub labels: Vec<Label>,
}

/// The archive of an image: tagged `<version>` the image, `<version>-artifact` the artifact, and beside them the bill of materials with the image
/// as its subject.
///
/// # Errors
/// See [`PackError`].
pub fn pack(image: &Image<'_>) -> Result<Vec<u8>, PackError> {
    let mut blobs = Blobs::default();
    let manifests = [
        tagged(image_manifest(image, &mut blobs)?, image.version),
        tagged(artifact_manifest(image, &mut blobs)?, &format!("{}-artifact", image.version)),
        bom_manifest(image, &mut blobs)?,
    ];
    let index = ImageIndexBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageIndex)
        .manifests(manifests)
        .build()?;
    let mut archive = tar::Builder::new(Vec::new());
    file(&mut archive, "oci-layout", &canonical(&json!({ "imageLayoutVersion": "1.0.0" }))?)?;
    file(&mut archive, "index.json", &canonical(&index)?)?;
    for (digest, blob) in &blobs.0 {
        file(&mut archive, &format!("blobs/sha256/{digest}"), blob)?;
    }
    Ok(archive.into_inner()?)
}

fn image_manifest(image: &Image<'_>, blobs: &mut Blobs) -> Result<Descriptor, PackError> {
    let mut layer = tar::Builder::new(Vec::new());
    file(&mut layer, MODULE, image.module)?;
    let layer = layer.into_inner()?;
    let config = ImageConfigurationBuilder::default()
        // What the images of other modules say, too: nothing in them runs by itself.
        .architecture(Arch::Amd64)
        .os(Os::Linux)
        .config(ConfigBuilder::default().labels(annotations(image)).build()?)
        .rootfs(
            RootFsBuilder::default()
                .typ("layers")
                .diff_ids(vec![format!("sha256:{}", hex(&layer))])
                .build()?,
        )
        .build()?;
    let config = blobs.add(MediaType::ImageConfig, canonical(&config)?)?;
    let layer = blobs.add(MediaType::ImageLayerGzip, packed(&layer)?)?;
    let manifest = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(vec![layer])
        .annotations(annotations(image))
        .build()?;
    blobs.add(MediaType::ImageManifest, canonical(&manifest)?)
}

fn artifact_manifest(image: &Image<'_>, blobs: &mut Blobs) -> Result<Descriptor, PackError> {
    let config = blobs.add(MediaType::Other(ARTIFACT_CONFIG.to_owned()), b"{}".to_vec())?;
    let mut layer = blobs.add(MediaType::Other(ARTIFACT_LAYER.to_owned()), image.module.to_vec())?;
    layer.set_annotations(Some(title(MODULE)));
    let manifest = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(vec![layer])
        .annotations(annotations(image))
        .build()?;
    blobs.add(MediaType::ImageManifest, canonical(&manifest)?)
}

fn bom_manifest(image: &Image<'_>, blobs: &mut Blobs) -> Result<Descriptor, PackError> {
    // The same manifest again: blobs are known by what they hold.
    let subject = image_manifest(image, blobs)?;
    let config = blobs.add(MediaType::EmptyJSON, b"{}".to_vec())?;
    let mut layer = blobs.add(MediaType::Other(BOM.to_owned()), image.bom.to_vec())?;
    layer.set_annotations(Some(title("bom.cdx.json")));
    let manifest = ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(MediaType::ImageManifest)
        .artifact_type(MediaType::Other(BOM.to_owned()))
        .config(config)
        .layers(vec![layer])
        .subject(subject)
        .build()?;
    blobs.add(MediaType::ImageManifest, canonical(&manifest)?)
}

fn annotations(image: &Image<'_>) -> HashMap<String, String> {
    image.labels.iter().map(|label| (label.name.to_owned(), label.value.clone())).collect()
}

fn title(name: &str) -> HashMap<String, String> {
    HashMap::from([("org.opencontainers.image.title".to_owned(), name.to_owned())])
}

fn tagged(mut descriptor: Descriptor, tag: &str) -> Descriptor {
    let name = HashMap::from([("org.opencontainers.image.ref.name".to_owned(), tag.to_owned())]);
    descriptor.set_annotations(Some(name));
    descriptor
}

/// What the archive holds, by digest.
#[derive(Default)]
struct Blobs(BTreeMap<String, Vec<u8>>);

impl Blobs {
    fn add(&mut self, media_type: MediaType, bytes: Vec<u8>) -> Result<Descriptor, PackError> {
        let digest = hex(&bytes);
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let descriptor = Descriptor::new(media_type, size, digest.parse::<Sha256Digest>()?);
        self.0.insert(digest, bytes);
        Ok(descriptor)
    }
}

/// JSON whose fields are in order, whatever order they were made in.
fn canonical(value: &impl Serialize) -> Result<Vec<u8>, PackError> {
    fn sorted(value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let fields: BTreeMap<String, Value> = fields.into_iter().collect();
                fields.into_iter().map(|(name, value)| (name, sorted(value))).collect::<Map<_, _>>().into()
            }
            Value::Array(items) => items.into_iter().map(sorted).collect(),
            other => other,
        }
    }
    Ok(serde_json::to_vec(&sorted(serde_json::to_value(value)?))?)
}

fn file(archive: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    header.set_mode(0o644);
    header.set_mtime(0);
    archive.append_data(&mut header, path, bytes)
}

fn packed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

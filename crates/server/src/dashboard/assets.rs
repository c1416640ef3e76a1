//! Style, script and icon, compiled into the program.
//!
//! The address of each holds a digest of its content, so browsers keep it for ever and a new version has another
//! address. Nothing is read from disk.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest, Sha256};

/// Hexadecimal digits of the digest in an address.
const DIGITS: usize = 16;
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// One file.
#[derive(Debug)]
struct Asset {
    name: String,
    content_type: &'static str,
    content: &'static [u8],
}

impl Asset {
    fn new(stem: &str, ending: &str, content_type: &'static str, content: &'static [u8]) -> Self {
        let digest: String = Sha256::digest(content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let digest = digest.get(..DIGITS).unwrap_or_default();
        Self {
            name: format!("{stem}-{digest}.{ending}"),
            content_type,
            content,
        }
    }

    fn address(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let content = include_bytes!("../../assets/app.css");
    Asset::new("app", "css", "text/css; charset=utf-8", content)
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let content = include_bytes!("../../assets/app.js");
    Asset::new("app", "js", "text/javascript; charset=utf-8", content)
});
static ICON: LazyLock<Asset> = LazyLock::new(|| {
    let content = include_bytes!("../../assets/icon.svg");
    Asset::new("icon", "svg", "image/svg+xml", content)
});

/// Where the files of every page are.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) style: String,
    pub(super) script: String,
    pub(super) icon: String,
}

impl Addresses {
    pub(super) fn new() -> Self {
        Self {
            style: STYLE.address(),
            script: SCRIPT.address(),
            icon: ICON.address(),
        }
    }
}

pub(super) async fn show(Path(name): Path<String>) -> Response {
    let known: [&Asset; 3] = [&STYLE, &SCRIPT, &ICON];
    match known.into_iter().find(|asset| asset.name == name) {
        Some(asset) => (
            [(CONTENT_TYPE, asset.content_type), (CACHE_CONTROL, FOR_EVER)],
            asset.content,
        )
            .into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such file; reload the page\n").into_response(),
    }
}

//! Headers that keep a page to itself.
//!
//! Only our own files may be loaded and nothing inline may run or style, so markup that slipped in could do nothing.
//! The referrer policy must not be `no-referrer`: browsers would then send `Origin: null` with our own forms, and the
//! guard could not tell them from another site's.

use axum::response::Response;
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

const CONTENT_SECURITY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
                                frame-ancestors 'none'";

pub(super) async fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    // Pages show payloads; only assets say otherwise.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

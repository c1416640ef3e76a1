//! Which certificate authorities deliveries trust: the machine's own, else Mozilla's.
//!
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the machine's list. Whoever sets them wants those and no
//! others, so a mistake in them is an error and never falls back.

use std::io;
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::ClientConfig;

/// A TLS client configuration that trusts the machine's certificate authorities, or Mozilla's when it has
/// none.
///
/// # Errors
/// When `SSL_CERT_FILE` or `SSL_CERT_DIR` is set but yields no certificate.
pub fn trusted_roots() -> io::Result<ClientConfig> {
    // Named and not the process default, which a program that embeds this crate may have set to anything or
    // not at all.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = || {
        ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)
    };
    let is_chosen = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    let roots = match builder()?.with_native_roots() {
        Ok(roots) => roots,
        Err(error) if is_chosen => return Err(error),
        Err(error) => {
            tracing::info!(%error, "this machine lists no certificate authorities: trusting Mozilla's");
            builder()?.with_webpki_roots()
        }
    };
    Ok(roots.with_no_client_auth())
}

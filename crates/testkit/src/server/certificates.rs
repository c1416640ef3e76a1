//! A certificate authority for one server.
//!
//! The authority and the server's certificate are made anew for every server and live in its directory.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// File name of the authority's certificate.
pub(super) const AUTHORITY: &str = "ca.pem";
/// File name of the server's certificate.
pub(super) const CERTIFICATE: &str = "server.pem";
/// File name of the server's private key.
pub(super) const KEY: &str = "server.key";

/// Writes authority, certificate (127.0.0.1 and localhost) and key into `directory`.
pub(super) fn write_into(directory: &Path) {
    let (authority_pem, issuer) = authority();
    let key = KeyPair::generate().expect("cannot generate a key");
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let mut parameters = CertificateParams::new(names).expect("both names are valid");
    parameters
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    parameters.use_authority_key_identifier_extension = true;
    parameters.key_usages.push(KeyUsagePurpose::DigitalSignature);
    parameters
        .extended_key_usages
        .push(ExtendedKeyUsagePurpose::ServerAuth);
    let certificate = parameters
        .signed_by(&key, &issuer)
        .expect("cannot sign the server's certificate");

    let write = |name: &str, pem: String| {
        std::fs::write(directory.join(name), pem).expect("cannot write a certificate file");
    };
    write(AUTHORITY, authority_pem);
    write(CERTIFICATE, certificate.pem());
    write(KEY, key.serialize_pem());
}

fn authority() -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().expect("cannot generate a key");
    let mut parameters = CertificateParams::new(Vec::new()).expect("no names, nothing to reject");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters
        .distinguished_name
        .push(DnType::CommonName, "Oxherd test authority");
    parameters.key_usages.push(KeyUsagePurpose::KeyCertSign);
    parameters.key_usages.push(KeyUsagePurpose::CrlSign);
    let certificate = parameters
        .self_signed(&key)
        .expect("cannot sign the authority's certificate");
    (certificate.pem(), Issuer::new(parameters, key))
}

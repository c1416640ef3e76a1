//! What lies in the store: the envelope of a value.
//!
//! A value is serialised ([`Codec`]), compressed if that pays ([`Compression`]), sealed if the namespace has keys
//! ([`KeyRing`]), and put behind a header that says what it is as of. Whatever comes back is judged before it is
//! believed: garbage, another format, a false length, a changed byte or an unknown key are a [`Foreign`], which is a miss
//! and never an error. A value of a namespace with keys is accepted only where it was put.
//! Next: `layout.rs` (byte by byte), `envelope.rs` (the verbs), `packing.rs` (the settings).

mod codec;
mod compress;
mod envelope;
mod foreign;
mod header;
pub(crate) mod layout;
mod packing;
mod place;
mod read;
mod scratch;
mod seal;
#[cfg(test)]
mod tests;
mod varint;

pub use codec::Codec;
pub(crate) use codec::Form;
pub use compress::Compression;
pub(crate) use compress::Method;
pub(crate) use envelope::Envelope;
pub(crate) use foreign::Foreign;
pub(crate) use header::{Header, Tags};
pub use packing::Packing;
pub(crate) use place::Place;
pub use seal::{EncryptionKey, KeyId, KeyRing};

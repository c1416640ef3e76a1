//! What envelopes promise, over all codecs, compressions and keys.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod garbage;
mod keys;
mod layout;
mod limits;
mod round_trip;

use std::time::Duration;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use smallvec::smallvec;

use super::{Codec, Compression, EncryptionKey, Header, KeyId, KeyRing, Packing, Place};
use crate::clock::Timestamp;

pub(super) const PLACE: Place<'static> = Place {
    tenant: "acme",
    namespace: "pages@2",
    key: "user/7",
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
    pub(super) next: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Row {
    Empty,
    Item { id: i64, name: String, price: f64 },
    Raw(Vec<u8>),
}

/// A page whose rows repeat themselves, as JSON of real ones does.
pub(super) fn page(rows: usize) -> Page {
    let row = |row: usize| Row::Item {
        id: row as i64,
        name: format!("The chapter of row {row}"),
        price: 0.5,
    };
    Page {
        title: "Chapters".to_owned(),
        rows: (0..rows).map(row).collect(),
        next: Some(7),
    }
}

pub(super) fn header() -> Header {
    Header {
        id: *b"0123456789abcdef",
        version: 7,
        incarnation: *b"incarnat",
        as_of: 42,
        created: Timestamp::from_millis(1_790_000_000_000),
        ttl: Duration::from_secs(60),
        stale_while_revalidate: Duration::from_millis(300),
        stale_if_error: Duration::from_secs(3600),
        load_micros: 1234,
        tags: smallvec!["user/7".into(), "team/3".into()],
        ..Header::default()
    }
}

pub(super) fn key(byte: u8) -> EncryptionKey {
    EncryptionKey::from_bytes(&[byte; 32]).unwrap()
}

pub(super) fn ring() -> KeyRing {
    KeyRing::new(KeyId(2), key(2)).with_key(KeyId(1), key(1)).unwrap()
}

pub(super) const CODECS: [Codec; 3] = [Codec::Json, Codec::MessagePack, Codec::Postcard];

pub(super) fn compressions() -> Vec<Compression> {
    vec![
        Compression::None,
        Compression::Lz4,
        #[cfg(feature = "zstd")]
        Compression::Zstd { level: 1 },
    ]
}

/// Every combination, compressing whatever has a byte.
pub(super) fn packings() -> Vec<Packing> {
    let mut packings = Vec::new();
    for codec in CODECS {
        for compression in compressions() {
            let packing = Packing::new()
                .with_codec(codec)
                .with_compression(compression)
                .with_compress_from(1);
            packings.push(packing.clone());
            packings.push(packing.with_keys(ring()));
        }
    }
    packings
}

pub(super) fn any_packing() -> impl Strategy<Value = Packing> {
    proptest::sample::select(packings())
}

pub(super) fn any_page() -> impl Strategy<Value = Page> {
    let row = prop_oneof![
        Just(Row::Empty),
        (any::<i64>(), ".{0,20}", -1e9_f64..1e9).prop_map(|(id, name, price)| Row::Item { id, name, price }),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Row::Raw),
    ];
    (
        ".{0,40}",
        proptest::collection::vec(row, 0..20),
        any::<Option<u64>>(),
    )
        .prop_map(|(title, rows, next)| Page { title, rows, next })
}

pub(super) fn any_header() -> impl Strategy<Value = Header> {
    let tags = proptest::collection::vec("[a-z0-9/]{1,20}|é{1,64}", 0..=32);
    let short = || (any::<u64>(), 0_u32..64).prop_map(|(number, shift)| number >> shift);
    let times = (short(), short(), short(), short(), short());
    (
        any::<[u8; 16]>(),
        any::<u64>(),
        any::<[u8; 8]>(),
        0..=9_999_999_999_999_999_u64,
        times,
        tags,
        any::<bool>(),
    )
        .prop_map(
            |(id, version, incarnation, as_of, times, tags, is_sliding)| Header {
                id,
                version,
                incarnation,
                as_of,
                created: Timestamp::from_millis(times.0),
                ttl: Duration::from_millis(times.1),
                stale_while_revalidate: Duration::from_millis(times.2),
                stale_if_error: Duration::from_millis(times.3),
                load_micros: times.4,
                is_absent: false,
                is_sliding,
                tags: tags.into_iter().map(String::into_boxed_str).collect(),
                hash: 0,
            },
        )
}

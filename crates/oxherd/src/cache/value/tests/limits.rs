//! Nothing is larger than it may be, in either direction.

use bytes::Bytes;
use smallvec::smallvec;

use super::super::codec::{Codec, Form};
use super::super::compress::Method;
use super::super::header::{Content, MAX_TAG_BYTES, MAX_TAGS, Tags};
use super::super::{Compression, Envelope, Foreign, Header, Packing};
use super::{CODECS, PLACE, compressions, header, page, ring};
use crate::error::Error;

#[test]
fn a_value_above_the_limit_is_refused_with_its_size() {
    for codec in CODECS {
        let packing = Packing::new()
            .with_codec(codec)
            .with_compression(Compression::None);
        let value = page(100);
        let plain = Envelope::parse(Bytes::from(
            Envelope::encode_value(&header(), Some(&value), &packing, PLACE).unwrap(),
        ));
        let exact = plain.unwrap().open(&packing, PLACE).unwrap().len();
        let fits = packing.clone().with_max_value(exact);
        assert!(Envelope::encode_value(&header(), Some(&value), &fits, PLACE).is_ok());
        let error =
            Envelope::encode_value(&header(), Some(&value), &packing.with_max_value(exact - 1), PLACE)
                .unwrap_err();
        let Error::ValueTooLarge { key, size, limit, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!((key.as_str(), *size, *limit), ("user/7", exact, exact - 1));
    }
    let error = Envelope::encode(
        &header(),
        Some(&[0; 11]),
        &Packing::new().with_max_value(10),
        PLACE,
    )
    .unwrap_err();
    assert!(
        matches!(
            error,
            Error::ValueTooLarge {
                size: 11,
                limit: 10,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_value_that_has_no_such_form_is_an_error_that_says_why() {
    let map = std::collections::HashMap::from([((1, 2), 3)]);
    let error = Envelope::encode_value(&header(), Some(&map), &Packing::new(), PLACE).unwrap_err();
    assert!(matches!(error, Error::CacheValue { .. }));
    assert!(
        error.to_string().contains("pages@2") && error.to_string().contains("key must be a string"),
        "{error}"
    );
}

#[test]
fn tags_have_their_ranges() {
    let with = |tags: Tags| {
        let header = Header { tags, ..header() };
        let counter = Envelope::encode_counter(&header, 1, PLACE).map(drop);
        let value = Envelope::encode_value(&header, Some(&1), &Packing::new(), PLACE).map(drop);
        assert_eq!(value.is_ok(), counter.is_ok());
        value
    };
    let longest = "x".repeat(MAX_TAG_BYTES);
    assert!(with((0..MAX_TAGS).map(|_| longest.as_str().into()).collect()).is_ok());
    assert!(matches!(
        with((0..=MAX_TAGS).map(|at| at.to_string().into()).collect()),
        Err(Error::CacheTags {
            count: 33,
            limit: 32,
            ..
        })
    ));
    assert!(matches!(
        with(smallvec![(longest + "x").into()]),
        Err(Error::CacheTag { .. })
    ));
    assert!(matches!(with(smallvec!["".into()]), Err(Error::CacheTag { .. })));
}

#[test]
fn a_count_beyond_sixteen_digits_is_written_as_the_highest() {
    let header = Header {
        as_of: u64::MAX,
        ..header()
    };
    let bytes = Envelope::encode_value(&header, Some(&1), &Packing::new(), PLACE).unwrap();
    assert_eq!(
        Envelope::parse(Bytes::from(bytes)).unwrap().header().as_of,
        9_999_999_999_999_999
    );
}

#[test]
fn a_stored_value_above_the_limit_is_a_miss() {
    for compression in compressions() {
        let packing = Packing::new().with_compression(compression);
        for packing in [packing.clone(), packing.with_keys(ring())] {
            let bytes =
                Envelope::encode_value(&header(), Some(&"z".repeat(1 << 20)), &packing, PLACE).unwrap();
            let envelope = Envelope::parse(Bytes::from(bytes)).unwrap();
            let lowered = packing.with_max_value(1 << 19);
            assert_eq!(envelope.decode::<String>(&lowered, PLACE), Err(Foreign::TooLarge));
        }
    }
}

/// An entry that declares `size` plain bytes and brings `payload`.
fn liar(method: Method, size: usize, payload: &[u8]) -> Result<Envelope, Foreign> {
    let form = Form::Value(Codec::Json);
    let content = Content {
        form,
        method,
        sealed: None,
        is_absent: false,
        hash: 1,
        size,
    };
    let mut bytes = header().write(content, payload.len());
    bytes.extend_from_slice(payload);
    Envelope::parse(Bytes::from(bytes))
}

#[test]
fn a_bomb_does_not_go_off() {
    let packing = Packing::new();
    let max = packing.max_value();
    for method in [Method::Lz4, Method::Zstd] {
        for size in [max + 1, usize::MAX >> 8, usize::MAX] {
            let envelope = liar(method, size, b"\x1f\0\x01\0\xff\xff\xff").unwrap();
            assert_eq!(envelope.decode::<String>(&packing, PLACE), Err(Foreign::TooLarge));
        }
        let envelope = liar(method, max, b"\x1f\0\x01\0\xff\xff\xff").unwrap();
        assert_eq!(
            envelope.decode::<String>(&packing, PLACE),
            Err(Foreign::Compression)
        );
    }
    assert_eq!(
        liar(Method::Plain, usize::MAX, b"short").unwrap_err(),
        Foreign::Truncated
    );
    assert_eq!(liar(Method::Lz4, 4, b"longer").unwrap_err(), Foreign::Length);
}

#[test]
fn compressed_bytes_that_are_more_or_fewer_than_declared_are_foreign() {
    let plain = vec![7; 100_000];
    for compression in compressions() {
        let mut packed = Vec::new();
        let method = compression.pack(&plain, &mut packed);
        if method == Method::Plain {
            continue;
        }
        for size in [99_999, 100_001] {
            let found = liar(method, size, &packed)
                .unwrap()
                .open(&Packing::new(), PLACE)
                .map(drop);
            assert!(
                matches!(found, Err(Foreign::Compression | Foreign::Length)),
                "{method:?} {found:?}"
            );
        }
        let found = liar(method, plain.len(), &packed)
            .unwrap()
            .open(&Packing::new(), PLACE)
            .map(drop);
        assert_eq!(found, Err(Foreign::Hash), "all is right but the hash");
    }
}

#[test]
fn large_entries_are_known_by_their_size_in_the_store() {
    let packing = Packing::new();
    assert!(!packing.is_big(256 << 10));
    assert!(packing.is_big((256 << 10) + 1));
    assert!(packing.with_big_value(9).is_big(10));
}

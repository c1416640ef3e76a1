//! What was put in comes out.

use std::borrow::Cow;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::{Codec, Compression, Envelope, Foreign, Header, Packing};
use super::{PLACE, Page, any_header, any_packing, any_page, header, packings, page, ring};

fn parse(bytes: Vec<u8>) -> Envelope {
    Envelope::parse(Bytes::from(bytes)).unwrap()
}

/// The header as it is read: with what its payload says.
fn read_back(envelope: &Envelope) -> Header {
    Header {
        hash: 0,
        is_absent: false,
        ..envelope.header().clone()
    }
}

proptest! {
    #[test]
    fn a_value_and_its_header_come_back(header in any_header(), page in any_page(), packing in any_packing()) {
        let bytes = Envelope::encode_value(&header, Some(&page), &packing, PLACE).unwrap();
        let envelope = parse(bytes);
        prop_assert_eq!(read_back(&envelope), header);
        prop_assert_eq!(envelope.decode::<Page>(&packing, PLACE), Ok(Some(page)));
    }

    #[test]
    fn plain_bytes_come_back(plain: Vec<u8>, packing in any_packing()) {
        let envelope = parse(Envelope::encode(&header(), Some(&plain), &packing, PLACE).unwrap());
        prop_assert_eq!(envelope.open(&packing, PLACE).unwrap(), plain);
    }

    #[test]
    fn a_counter_comes_back(header in any_header(), count: i64) {
        let envelope = parse(Envelope::encode_counter(&header, count, PLACE).unwrap());
        prop_assert_eq!(read_back(&envelope), header);
        prop_assert_eq!(envelope.counter(), Ok(Some(count)));
        prop_assert_eq!(envelope.decode::<i64>(&Packing::new(), PLACE), Ok(Some(count)));
    }
}

#[test]
fn every_combination_brings_a_large_value_back() {
    let page = page(2000);
    for packing in packings() {
        let envelope = parse(Envelope::encode_value(&header(), Some(&page), &packing, PLACE).unwrap());
        assert_eq!(
            envelope.decode::<Page>(&packing, PLACE),
            Ok(Some(page.clone())),
            "{packing:?}"
        );
    }
}

#[test]
fn a_price_comes_back_to_its_last_bit() {
    for packing in packings() {
        for price in [
            -414_191_306.897_899_15,
            0.1 + 0.2,
            f64::MIN_POSITIVE,
            f64::MAX,
            -0.0,
        ] {
            let envelope = parse(Envelope::encode_value(&header(), Some(&price), &packing, PLACE).unwrap());
            let found: f64 = envelope.decode(&packing, PLACE).unwrap().unwrap();
            assert_eq!(found.to_bits(), price.to_bits());
        }
    }
}

#[test]
fn the_absence_of_a_value_comes_back() {
    for packing in packings() {
        let bytes = Envelope::encode_value::<Page>(&header(), None, &packing, PLACE).unwrap();
        let envelope = parse(bytes);
        assert!(envelope.header().is_absent);
        assert_eq!(envelope.decode::<Page>(&packing, PLACE), Ok(None));
    }
}

#[test]
fn an_empty_value_is_not_an_absent_one() {
    for packing in packings() {
        let envelope = parse(Envelope::encode_value(&header(), Some(&()), &packing, PLACE).unwrap());
        assert!(!envelope.header().is_absent);
        assert_eq!(envelope.decode::<()>(&packing, PLACE), Ok(Some(())));
    }
}

#[test]
fn an_envelope_is_read_whatever_codec_and_compression_its_namespace_has_now() {
    let page = page(50);
    let written: Vec<Packing> = packings()
        .into_iter()
        .filter(|packing| packing.keys().is_none())
        .collect();
    for packing in &written {
        let envelope = parse(Envelope::encode_value(&header(), Some(&page), packing, PLACE).unwrap());
        for now in &written {
            assert_eq!(envelope.decode::<Page>(now, PLACE), Ok(Some(page.clone())));
        }
    }
}

#[test]
fn compression_is_kept_only_where_it_saves_a_tenth() {
    let packing = Packing::new();
    let size = |plain: &[u8]| {
        Envelope::encode(&header(), Some(plain), &packing, PLACE)
            .unwrap()
            .len()
    };
    let head = size(&[0; 1023]) - 1023;
    assert!(size(&[0; 1024]) < 200 + head, "1,024 bytes are compressed");
    let noise: Vec<u8> = (0..4096_u64)
        .map(|at| (xxhash_rust::xxh3::xxh3_64(&at.to_be_bytes()) & 0xff) as u8)
        .collect();
    assert_eq!(size(&noise), noise.len() + head, "noise stays as it is");
    let mut mostly_noise = noise;
    mostly_noise.extend_from_slice(&[0; 300]);
    assert_eq!(
        size(&mostly_noise),
        mostly_noise.len() + head,
        "a saving of 7 % is not worth it"
    );
}

#[test]
fn an_envelope_is_allocated_in_its_exact_size() {
    for packing in packings() {
        let bytes = Envelope::encode_value(&header(), Some(&page(100)), &packing, PLACE).unwrap();
        assert_eq!(bytes.capacity(), bytes.len());
    }
}

#[test]
fn what_is_neither_compressed_nor_sealed_is_opened_without_a_copy() {
    let packing = Packing::new().with_compression(Compression::None);
    let envelope = parse(Envelope::encode_value(&header(), Some(&page(100)), &packing, PLACE).unwrap());
    assert!(matches!(envelope.open(&packing, PLACE), Ok(Cow::Borrowed(_))));
}

#[test]
fn a_value_of_another_shape_is_foreign() {
    for packing in packings() {
        let envelope = parse(Envelope::encode_value(&header(), Some("no page"), &packing, PLACE).unwrap());
        assert_eq!(
            envelope.decode::<Page>(&packing, PLACE),
            Err(Foreign::Codec),
            "{packing:?}"
        );
    }
    let packing = Packing::new().with_codec(Codec::Postcard);
    let envelope = parse(Envelope::encode_value(&header(), Some(&(1_u8, 2_u8)), &packing, PLACE).unwrap());
    assert_eq!(
        envelope.decode::<u8>(&packing, PLACE),
        Err(Foreign::Codec),
        "bytes are left over"
    );
}

#[test]
fn a_counter_is_no_value_and_a_value_no_counter() {
    let value = parse(Envelope::encode_value(&header(), Some(&7), &Packing::new(), PLACE).unwrap());
    assert_eq!(value.counter(), Ok(None));
    let counter = parse(Envelope::encode_counter(&header(), 7, PLACE).unwrap());
    let sealed = Packing::new().with_keys(ring());
    assert_eq!(counter.decode::<i64>(&sealed, PLACE), Err(Foreign::Unsealed));
    assert_eq!(counter.counter(), Ok(Some(7)));
}

#[test]
fn a_value_may_use_the_cache_while_it_is_serialised() {
    struct Nested;
    impl serde::Serialize for Nested {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let inner = Envelope::encode_value(&header(), Some(&page(100)), &Packing::new(), PLACE).unwrap();
            serializer.serialize_u64(inner.len() as u64)
        }
    }
    let outer = parse(Envelope::encode_value(&header(), Some(&Nested), &Packing::new(), PLACE).unwrap());
    let inner = Envelope::encode_value(&header(), Some(&page(100)), &Packing::new(), PLACE).unwrap();
    assert_eq!(
        outer.decode::<u64>(&Packing::new(), PLACE),
        Ok(Some(inner.len() as u64))
    );
}

//! What is not ours, or not what we wrote, is never a value.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::{Envelope, Foreign, Packing, layout};
use super::{CODECS, PLACE, Page, any_header, any_packing, any_page, header, packings, page, ring};

fn read(bytes: &[u8], packing: &Packing) -> Result<Option<Page>, Foreign> {
    let envelope = Envelope::parse(Bytes::copy_from_slice(bytes))?;
    let _ = envelope.counter();
    envelope.decode(packing, PLACE)
}

proptest! {
    #[test]
    fn random_bytes_are_foreign(bytes: Vec<u8>, packing in any_packing()) {
        prop_assert!(read(&bytes, &packing).is_err());
    }

    #[test]
    fn random_bytes_behind_a_good_beginning_are_foreign(flags: u8, bytes: Vec<u8>, packing in any_packing()) {
        let mut good = Envelope::encode_value(&header(), Some(&page(1)), &packing, PLACE).unwrap();
        good.truncate(layout::AT_REST);
        good[3] = flags;
        good.extend_from_slice(&bytes);
        prop_assert!(read(&good, &packing).is_err());
    }

    #[test]
    fn changing_several_bytes_gives_the_value_or_none(
        header in any_header(),
        page in any_page(),
        packing in any_packing(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = Envelope::encode_value(&header, Some(&page), &packing, PLACE).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(found) = read(&bytes, &packing) {
            prop_assert_eq!(found, Some(page));
        }
    }
}

#[test]
fn every_truncation_is_foreign() {
    for packing in packings() {
        for rows in [0, 3] {
            let bytes = Envelope::encode_value(&header(), Some(&page(rows)), &packing, PLACE).unwrap();
            for end in 0..bytes.len() {
                assert!(
                    read(&bytes[..end], &packing).is_err(),
                    "{end} of {} bytes, {packing:?}",
                    bytes.len()
                );
            }
        }
    }
}

#[test]
fn whatever_follows_an_envelope_makes_it_foreign() {
    for packing in packings() {
        let mut bytes = Envelope::encode_value(&header(), Some(&page(3)), &packing, PLACE).unwrap();
        bytes.push(b' ');
        assert!(read(&bytes, &packing).is_err());
    }
}

/// Where sealed entries may differ without anybody noticing: the fields that scripts write.
fn is_of_scripts(at: usize) -> bool {
    (layout::AT_INCARNATION..layout::AT_CREATED).contains(&at)
}

#[test]
fn every_flip_of_a_bit_gives_the_value_or_none() {
    for packing in packings() {
        let page = page(3);
        let good = Envelope::encode_value(&header(), Some(&page), &packing, PLACE).unwrap();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                match read(&bytes, &packing) {
                    Ok(found) => {
                        assert_eq!(found, Some(page.clone()), "bit {bit} of byte {at}, {packing:?}");
                        assert!(
                            packing.keys().is_none() || is_of_scripts(at),
                            "a seal vouches for byte {at}, {packing:?}"
                        );
                    }
                    Err(foreign) => assert!(!foreign.to_string().is_empty()),
                }
            }
        }
    }
}

#[test]
fn every_byte_of_a_small_envelope_may_be_any_other() {
    // So short a value is never compressed.
    let plain_and_sealed = |codec| {
        let packing = Packing::new().with_codec(codec);
        [packing.clone(), packing.with_keys(ring())]
    };
    for packing in CODECS.into_iter().flat_map(plain_and_sealed) {
        let good = Envelope::encode_value(&header(), Some(&7_u8), &packing, PLACE).unwrap();
        let absent = Envelope::encode_value::<u8>(&header(), None, &packing, PLACE).unwrap();
        for (good, value) in [(good, Some(7)), (absent, None)] {
            for at in 0..good.len() {
                for byte in 0..=u8::MAX {
                    let mut bytes = good.clone();
                    bytes[at] = byte;
                    let Ok(envelope) = Envelope::parse(Bytes::from(bytes)) else {
                        continue;
                    };
                    if let Ok(found) = envelope.decode::<u8>(&packing, PLACE) {
                        assert_eq!(found, value, "byte {at} is {byte}, {packing:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_reasons_tell_apart_what_is_wrong() {
    let packing = Packing::new();
    let good = Envelope::encode_value(&header(), Some(&page(1)), &packing, PLACE).unwrap();
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let last = good.len() - 1;
    assert_eq!(read(b"", &packing), Err(Foreign::NotOurs));
    assert_eq!(
        read(b"{\"title\":\"a page of another program\"}", &packing),
        Err(Foreign::NotOurs)
    );
    assert_eq!(read(&changed(2, 2), &packing), Err(Foreign::Format(2)));
    assert_eq!(read(&good[..40], &packing), Err(Foreign::Truncated));
    assert_eq!(read(&good[..last], &packing), Err(Foreign::Truncated));
    assert_eq!(read(&changed(3, 0x80), &packing), Err(Foreign::Malformed));
    assert_eq!(
        read(&changed(layout::AT_AS_OF, b'x'), &packing),
        Err(Foreign::Malformed)
    );
    assert_eq!(read(&changed(last, b'!'), &packing), Err(Foreign::Hash));
    assert_eq!(
        read(&changed(3, 1), &packing),
        Err(Foreign::Hash),
        "JSON is not read as MessagePack"
    );
}

#[test]
fn text_that_is_no_canonical_number_is_no_counter() {
    let good = Envelope::encode_counter(&header(), -12, PLACE).unwrap();
    for text in ["012", "+12", "-00", "1 2", "  1", "1e1", "\u{661}x"] {
        let mut bytes = good[..good.len() - 3].to_vec();
        bytes.extend_from_slice(text.as_bytes());
        let envelope = Envelope::parse(Bytes::from(bytes)).unwrap();
        assert_eq!(envelope.counter(), Err(Foreign::Codec), "{text}");
        assert_eq!(
            envelope.decode::<i64>(&Packing::new(), PLACE),
            Err(Foreign::Codec),
            "{text}"
        );
    }
}

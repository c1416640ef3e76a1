//! Byte by byte: what other processes, older and newer ones, and the scripts rely on.

use bytes::Bytes;

use super::super::{Envelope, Packing, layout};
use super::{PLACE, header};

#[test]
fn the_bytes_of_an_envelope_are_those_of_the_design() {
    let bytes = Envelope::encode_value(&header(), Some(&[1, 2]), &Packing::new(), PLACE).unwrap();
    let expected = [
        &[0xc5, 0x4f, 1, 0][..],
        b"0123456789abcdef",
        &[0, 0, 0, 0, 0, 0, 0, 7],
        b"incarnat",
        b"0000000000000042",
        &1_790_000_000_000_u64.to_be_bytes(),
        &[0xe0, 0xd4, 0x03],
        &[0xac, 0x02],
        &[0x80, 0xdd, 0xdb, 0x01],
        &[0xd2, 0x09],
        &[2, 6],
        b"user/7",
        &[6],
        b"team/3",
        &xxhash_rust::xxh3::xxh3_64(b"[1,2]").to_be_bytes(),
        &[5],
        b"[1,2]",
    ]
    .concat();
    assert_eq!(bytes, expected);
}

#[test]
fn the_flags_say_what_is_inside() {
    let flags = |bytes: Vec<u8>| bytes[3];
    let mut header = header();
    assert_eq!(flags(Envelope::encode_counter(&header, 1, PLACE).unwrap()), 0b11);
    header.is_sliding = true;
    let packing = Packing::new()
        .with_codec(super::Codec::Postcard)
        .with_compress_from(1)
        .with_keys(super::ring());
    let zeros = "0".repeat(100);
    assert_eq!(
        flags(Envelope::encode_value(&header, Some(&zeros), &packing, PLACE).unwrap()),
        0b0101_0110
    );
    assert_eq!(
        flags(Envelope::encode_value::<u8>(&header, None, &packing, PLACE).unwrap()),
        0b0111_0010
    );
}

#[test]
fn the_fields_that_scripts_know_lie_where_they_look() {
    let bytes = Envelope::encode_value(&header(), Some(&1), &Packing::new(), PLACE).unwrap();
    assert_eq!(layout::field(&bytes, layout::AT_ID), Some(header().id));
    assert_eq!(
        layout::field(&bytes, layout::AT_VERSION),
        Some(7_u64.to_be_bytes())
    );
    assert_eq!(
        layout::field(&bytes, layout::AT_INCARNATION),
        Some(header().incarnation)
    );
    assert_eq!(
        layout::field(&bytes, layout::AT_AS_OF),
        Some(*b"0000000000000042")
    );
    assert_eq!(layout::field::<16>(&bytes[..50], layout::AT_AS_OF), None);
}

/// What the script does with `string.match(envelope, '%-?%d+$')`.
fn counted_on(envelope: &[u8], by: i64) -> Vec<u8> {
    let digits = envelope
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let signed = usize::from(envelope[envelope.len() - digits - 1] == b'-');
    let (head, text) = envelope.split_at(envelope.len() - digits - signed);
    let count: i64 = std::str::from_utf8(text).unwrap().parse().unwrap();
    let text = (count + by).to_string();
    let mut next = head[..head.len() - 1].to_vec();
    next.push(text.len() as u8);
    next.extend_from_slice(text.as_bytes());
    next
}

#[test]
fn a_counter_is_counted_on_without_reading_its_header() {
    for count in [0, 5, 9, -1, -10, 99, i64::MIN, i64::MAX - 2] {
        let bytes = Envelope::encode_counter(&header(), count, PLACE).unwrap();
        let next = Envelope::parse(Bytes::from(counted_on(&bytes, 2))).unwrap();
        assert_eq!(next.counter(), Ok(Some(count + 2)));
        assert_eq!(
            next.bytes(),
            &Envelope::encode_counter(&header(), count + 2, PLACE).unwrap()
        );
    }
}

//! Values and counts as Redis 7.0.15 gave them, and what holds of all values.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use super::{Corrupted, Registers, add, count, empty, is_dense, is_valid, merge_into};

fn seen(elements: std::ops::Range<usize>) -> Vec<u8> {
    let mut value = empty();
    for element in elements {
        add(&mut value, element.to_string().as_bytes()).unwrap();
    }
    value
}

fn digest(value: &[u8]) -> String {
    sha1_smol::Sha1::from(value).hexdigest()
}

#[test]
fn values_and_counts_are_those_of_the_reference_server() {
    for (elements, len, sha1, expected) in [
        (100, 287, "e448ecf5da41d8cbef3dfc98b83246a059f244da", 100),
        (1000, 1923, "4b303e06b0d6db03a3a76f2ec573cd3e169405e7", 1001),
        (2000, 12304, "2171f65769f5e3025667dd86b6973403e6e6fc8b", 2007),
        (100_000, 12304, "ab6973d0a02ad01492516665fac6473e86680977", 99565),
    ] {
        let mut value = seen(0..elements);
        assert_eq!((value.len(), digest(&value).as_str()), (len, sha1));
        assert!(is_valid(&value));
        assert_eq!(count(&mut value), Ok((expected, true)));
        assert_eq!(count(&mut value), Ok((expected, false)));
    }
}

#[test]
fn a_repeated_element_changes_nothing() {
    let mut value = seen(0..500);
    let before = value.clone();
    for element in 0..500 {
        assert_eq!(add(&mut value, element.to_string().as_bytes()), Ok(false));
    }
    assert_eq!(value, before);
}

#[test]
fn a_union_counts_what_either_has_seen() {
    let (mut both, one, other) = (seen(0..3000), seen(0..1500), seen(1000..3000));
    let mut union = Registers::new();
    union.merge(&one).unwrap();
    union.merge(&other).unwrap();
    assert_eq!(union.count(), count(&mut both).unwrap().0);

    let mut merged = empty();
    merge_into(&mut merged, &union, is_dense(&one) || is_dense(&other)).unwrap();
    assert_eq!(count(&mut merged).unwrap().0, count(&mut both).unwrap().0);
}

#[test]
fn registers_that_cannot_be_read_are_reported() {
    let mut short = empty();
    short.pop();
    assert!(is_valid(&short));
    assert_eq!(add(&mut short, b"a"), Err(Corrupted));
    assert_eq!(Registers::new().merge(&short), Err(Corrupted));
    let mut long = empty();
    long.extend([0x7f, 0xff]);
    assert_eq!(Registers::new().merge(&long), Err(Corrupted));
}

#[test]
fn other_strings_are_not_taken_for_values() {
    let mut dense = seen(0..3000);
    dense.push(0);
    for value in [
        &b""[..],
        b"HYLL",
        b"HYLL\x02\0\0\0\0\0\0\0\0\0\0\0\x7f\xff",
        b"hello, hyperloglog",
        &dense,
    ] {
        assert!(!is_valid(value));
    }
}

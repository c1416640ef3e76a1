//! What elements are sorted by, and the sorting.
use std::borrow::Cow;
use std::cmp::Ordering;

use super::pattern::{Lookup, Pattern};
use crate::number::parse_float;
use crate::reply::Fault;

/// How texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// As C's `strcoll` does, for which a text ends at its first zero byte: for what is only answered.
    C,
    /// Byte by byte: for what is stored.
    Bytes,
}

/// What elements are compared by, one entry for each.
pub(super) enum Weights<'a> {
    /// Their own text.
    Text(Alphabet),
    /// Texts found elsewhere; what has none comes first.
    Texts(Vec<Option<Cow<'a, [u8]>>>, Alphabet),
    /// Numbers; elements with the same one are compared by their own text.
    Numbers(Vec<f64>),
}

impl<'e> Weights<'e> {
    pub(super) fn of<'a: 'e>(
        elements: &'e [Cow<'a, [u8]>],
        by: Option<&Pattern<'_>>,
        alphabet: Option<Alphabet>,
        mut lookup: Lookup<'a>,
    ) -> Result<Self, Fault> {
        if let Some(alphabet) = alphabet {
            return Ok(match by {
                None => Self::Text(alphabet),
                Some(by) => {
                    let texts = elements.iter().map(|element| lookup.find(by, element));
                    Self::Texts(texts.collect(), alphabet)
                }
            });
        }
        let number = |element: &'e Cow<'a, [u8]>| match by {
            None => to_number(element),
            // An element without a weight weighs nothing.
            Some(by) => lookup
                .find(by, element)
                .map_or(Some(0.0), |weight| to_number(&weight)),
        };
        let numbers: Option<Vec<f64>> = elements.iter().map(number).collect();
        numbers
            .map(Self::Numbers)
            .ok_or(Fault::of("ERR One or more scores can't be converted into double"))
    }

    fn compare(&self, elements: &[Cow<'_, [u8]>], left: usize, right: usize) -> Ordering {
        let by_text = || elements.get(left).cmp(&elements.get(right));
        match self {
            Self::Text(alphabet) => alphabet.compare(elements.get(left), elements.get(right)),
            Self::Texts(texts, alphabet) => {
                let text = |place: usize| texts.get(place).and_then(Option::as_ref);
                alphabet.compare(text(left), text(right))
            }
            Self::Numbers(numbers) => numbers
                .get(left)
                .partial_cmp(&numbers.get(right))
                .unwrap_or(Ordering::Equal)
                .then_with(by_text),
        }
    }
}

impl Alphabet {
    fn compare(self, left: Option<&Cow<'_, [u8]>>, right: Option<&Cow<'_, [u8]>>) -> Ordering {
        left.map(|text| self.read(text))
            .cmp(&right.map(|text| self.read(text)))
    }

    fn read(self, text: &[u8]) -> &[u8] {
        match self {
            Self::Bytes => text,
            Self::C => text.split(|byte| *byte == 0).next().unwrap_or_default(),
        }
    }
}

/// A number as C's `strtod` reads it: space before it is skipped, a zero byte ends it, and nothing is zero.
fn to_number(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let number = parse_float(text.trim_ascii_start())?;
    // For `strtod` what is below the normal numbers is out of range.
    (!number.is_subnormal() && (number != 0.0 || is_zero(text))).then_some(number)
}

/// Whether a number that was read as zero is written as zero; otherwise it is too small for `strtod`.
fn is_zero(text: &[u8]) -> bool {
    let is_hexadecimal = memchr::memchr2(b'x', b'X', text).is_some();
    let mut mantissa = text.iter().take_while(|byte| !matches!(byte, b'e' | b'E'));
    is_hexadecimal || !mantissa.any(|byte| matches!(byte, b'1'..=b'9'))
}

/// The elements of a window of all, once they are sorted.
pub(super) fn pick<'a>(
    elements: &[Cow<'a, [u8]>],
    weights: &Weights<'_>,
    is_descending: bool,
    window: std::ops::Range<usize>,
) -> Vec<Cow<'a, [u8]>> {
    let mut places: Vec<usize> = (0..elements.len()).collect();
    // What compares equal keeps the order it had.
    let compare = |left: &usize, right: &usize| {
        let order = weights.compare(elements, *left, *right);
        let order = if is_descending { order.reverse() } else { order };
        order.then(left.cmp(right))
    };
    if window.end < places.len() {
        if window.end > 0 {
            places.select_nth_unstable_by(window.end, compare);
        }
        places.truncate(window.end);
    }
    places.sort_unstable_by(compare);
    places.drain(..window.start);
    places
        .into_iter()
        .filter_map(|place| elements.get(place).cloned())
        .collect()
}

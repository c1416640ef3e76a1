//! Iteration over a range of a sorted set, either way.

use std::iter::FusedIterator;

use super::members::Members;
use super::packed::{Backward, Forward};
use super::tree::Walk;

/// Entries (member, score) of a range of ranks.
#[derive(Clone, Debug)]
pub(crate) struct Entries<'set> {
    form: Form<'set>,
    left: usize,
}

#[derive(Clone, Debug)]
enum Form<'set> {
    Forward(Forward<'set>),
    Backward(Backward<'set>),
    Large {
        walk: Walk<'set>,
        members: &'set Members,
        backwards: bool,
    },
}

impl<'set> Entries<'set> {
    pub(super) fn packed(entries: Forward<'set>, left: usize) -> Self {
        Self {
            form: Form::Forward(entries),
            left,
        }
    }

    pub(super) fn packed_backwards(entries: Backward<'set>, left: usize) -> Self {
        Self {
            form: Form::Backward(entries),
            left,
        }
    }

    pub(super) fn large((walk, members): (Walk<'set>, &'set Members), left: usize, backwards: bool) -> Self {
        Self {
            form: Form::Large {
                walk,
                members,
                backwards,
            },
            left,
        }
    }
}

impl<'set> Iterator for Entries<'set> {
    type Item = (&'set [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.form {
            Form::Forward(entries) => entries.next(),
            Form::Backward(entries) => entries.next(),
            Form::Large {
                walk,
                members,
                backwards,
            } => {
                let key = if *backwards {
                    walk.backward()
                } else {
                    walk.forward()
                }?;
                Some((members.member(key.id), key.score))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Entries<'_> {}

impl FusedIterator for Entries<'_> {}
